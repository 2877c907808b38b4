// Judge a picture by inference_complete.onnx: java -Djna.library.path=../c/build -cp jna.jar:. Judge MODEL PICTURE (Java 11 or later).
// Exit status: 0 OK, 1 NG, 2 no verdict.
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.ByteByReference;
import com.sun.jna.ptr.FloatByReference;
import com.sun.jna.ptr.PointerByReference;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;

public class Judge implements AutoCloseable {
    /** See ../c/judge.h; size_t as long is for 64 bits. */
    interface C extends Library {
        C LIBRARY = Native.load("judge", C.class);

        int judge_open(byte[] model, long size, PointerByReference opened, byte[] error);
        int judge_run(Pointer opened, byte[] pixels, long height, long width, FloatByReference score,
            ByteByReference isAnomalous, float[] anomalyMap, byte[] mask, byte[] error);
        void judge_close(Pointer opened);
    }

    static class Verdict {
        final FloatByReference score = new FloatByReference();
        final ByteByReference isAnomalous = new ByteByReference(); // 0 or 1
        float[] anomalyMap; // row by row
        byte[] mask; // 0 or, as a signed byte, -1
    }

    private final Pointer opened;

    public Judge(Path model) throws IOException {
        byte[] file = Files.readAllBytes(model);
        PointerByReference pointer = new PointerByReference();
        byte[] error = new byte[512];
        check(C.LIBRARY.judge_open(file, file.length, pointer, error), error);
        opened = pointer.getValue();
    }

    /** The verdict about a picture of 8 bits. */
    public Verdict run(Path picture) throws IOException {
        BufferedImage image = ImageIO.read(picture.toFile());
        if (image == null || image.getColorModel().getComponentSize(0) > 8) {
            throw new IOException(picture + " is no picture of 8 bits that can be read");
        }
        int height = image.getHeight(), width = image.getWidth();
        boolean isGrey = image.getType() == BufferedImage.TYPE_BYTE_GRAY; // whose values getRGB would change
        byte[] pixels = new byte[3 * width * height];
        for (int i = 0; i < pixels.length; i++) {
            int x = i / 3 % width, y = i / 3 / width;
            pixels[i] = (byte) (isGrey ? image.getRaster().getSample(x, y, 0) : image.getRGB(x, y) >> 16 - 8 * (i % 3));
        }
        Verdict verdict = new Verdict();
        verdict.anomalyMap = new float[width * height];
        verdict.mask = new byte[width * height];
        byte[] error = new byte[512];
        check(C.LIBRARY.judge_run(opened, pixels, height, width, verdict.score, verdict.isAnomalous, verdict.anomalyMap,
            verdict.mask, error), error);
        return verdict;
    }

    private static void check(int status, byte[] error) throws IOException {
        if (status != 0) {
            throw new IOException(Native.toString(error));
        }
    }

    @Override
    public void close() {
        C.LIBRARY.judge_close(opened);
    }

    public static void main(String[] arguments) {
        if (arguments.length != 2) {
            System.err.println("error: usage: Judge MODEL PICTURE");
            System.exit(2);
        }
        try (Judge judge = new Judge(Path.of(arguments[0]))) {
            Verdict verdict = judge.run(Path.of(arguments[1]));
            float highest = Float.NEGATIVE_INFINITY;
            int pixels = 0;
            for (int i = 0; i < verdict.mask.length; i++) {
                highest = Math.max(highest, verdict.anomalyMap[i]);
                pixels += verdict.mask[i] & 1;
            }
            boolean isAnomalous = verdict.isAnomalous.getValue() != 0;
            System.out.println("{\"score\": " + verdict.score.getValue() + ", \"isAnomalous\": " + isAnomalous
                + ", \"mapMaximum\": " + highest + ", \"anomalousPixels\": " + pixels + "}");
            System.exit(isAnomalous ? 1 : 0);
        } catch (Exception | LinkageError error) { // whatever it is, it is no verdict; and Java's own exit status would be NG
            System.err.println("error: " + error.toString().replaceAll("\\s+", " "));
            System.exit(2);
        }
    }
}
