"""Pictures that explain a result to someone who has never seen one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddlex.inference.position import NOT_FOUND
from paddlex.inference.postprocess import Limit
from paddlex.utils.files import atomic_path

_INK = (40, 40, 40)
_PAPER = (255, 255, 255)
_RED = (40, 40, 220)
_GREEN = (60, 150, 40)
_OUTLINE = (255, 60, 255)
_ZONE = (230, 190, 60)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LONGEST_SIDE = 512
_MARGIN = 16
_HEADER = 84
_LEGEND = 62


def draw_result(result: Mapping[str, Any], pixel_limit: Limit) -> np.ndarray:
    """The verdict, then the image with the mask outlined beside the heat map with its scale: uint8 [h, w, 3] BGR.

    The heat map's colours mean the same on every image: the middle of the scale is the model's pixel threshold.
    """
    image, anomaly_map, mask = result["input_img"], result["anomaly_map"], result["pred"][0]
    scale = _LONGEST_SIDE / max(image.shape[:2])
    width, height = (max(1, round(side * scale)) for side in (image.shape[1], image.shape[0]))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(image, (width, height), interpolation=interpolation)
    nearest = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    small_mask = nearest if scale >= 1 else (resize_for_show(mask, width, height) > 0).astype(np.uint8)
    outlined = outline(small, small_mask)
    small_map = resize_for_show(anomaly_map, width, height)
    heated = cv2.addWeighted(small, 0.45, heat_map(small_map, pixel_limit), 0.55, 0)
    outlined = _with_borders(outlined, result.get("zones"))
    outlined, heated = (dimmed(picture, result.get("inspected"), small) for picture in (outlined, heated))

    panel = max(width, 280)
    canvas = np.full((_HEADER + height + _LEGEND, 2 * panel + 3 * _MARGIN, 3), _PAPER, np.uint8)
    lefts = (_MARGIN + (panel - width) // 2, 2 * _MARGIN + panel + (panel - width) // 2)
    for left, picture in zip(lefts, (outlined, heated), strict=True):
        canvas[_HEADER : _HEADER + height, left : left + width] = picture
    _draw_header(canvas, result)
    _draw_legend(canvas, result, _HEADER + height, (_MARGIN, 2 * _MARGIN + panel), panel)
    return canvas


def heat_map(anomaly_map: np.ndarray, limit: Limit) -> np.ndarray:
    """Colours for a raw map [H, W]: blue is normal, the middle of the scale is the threshold, red is far above it."""
    places = np.empty(anomaly_map.shape, np.uint8)
    for top in range(0, len(places), 256):  # in float64 a large photo's whole map would take a hundred megabytes
        score = limit.normalise(anomaly_map[top : top + 256])  # 0.25 is typical of normal pixels, 0.5 the threshold
        places[top : top + 256] = np.where(score < 0.5, np.maximum(2 * score - 0.5, 0), score) * 255
    return cv2.applyColorMap(places, cv2.COLORMAP_TURBO)


def resize_for_show(anomaly_map: np.ndarray, width: int, height: int) -> np.ndarray:
    """Bring a raw map or a mask [H, W] to another size; where it shrinks, the strongest of what falls together stays."""
    shrinks_by = min(anomaly_map.shape[0] // height, anomaly_map.shape[1] // width)
    if shrinks_by > 1:
        anomaly_map = cv2.dilate(anomaly_map, np.ones((shrinks_by, shrinks_by), np.uint8))
    return cv2.resize(anomaly_map, (width, height), interpolation=cv2.INTER_LINEAR)


def _with_borders(picture: np.ndarray, zones: np.ndarray | None) -> np.ndarray:
    """A picture [h, w, 3] with a thin line around each zone, uint8 [H, W] with their numbers."""
    if zones is None:
        return picture
    height, width = picture.shape[:2]
    shown = cv2.resize(zones, (width, height), interpolation=cv2.INTER_NEAREST)
    is_border = cv2.morphologyEx(shown, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)) > 0
    return np.where(is_border[..., None], np.array(_ZONE, np.uint8), picture)


def dimmed(picture: np.ndarray, inspected: np.ndarray | None, photo: np.ndarray) -> np.ndarray:
    """A picture [h, w, 3] of a photo, in which what is not inspected, bool [H, W], is the photo itself [h, w, 3], dark."""
    if inspected is None:
        return picture
    height, width = picture.shape[:2]
    shown = cv2.resize(inspected.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return np.where(shown[..., None], picture, photo // 3)


def outline(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A copy of ``image`` [H, W, 3] with the borders of the mask [H, W] drawn, dark below bright so that both show."""
    contours, _ = cv2.findContours(np.ascontiguousarray(mask), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    drawn = image.copy()
    cv2.drawContours(drawn, contours, -1, _INK, 3, cv2.LINE_AA)
    cv2.drawContours(drawn, contours, -1, _OUTLINE, 1, cv2.LINE_AA)
    return drawn


def write_image(path: str | os.PathLike[str], image: np.ndarray) -> None:
    """Write uint8 [H, W, 3] BGR or [H, W], or float32 as TIFF, in the format of the path's suffix, atomically but not durably.

    Raises:
        ValueError: the suffix is not an image format that OpenCV writes.
    """
    encoded = encode_image(Path(path).suffix, image)
    with atomic_path(path, durable=False) as temporary:
        temporary.write_bytes(encoded)


def encode_image(suffix: str, image: np.ndarray) -> bytes:
    """The bytes of an image file of uint8 [H, W, 3] BGR or [H, W], in the format of a suffix such as ``.png``.

    Raises:
        ValueError: the suffix is not an image format that OpenCV writes.
    """
    try:
        _, encoded = cv2.imencode(suffix, image)
    except cv2.error as error:
        raise ValueError(f"the image cannot be encoded as {suffix or 'a file without suffix'}") from error
    return encoded.tobytes()


def _draw_header(canvas: np.ndarray, result: Mapping[str, Any]) -> None:
    verdict, colour = ("ANOMALOUS", _RED) if result["is_anomalous"] else ("NORMAL", _GREEN)
    is_found = result.get("position", {"found": True})["found"]
    cv2.rectangle(canvas, (0, 0), (canvas.shape[1], 44), colour, cv2.FILLED)
    if not is_found:
        _write(canvas, NOT_FOUND.upper(), (_MARGIN, 31), 0.7, _PAPER, 2)
        return
    _write(canvas, verdict, (_MARGIN, 31), 0.85, _PAPER, 2)
    text = f"score {result['score']:.3f}   (threshold 0.500)"
    (text_width, _), _ = cv2.getTextSize(text, _FONT, 0.6, 1)
    _write(canvas, text, (canvas.shape[1] - text_width - _MARGIN, 29), 0.6, _PAPER)


def _draw_legend(canvas: np.ndarray, result: Mapping[str, Any], top: int, lefts: tuple[int, int], panel: int) -> None:
    place = f"frame {result['frame']}, {result['time']:.2f} s" if "frame" in result else "image"
    _write(canvas, f"{place}, anomalous regions outlined", (lefts[0], _HEADER - 14), 0.5, _INK)
    _write(canvas, "heat map", (lefts[1], _HEADER - 14), 0.5, _INK)
    area = f"anomalous area {100 * result['anomalous_area']:.2f} %"
    if "inspected_area" in result:
        area += f", inspected {100 * result['inspected_area']:.0f} %"
    _write(canvas, area, (lefts[0], top + 24), 0.5, _INK)
    bar = cv2.applyColorMap(np.linspace(0, 255, panel).astype(np.uint8)[None], cv2.COLORMAP_TURBO)
    canvas[top + 10 : top + 24, lefts[1] : lefts[1] + panel] = bar
    middle = lefts[1] + panel // 2
    cv2.line(canvas, (middle, top + 6), (middle, top + 28), _INK, 2)
    _write(canvas, "normal", (lefts[1], top + 46), 0.5, _INK)
    for text, share in (("threshold", 0.5), ("anomalous", 1.0)):
        (text_width, _), _ = cv2.getTextSize(text, _FONT, 0.5, 1)
        _write(canvas, text, (lefts[1] + int(share * (panel - text_width)), top + 46), 0.5, _INK)


def _write(
    canvas: np.ndarray, text: str, at: tuple[int, int], size: float, colour: tuple[int, int, int], weight: int = 1
) -> None:
    cv2.putText(canvas, text, at, _FONT, size, colour, weight, cv2.LINE_AA)
