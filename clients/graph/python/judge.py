"""Judge a picture by inference_complete.onnx: ``python judge.py MODEL PICTURE``. Exit status: 0 OK, 1 NG, 2 no verdict.

pip install onnxruntime opencv-python-headless
"""

import json
import math
import sys

import cv2
import numpy as np
import onnxruntime


def judge(model: str, picture: str) -> dict:
    """The verdict about the picture; raises whatever goes wrong."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    file = np.fromfile(picture, np.uint8)
    pixels = cv2.imdecode(file, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)  # [H, W, 3], BGR
    if pixels is None or pixels.dtype != np.uint8:
        raise ValueError(f"{picture} is no picture of 8 bits that can be read")
    if session.get_modelmeta().custom_metadata_map["colour_order"] == "RGB":
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    outputs = [output.name for output in session.get_outputs()]
    answer = dict(zip(outputs, session.run(None, {"image": pixels}), strict=True))
    if not math.isfinite(answer["score"]):
        raise ValueError("the score is not a finite number")
    return {
        "score": float(answer["score"]),
        "isAnomalous": bool(answer["is_anomalous"]),
        "mapMaximum": float(answer["anomaly_map"].max()),
        "anomalousPixels": int((answer["mask"] == 255).sum()),
    }


if __name__ == "__main__":
    try:
        if len(sys.argv) != 3:
            raise ValueError("usage: python judge.py MODEL PICTURE")
        verdict = judge(*sys.argv[1:])
    except Exception as error:  # whatever it is, it is no verdict; and Python's own exit status would be NG
        print(f"error: {error}".replace("\n", " "), file=sys.stderr)
        sys.exit(2)
    print(json.dumps(verdict))
    sys.exit(1 if verdict["isAnomalous"] else 0)
