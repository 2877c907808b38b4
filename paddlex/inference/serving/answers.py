"""From a judgement to the JSON of an answer. A label map has a number for each pixel, so its bytes are built by hand."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Union

import cv2
import numpy as np

from paddlex.inference.pictures import draw_result
from paddlex.inference.postprocess import Limit
from paddlex.inference.results import AnomalyResult
from paddlex.inference.serving.batching import Judgement

#: Longest side of a heat map, in pixels.
HEAT_MAP_SIDE = 512

_PNG_SPEED = [cv2.IMWRITE_PNG_COMPRESSION, 1]
_JPEG_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 90]

#: For each byte of eight mask pixels the text of their numbers.
_EIGHT = [b"".join(b"255," if byte & (128 >> bit) else b"0," for bit in range(8)) for byte in range(256)]

#: What is told of the product, where one of several was judged: key of a result -> key of an answer.
_PRODUCT = {"product": "product", "product_distance": "productDistance"}

#: Bytes of a packed mask at a time: in between, other threads get their turn, the event loop's above all.
_PIECE = 2**13


class LabelMap:
    """A mask as a flat JSON array, row by row. The text is up to 32 times as large as the mask is here, one bit a pixel; so it
    is made piece by piece, as the client reads it.

    Args:
        mask: uint8 [H, W] of 0 and 255, not empty.

    Attributes:
        size: bytes that it holds in memory.
        length: bytes of the text.
    """

    def __init__(self, mask: np.ndarray) -> None:
        self._packed = np.packbits(mask.ravel() > 0).tobytes()
        self._padding = -mask.size % 8
        self.size = len(self._packed)
        self.length = len("[]") + len("0,") * mask.size - 1 + (len("255") - len("0")) * int(np.count_nonzero(mask))

    def pieces(self) -> Iterator[bytes]:
        """The text."""
        for start in range(0, self.size, _PIECE):
            text = b"".join(map(_EIGHT.__getitem__, self._packed[start : start + _PIECE]))
            if start + _PIECE >= self.size:
                text = text[: -len("0,") * self._padding - 1] + b"]"
            yield b"[" + text if start == 0 else text


#: Text, and label maps that are yet to become text.
Parts = Sequence[Union[bytes, LabelMap]]


def held(parts: Parts) -> int:
    """Bytes that an answer holds in memory."""
    return sum(part.size if isinstance(part, LabelMap) else len(part) for part in parts)


def length(parts: Parts) -> int:
    """Bytes of an answer's text."""
    return sum(part.length if isinstance(part, LabelMap) else len(part) for part in parts)


def decision(judgement: Judgement, threshold: float | None = None) -> dict[str, Any]:
    """What every answer says about an image; with another threshold, score and decision follow it."""
    result, limit = judgement.result, judgement.limits.image
    if threshold is None:
        is_anomalous, score, threshold = result["is_anomalous"], result["score"], result["threshold"]
    else:
        is_found = result.get("position", {"found": True})["found"]
        is_anomalous = result["raw_score"] > threshold or not is_found
        score = float(limit.moved_to(threshold).normalise(result["raw_score"]))
    return {
        "isAnomalous": bool(is_anomalous),
        "score": score,
        "rawScore": result["raw_score"],
        "threshold": threshold,
        "anomalousArea": result["anomalous_area"],
        "size": list(result["pred"].shape[1:]),
        "regions": result["regions"],
        **{_PRODUCT[key]: result[key] for key in _PRODUCT if key in result},
        **({"position": result["position"]} if "position" in result else {}),
        **result.get("recorded", {}),
    }


def detection_json(
    judgement: Judgement,
    *,
    threshold: float | None = None,
    score_threshold: float | None = None,
    picture: bool,
    label_map: bool = True,
) -> Parts:
    """``result`` of PaddleX's endpoint, with what is ours; another threshold is given by one of its two scales."""
    limits = judgement.limits
    if score_threshold is not None:
        threshold = limits.image.raw(score_threshold)
    values = decision(judgement, threshold)
    if threshold is not None:
        moved = replace(limits, image=limits.image.moved_to(threshold))
        if (warning := judgement.predictor.folder.doubt(moved)) is not None:
            values["warning"] = warning
    values["pixelThreshold"] = judgement.result["pixel_threshold"]
    values["image"] = _picture(judgement, values) if picture else None
    text = _dumps(values)
    if not label_map:
        return [text]
    return [b'{"labelMap":', LabelMap(judgement.result["pred"][0]), b"," + text[1:]]


def judged_file_json(judgement: Judgement, name: str) -> Parts:
    """One entry of the answer to uploaded files."""
    heat = heat_map_png(judgement.result["anomaly_map"], judgement.limits.pixel)
    return [_dumps({"name": name, **_OK, **decision(judgement), "heatMap": _base64(heat)})]


def batch_item_json(result: Parts) -> Parts:
    """One entry of the answer to a batch."""
    return [_dumps(_OK)[:-1] + b',"result":', *result, b"}"]


def error_item_json(status: int, message: str, name: str | None = None) -> bytes:
    """The entry of an image that could not be judged."""
    values: dict[str, Any] = {} if name is None else {"name": name}
    return _dumps({**values, "errorCode": status, "errorMsg": message})


def success_start(log_id: str, key: str) -> bytes:
    """The beginning of a successful answer, up to the value of ``key``; a ``}`` ends it."""
    return _dumps({"logId": log_id, **_OK})[:-1] + b',"' + key.encode() + b'":'


def heat_map_png(anomaly_map: np.ndarray, limit: Limit) -> bytes:
    """A raw map [H, W] as an 8-bit grey PNG: the normalised score times 255, so that 128 is the threshold."""
    scale = HEAT_MAP_SIDE / max(anomaly_map.shape)
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in anomaly_map.shape)
        anomaly_map = cv2.resize(anomaly_map, (width, height), interpolation=cv2.INTER_AREA)
    grey = np.rint(limit.normalise(anomaly_map) * 255).astype(np.uint8)
    return _encoded(".png", grey, _PNG_SPEED)


def _picture(judgement: Judgement, values: dict[str, Any]) -> str:
    keys = {"is_anomalous": values["isAnomalous"], "score": values["score"]}
    drawn = draw_result(AnomalyResult({**judgement.result, **keys}, judgement.limits.pixel), judgement.limits.pixel)
    return _base64(_encoded(".jpg", drawn, _JPEG_QUALITY))


def _encoded(suffix: str, image: np.ndarray, options: list[int]) -> bytes:
    _, encoded = cv2.imencode(suffix, image, options)
    return encoded.tobytes()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _dumps(values: dict[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":"), allow_nan=False).encode()


_OK = {"errorCode": 0, "errorMsg": "Success"}
