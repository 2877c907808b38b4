// Judge a picture by inference_complete.onnx: judge MODEL PICTURE. Exit status: 0 OK, 1 NG, 2 no verdict.
using System;
using System.Drawing;
using System.Drawing.Imaging;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

sealed class Judge : IDisposable
{
    // See ../c/judge.h.
    [DllImport("judge", CallingConvention = CallingConvention.Cdecl)]
    static extern int judge_open(byte[] model, UIntPtr size, out IntPtr opened, byte[] error);

    [DllImport("judge", CallingConvention = CallingConvention.Cdecl)]
    static extern int judge_run(IntPtr opened, byte[] pixels, long height, long width, out float score, out byte isAnomalous,
                                float[] anomalyMap, byte[] mask, byte[] error);

    [DllImport("judge", CallingConvention = CallingConvention.Cdecl)]
    static extern void judge_close(IntPtr opened);

    readonly IntPtr opened;

    public Judge(string model)
    {
        byte[] file = File.ReadAllBytes(model), error = new byte[512];
        Check(judge_open(file, (UIntPtr)file.Length, out opened, error), error);
    }

    static void Check(int status, byte[] error)
    {
        if (status != 0)
            throw new InvalidDataException(Encoding.UTF8.GetString(error).Split('\0')[0]);
    }

    /// <summary>The pixels of a picture of 8 bits, RGB, row by row.</summary>
    static byte[] Read(string path, out int width, out int height)
    {
        byte[] file = File.ReadAllBytes(path);
        if (file.Length > 24 && file[1] == 'P' && file[24] == 16) // where a PNG says it; it would be cut down to 8
            throw new InvalidDataException(path + " is not a picture of 8 bits");
        using (var bitmap = new Bitmap(new MemoryStream(file)))
        {
            width = bitmap.Width;
            height = bitmap.Height;
            var pixels = new byte[3 * width * height];
            BitmapData data = bitmap.LockBits(new Rectangle(0, 0, width, height), ImageLockMode.ReadOnly, PixelFormat.Format24bppRgb);
            for (int y = 0; y < height; y++)
                Marshal.Copy(data.Scan0 + y * data.Stride, pixels, 3 * width * y, 3 * width);
            bitmap.UnlockBits(data);
            for (int i = 0; i < pixels.Length; i += 3)
                Array.Reverse(pixels, i, 3); // it has them as BGR
            return pixels;
        }
    }

    /// <summary>The verdict as JSON.</summary>
    public string Run(string picture, out byte isAnomalous)
    {
        int width, height;
        byte[] pixels = Read(picture, out width, out height);
        float score;
        var anomalyMap = new float[width * height];
        byte[] mask = new byte[width * height], error = new byte[512];
        Check(judge_run(opened, pixels, height, width, out score, out isAnomalous, anomalyMap, mask, error), error);
        return string.Format(
            CultureInfo.InvariantCulture,
            "{{\"score\": {0:G9}, \"isAnomalous\": {1}, \"mapMaximum\": {2:G9}, \"anomalousPixels\": {3}}}",
            score, isAnomalous != 0 ? "true" : "false", anomalyMap.Max(), mask.Count(value => value == 255));
    }

    public void Dispose()
    {
        judge_close(opened);
    }

    static int Main(string[] arguments)
    {
        try
        {
            if (arguments.Length != 2)
                throw new ArgumentException("usage: judge MODEL PICTURE");
            byte isAnomalous;
            using (var judge = new Judge(arguments[0]))
                Console.WriteLine(judge.Run(arguments[1], out isAnomalous));
            return isAnomalous;
        }
        catch (Exception error) // whatever it is, it is no verdict
        {
            Console.Error.WriteLine("error: " + Regex.Replace(error.Message, @"\s+", " "));
            return 2;
        }
    }
}
