// Ask the service about one picture: judge URL PICTURE. Exit status: 0 OK, 1 NG, 2 no verdict.
// Nothing in it is newer than .NET Framework 4.8, which machines in a plant often have; .NET 8 and Mono take it as well.
using System;
using System.Globalization;
using System.IO;
using System.Net.Http;
using System.Text;
using System.Text.RegularExpressions;
using Newtonsoft.Json.Linq;

static class Judge
{
    static bool IsAnomalous(string url, string picture, out double score)
    {
        var body = new JObject(new JProperty("image", File.ReadAllBytes(picture)), new JProperty("visualize", false));
        using (var client = new HttpClient { Timeout = TimeSpan.FromSeconds(60) })
        {
            client.DefaultRequestHeaders.Add("X-API-Key", Environment.GetEnvironmentVariable("PADDLEX_API_KEY") ?? "");
            var content = new StringContent(body.ToString(), Encoding.UTF8, "application/json"); // bytes become base64
            HttpResponseMessage response = client.PostAsync(url + "/image-anomaly-detection", content).GetAwaiter().GetResult();
            string text = response.Content.ReadAsStringAsync().GetAwaiter().GetResult();
            if ((int)response.StatusCode != 200)
                throw new InvalidDataException("HTTP status " + (int)response.StatusCode + ": " + text);
            JObject answer = JObject.Parse(text);
            JToken code = answer["errorCode"], anomalous = answer.SelectToken("result.isAnomalous");
            JToken value = answer.SelectToken("result.score");
            score = value != null && (value.Type == JTokenType.Float || value.Type == JTokenType.Integer) ? (double)value : double.NaN;
            if (code == null || code.Type != JTokenType.Integer || (int)code != 0 || anomalous == null
                || anomalous.Type != JTokenType.Boolean || double.IsNaN(score) || double.IsInfinity(score))
                throw new InvalidDataException("no verdict: " + answer["errorMsg"]);
            return (bool)anomalous;
        }
    }

    static int Main(string[] arguments)
    {
        try
        {
            if (arguments.Length != 2)
                throw new ArgumentException("usage: judge URL PICTURE");
            double score;
            bool anomalous = IsAnomalous(arguments[0], arguments[1], out score);
            Console.WriteLine((anomalous ? "NG " : "OK ") + score.ToString("F6", CultureInfo.InvariantCulture));
            return anomalous ? 1 : 0;
        }
        catch (Exception error) // whatever it is, it is no verdict
        {
            Console.Error.WriteLine("error: " + Regex.Replace(error.GetBaseException().Message, @"\s+", " "));
            return 2;
        }
    }
}
