// Ask the service about one picture: judge URL PICTURE. Exit status: 0 OK, 1 NG, 2 no verdict.
#include <curl/curl.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

struct Verdict {
    bool anomalous;
    double score;
};

std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error("cannot read " + path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string base64(const std::string& bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (size_t at = 0; at < bytes.size(); at += 3) {
        unsigned triple = 0;
        for (size_t i = at; i < at + 3; ++i) triple = triple << 8 | (i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u);
        for (int shift = 18; shift >= 0; shift -= 6) text += digits[triple >> shift & 63];
    }
    text.replace(text.size() - (3 - bytes.size() % 3) % 3, std::string::npos, (3 - bytes.size() % 3) % 3, '=');
    return text;
}

size_t append(char* bytes, size_t, size_t count, void* text) {
    static_cast<std::string*>(text)->append(bytes, count);
    return count;
}

/// The verdict about the picture; throws if there is none.
Verdict judge(const std::string& url, const std::string& picture) {
    const nlohmann::json body = {{"image", base64(read(picture))}, {"visualize", false}};
    const char* key = std::getenv("PADDLEX_API_KEY");
    curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/json");
    headers = curl_slist_append(headers, (std::string("X-API-Key: ") + (key ? key : "")).c_str());
    const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> freed(headers, curl_slist_free_all);
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
    std::string text;
    curl_easy_setopt(curl.get(), CURLOPT_URL, (url + "/image-anomaly-detection").c_str());
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl.get(), CURLOPT_COPYPOSTFIELDS, body.dump().c_str());
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &text);
    const CURLcode code = curl_easy_perform(curl.get());
    if (code != CURLE_OK) throw std::runtime_error("no answer from " + url + ": " + curl_easy_strerror(code));
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) throw std::runtime_error("HTTP status " + std::to_string(status) + ": " + text.substr(0, 1000));
    const auto answer = nlohmann::json::parse(text);
    if (answer.at("errorCode") != 0) throw std::runtime_error("no verdict: " + answer.at("errorMsg").get<std::string>());
    const auto& result = answer.at("result");
    if (!result.at("score").is_number()) throw std::runtime_error("no verdict: the score is not a number");
    return {result.at("isAnomalous").get<bool>(), result.at("score").get<double>()};
}

int main(int count, char** arguments) try {
    if (count != 3) throw std::runtime_error("usage: judge URL PICTURE");
    const auto [anomalous, score] = judge(arguments[1], arguments[2]);
    std::printf("%s %.6f\n", anomalous ? "NG" : "OK", score);
    return anomalous ? 1 : 0;
} catch (const std::exception& error) {  // whatever it is, it is no verdict
    std::string line = error.what();
    for (char& c : line) c = c == '\n' ? ' ' : c;
    std::fprintf(stderr, "error: %s\n", line.c_str());
    return 2;
}
