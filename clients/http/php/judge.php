<?php
// Ask the service about one picture: php judge.php URL PICTURE. Exit status: 0 OK, 1 NG, 2 no verdict.
declare(strict_types=1);

/** Whether the part in the picture is anomalous, and its score; throws if there is no verdict. */
function judge(string $url, string $picture): array
{
    $body = json_encode(['image' => base64_encode(file_get_contents($picture)), 'visualize' => false]);
    $headers = ['Content-Type: application/json', 'X-API-Key: ' . getenv('PADDLEX_API_KEY')];
    $text = file_get_contents("$url/image-anomaly-detection", false, stream_context_create(['http' => [
        'method' => 'POST', 'header' => $headers, 'content' => $body, 'timeout' => 60, 'ignore_errors' => true,
        'follow_location' => 0,
    ]]));
    if (!preg_match('#^HTTP/\S+ 200\b#', $http_response_header[0] ?? '')) {
        throw new RuntimeException(($http_response_header[0] ?? 'no HTTP') . ': ' . substr($text, 0, 1000));
    }
    $answer = json_decode($text, true, 512, JSON_THROW_ON_ERROR);
    $anomalous = $answer['result']['isAnomalous'] ?? null;
    $score = $answer['result']['score'] ?? null;
    if (($answer['errorCode'] ?? null) !== 0 || !is_bool($anomalous) || !(is_float($score) || is_int($score))) {
        throw new RuntimeException('no verdict: ' . ($answer['errorMsg'] ?? ''));
    }
    return [$anomalous, $score];
}

// a warning, say of a file that is not there, is an error as well
set_error_handler(fn (int $level, string $message) => throw new RuntimeException($message));
try {
    if ($argc !== 3) {
        throw new RuntimeException('usage: php judge.php URL PICTURE');
    }
    [$anomalous, $score] = judge($argv[1], $argv[2]);
    printf("%s %.6f\n", $anomalous ? 'NG' : 'OK', $score);
    exit($anomalous ? 1 : 0);
} catch (Throwable $error) {
    fwrite(STDERR, 'error: ' . preg_replace('/\s+/', ' ', $error->getMessage()) . "\n");
    exit(2);
}
