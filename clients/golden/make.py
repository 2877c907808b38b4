"""Golden vectors for programs that run inference_complete.onnx: a graph of 1 kB, small pictures, and what is right for them.

The graph has the inputs, outputs and metadata of an exported one; its network is the mean brightness of 7 x 7 pixels. What is
right is computed by OpenCV and NumPy, not by the graph.

    python clients/golden/make.py    writes the files beside it anew
"""

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import helper, parser

from paddlex.data.demo.dataset import draw_sample

FOLDER = Path(__file__).parent
WEIGHTS = {"RGB": (0.7, 0.2, 0.1), "BGR": (0.1, 0.2, 0.7)}  # of the channels' brightness, each unlike the others
THRESHOLD, TYPICAL, PIXEL_THRESHOLD = 0.5, 0.4, 0.45

GRAPH = """
<ir_version: 8, opset_import: ["": 18]>
complete (uint8[H, W, 3] image)
    => (float score, float raw_score, bool is_anomalous, float[H, W] anomaly_map, uint8[H, W] mask)
<
    float[3, 1] weights = {%s}, float scale = {255}, float threshold = {%s}, float width = {%s}, float limit = {%s},
    float one = {1}, float half = {0.5}, uint8 full = {255}, uint8 none = {0}, int64[1] first = {0}, int64[2] planes = {0, 1},
    int64[2] sides = {0, 1}
>
{
    levels = Cast <to = 1> (image)
    shares = Div (levels, scale)
    grey = MatMul (shares, weights)
    plane = Transpose <perm = [2, 0, 1]> (grey)
    batch = Unsqueeze (plane, first)
    mean = AveragePool <kernel_shape = [7, 7], pads = [3, 3, 3, 3], count_include_pad = 1> (batch)
    anomaly_map = Squeeze (mean, planes)
    raw_score = ReduceMax <keepdims = 0> (anomaly_map, sides)
    is_anomalous = Greater (raw_score, threshold)
    above = Greater (anomaly_map, limit)
    mask = Where (above, full, none)
    over = Sub (raw_score, threshold)
    u = Div (over, width)
    size = Abs (u)
    more = Add (size, one)
    part = Div (u, more)
    shifted = Add (part, one)
    score = Mul (shifted, half)
}
"""


def graph(colour_order: str) -> onnx.ModelProto:
    """The graph, for pictures whose channels are RGB or BGR."""
    weights = ", ".join(map(str, WEIGHTS[colour_order]))
    model = parser.parse_model(GRAPH % (weights, THRESHOLD, THRESHOLD - TYPICAL, PIXEL_THRESHOLD))
    facts = {
        "model_name": "Golden",
        "colour_order": colour_order,
        "image_threshold": THRESHOLD,
        "pixel_threshold": PIXEL_THRESHOLD,
    }
    helper.set_model_props(model, {name: str(value) for name, value in facts.items()})
    onnx.checker.check_model(model, full_check=True)
    return model


def pictures() -> dict[str, np.ndarray]:
    """Name -> uint8 [H, W, 3], BGR, or [H, W]; uint16 is nothing to judge."""
    good, glue, thread = (draw_sample(defect, (0,), 96)[0] for defect in (None, "glue", "thread"))
    return {
        "good.png": good[:80],
        "glue.png": glue[:80],
        "odd_size.png": thread[7:68, 3:94],
        "grey.png": glue[8:88, :, 1],
        "16_bits.png": good[:40].astype(np.uint16) * 16,
    }


def right(picture: np.ndarray) -> dict[str, float | bool | int]:
    """What a program has to say of a picture."""
    rgb = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB if picture.ndim == 2 else cv2.COLOR_BGR2RGB)
    anomaly_map = cv2.blur(rgb / 255 @ np.array(WEIGHTS["RGB"]), (7, 7), borderType=cv2.BORDER_CONSTANT)
    highest = float(anomaly_map.max())
    u = (highest - THRESHOLD) / (THRESHOLD - TYPICAL)
    return {
        "score": (u / (abs(u) + 1) + 1) / 2,
        "isAnomalous": highest > THRESHOLD,
        "mapMaximum": highest,
        "mapMean": float(anomaly_map.mean()),
        "anomalousPixels": int((anomaly_map > PIXEL_THRESHOLD).sum()),
    }


if __name__ == "__main__":
    for order in WEIGHTS:
        onnx.save(graph(order), FOLDER / f"{order.lower()}.onnx")
    drawn = {name: np.ascontiguousarray(picture) for name, picture in pictures().items()}
    for name, picture in drawn.items():
        (FOLDER / name).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    expected = {name: right(picture) for name, picture in drawn.items() if picture.dtype == np.uint8}
    (FOLDER / "golden.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
