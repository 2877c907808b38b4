#include "judge.h"

#include <math.h>
#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct judge {
    const OrtApi *ort;
    OrtEnv *env;
    OrtSession *session;
    int is_bgr;
};

/* Whether a call has failed; then the error says why. */
static int failed(const OrtApi *ort, OrtStatus *status, char *error) {
    if (status == NULL) return 0;
    snprintf(error, JUDGE_ERROR_SIZE, "%s", ort->GetErrorMessage(status));
    ort->ReleaseStatus(status);
    return 1;
}

static int says(char *error, const char *what) {
    snprintf(error, JUDGE_ERROR_SIZE, "%s", what);
    return 1;
}

/* What the model's metadata says of its pictures' channels. */
static int read_colour_order(judge *one, char *error) {
    const OrtApi *ort = one->ort;
    OrtModelMetadata *metadata;
    OrtAllocator *allocator;
    char *order = NULL;
    if (failed(ort, ort->GetAllocatorWithDefaultOptions(&allocator), error)) return 1;
    if (failed(ort, ort->SessionGetModelMetadata(one->session, &metadata), error)) return 1;
    int bad = failed(ort, ort->ModelMetadataLookupCustomMetadataMap(metadata, allocator, "colour_order", &order), error);
    ort->ReleaseModelMetadata(metadata);
    if (bad) return 1;
    if (order == NULL) return says(error, "the model does not say its colour_order");
    one->is_bgr = strcmp(order, "BGR") == 0;
    return failed(ort, ort->AllocatorFree(allocator, order), error);
}

int judge_open(const void *model, size_t size, judge **opened, char *error) {
    const OrtApi *ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (ort == NULL) return says(error, "the library of ONNX Runtime is older than its header");
    judge *one = calloc(1, sizeof *one);
    if (one == NULL) return says(error, "out of memory");
    one->ort = ort;
    OrtSessionOptions *options = NULL;
    int bad = failed(ort, ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "judge", &one->env), error)
        || failed(ort, ort->CreateSessionOptions(&options), error)
        || failed(ort, ort->CreateSessionFromArray(one->env, model, size, options, &one->session), error)
        || read_colour_order(one, error);
    if (options) ort->ReleaseSessionOptions(options);
    if (bad) judge_close(one);
    else *opened = one;
    return bad;
}

int judge_run(const judge *opened, const uint8_t *pixels, int64_t height, int64_t width, float *score, uint8_t *is_anomalous,
              float *anomaly_map, uint8_t *mask, char *error) {
    const OrtApi *ort = opened->ort;
    const size_t area = (size_t)height * (size_t)width;
    const int64_t shape[] = {height, width, 3};
    const char *input = "image", *outputs[] = {"score", "is_anomalous", "anomaly_map", "mask"};
    void *to[] = {score, is_anomalous, anomaly_map, mask}, *data;
    const size_t sizes[] = {sizeof *score, 1, area * sizeof *anomaly_map, area};
    OrtAllocator *allocator;
    OrtValue *image = NULL, *answer[4] = {NULL};

    int bad = failed(ort, ort->GetAllocatorWithDefaultOptions(&allocator), error)
        || failed(ort, ort->CreateTensorAsOrtValue(allocator, shape, 3, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, &image), error)
        || failed(ort, ort->GetTensorMutableData(image, &data), error);
    for (size_t i = 0; !bad && i < 3 * area; ++i) ((uint8_t *)data)[i] = pixels[opened->is_bgr ? i + 2 - 2 * (i % 3) : i];
    bad = bad || failed(ort, ort->Run(opened->session, NULL, &input, (const OrtValue *const *)&image, 1, outputs, 4, answer), error);
    for (int i = 0; i < 4; ++i) {
        bad = bad || failed(ort, ort->GetTensorMutableData(answer[i], &data), error);
        if (!bad) memcpy(to[i], data, sizes[i]);
        if (answer[i]) ort->ReleaseValue(answer[i]);
    }
    if (image) ort->ReleaseValue(image);
    return bad || (isfinite(*score) ? 0 : says(error, "the score is not a finite number"));
}

void judge_close(judge *opened) {
    if (opened->session) opened->ort->ReleaseSession(opened->session);
    if (opened->env) opened->ort->ReleaseEnv(opened->env);
    free(opened);
}
