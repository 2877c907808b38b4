/* Judging pictures by inference_complete.onnx, as three functions that any language can call. */
#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#define JUDGE_API __declspec(dllexport)
#else
#define JUDGE_API
#endif

#define JUDGE_ERROR_SIZE 512 /* of error, where a function says what went wrong if it does not return 0 */

typedef struct judge judge;

/* Load a model from the bytes of its file. */
JUDGE_API int judge_open(const void *model, size_t size, judge **opened, char *error);

/* Judge a picture. In: pixels [height, width, 3], RGB. Out: score; is_anomalous, 0 or 1; anomaly_map [height, width]; mask
   [height, width], 0 or 255. Several threads may do so at once. */
JUDGE_API int judge_run(const judge *opened, const uint8_t *pixels, int64_t height, int64_t width, float *score,
                        uint8_t *is_anomalous, float *anomaly_map, uint8_t *mask, char *error);

JUDGE_API void judge_close(judge *opened);
