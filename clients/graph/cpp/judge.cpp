// Judge a picture by inference_complete.onnx: judge MODEL PICTURE. Exit status: 0 OK, 1 NG, 2 no verdict.
#include <onnxruntime_cxx_api.h>

#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

struct Verdict {
    float score;
    bool anomalous;
    float map_maximum;
    long anomalous_pixels;
};

/// The verdict about the picture; throws whatever goes wrong.
Verdict judge(const std::string& model, const std::string& picture) {
    Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "judge");
    Ort::Session session(env, std::filesystem::path(model).c_str(), Ort::SessionOptions());

    int width, height, channels;
    if (stbi_is_16_bit(picture.c_str())) throw std::runtime_error(picture + " is not a picture of 8 bits");
    const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
        stbi_load(picture.c_str(), &width, &height, &channels, 3), stbi_image_free);
    if (!pixels) throw std::runtime_error(picture + ": " + stbi_failure_reason());
    const size_t area = static_cast<size_t>(width) * height;
    Ort::AllocatorWithDefaultOptions allocator;
    const auto order = session.GetModelMetadata().LookupCustomMetadataMapAllocated("colour_order", allocator);
    if (!order) throw std::runtime_error(model + " does not say its colour_order");
    if (std::string(order.get()) == "BGR")
        for (size_t i = 0; i < area; ++i) std::swap(pixels.get()[3 * i], pixels.get()[3 * i + 2]);

    const int64_t shape[] = {height, width, 3};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const Ort::Value image = Ort::Value::CreateTensor<uint8_t>(memory, pixels.get(), 3 * area, shape, 3);
    const char* input = "image";
    const char* outputs[] = {"score", "is_anomalous", "anomaly_map", "mask"};
    const std::vector<Ort::Value> answer = session.Run(Ort::RunOptions(), &input, &image, 1, outputs, 4);

    const float* map = answer[2].GetTensorData<float>();  // [height, width]
    const uint8_t* mask = answer[3].GetTensorData<uint8_t>();
    const float score = *answer[0].GetTensorData<float>();
    if (!std::isfinite(score)) throw std::runtime_error("the score is not a finite number");
    return {score, *answer[1].GetTensorData<bool>(), *std::max_element(map, map + area), std::count(mask, mask + area, 255)};
}

int main(int count, char** arguments) try {
    if (count != 3) throw std::runtime_error("usage: judge MODEL PICTURE");
    const Verdict verdict = judge(arguments[1], arguments[2]);
    std::printf("{\"score\": %.9g, \"isAnomalous\": %s, \"mapMaximum\": %.9g, \"anomalousPixels\": %ld}\n", verdict.score,
                verdict.anomalous ? "true" : "false", verdict.map_maximum, verdict.anomalous_pixels);
    return verdict.anomalous ? 1 : 0;
} catch (const std::exception& error) {  // whatever it is, it is no verdict
    std::string line = error.what();
    std::replace(line.begin(), line.end(), '\n', ' ');
    std::fprintf(stderr, "error: %s\n", line.c_str());
    return 2;
}
