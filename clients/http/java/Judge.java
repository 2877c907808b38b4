// Ask the service about one picture: java -cp gson.jar:. Judge URL PICTURE (Java 11 or later). Exit status: 0 OK, 1 NG, 2 no verdict.
import com.google.gson.Gson;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.Locale;
import java.util.Map;

public class Judge {
    /** What is used of the service's answer; what is missing is null. */
    static class Answer {
        Integer errorCode;
        String errorMsg;
        Result result;
    }

    static class Result {
        Object isAnomalous; // Gson would take "no" for a Boolean
        Object score;
    }

    /** The verdict about the picture; throws if there is none. */
    static Result judge(String url, Path picture) throws Exception {
        String image = Base64.getEncoder().encodeToString(Files.readAllBytes(picture));
        String body = new Gson().toJson(Map.of("image", image, "visualize", false));
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + "/image-anomaly-detection"))
            .timeout(Duration.ofSeconds(60))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body));
        if (System.getenv("PADDLEX_API_KEY") != null) {
            request.header("X-API-Key", System.getenv("PADDLEX_API_KEY"));
        }
        HttpResponse<String> response = HttpClient.newHttpClient().send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) {
            throw new Exception("HTTP status " + response.statusCode() + ": " + response.body());
        }
        Answer answer = new Gson().fromJson(response.body(), Answer.class);
        if (answer == null || answer.errorCode == null || answer.errorCode != 0 || answer.result == null
                || !(answer.result.isAnomalous instanceof Boolean)
                || !(answer.result.score instanceof Double) || !Double.isFinite((Double) answer.result.score)) {
            throw new Exception("no verdict: " + (answer == null ? "the answer is empty" : answer.errorMsg));
        }
        return answer.result;
    }

    public static void main(String[] arguments) {
        try {
            if (arguments.length != 2) {
                throw new Exception("usage: Judge URL PICTURE");
            }
            Result result = judge(arguments[0], Path.of(arguments[1]));
            boolean anomalous = (Boolean) result.isAnomalous;
            System.out.println(String.format(Locale.ROOT, "%s %.6f", anomalous ? "NG" : "OK", (Double) result.score));
            System.exit(anomalous ? 1 : 0);
        } catch (Exception error) { // whatever it is, it is no verdict; and Java's own exit status would be NG
            System.err.println("error: " + error.toString().replaceAll("\\s+", " "));
            System.exit(2);
        }
    }
}
