"""The images that tell most about a model: its worst mistakes first, then the decisions that were nearly mistakes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from paddlex.data.dataset import read_mask
from paddlex.evaluation.evaluator import ImageRow
from paddlex.inference.pictures import dimmed, heat_map, resize_for_show
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.results import AnomalyResult

MISTAKES = 24  # of each kind
CLOSE_CALLS = 8

_LONGEST_SIDE = 400
_SHORTEST_LONGEST_SIDE = 240  # below, outlines would be too coarse
_LARGEST_PICTURE = 36_000  # bytes; times 128 pictures, a third more in base64: some 6 MB
_QUALITIES = (85, 70, 50, 30, 10)
_MOST_REGIONS = 100  # outlined in one picture, the largest: noise would otherwise fill the page with paths
_LONGEST_PATH = 8_000  # characters; in a card each path stands four times
_TOLERANCES = (0.7, 1.5, 3.0, 6.0)  # thumbnail pixels between an outline and the path that stands for it
_GROWTH = 2  # thumbnail pixels between a mask and its outline, so that a thin crack stays in sight
_BATCH_SIZE = 4


@dataclass(frozen=True)
class Chapter:
    """One part of the gallery.

    Attributes:
        title, explanation: for its head.
        rows: the images shown.
        total: how many there are of the kind.
    """

    title: str
    explanation: str
    rows: list[ImageRow]
    total: int


@dataclass(frozen=True)
class Card:
    """One image of the gallery.

    Attributes:
        name: of its file.
        kind: its defect type, in words.
        is_anomalous, score, iou: of the image; the IoU of its mask, None where there is none.
        has_mask: whether the data set says where its defect is.
        width, height: of both pictures.
        image, heat_map: addresses of the pictures.
        outlines: the ``d`` of SVG paths in their pixels, ``predicted`` and ``true``.
    """

    name: str
    kind: str
    is_anomalous: bool
    score: float
    iou: float | None
    has_mask: bool
    width: int
    height: int
    image: str
    heat_map: str
    outlines: dict[str, str]


#: A chapter with a card for each of its rows.
Pictured = tuple[Chapter, list[Card]]


def choose(rows: Sequence[ImageRow], mistakes: int = MISTAKES, close_calls: int = CLOSE_CALLS) -> list[Chapter]:
    """Choose what to show, the most telling first: missed defects, false alarms, then what was right by a small margin.

    Args:
        rows: all images.
        mistakes: at most so many of each kind of mistake.
        close_calls: at most so many of each kind of right decision.
    """
    ascending = sorted(rows, key=lambda row: row.raw_score)
    descending = ascending[::-1]
    missed = [row for row in ascending if row.is_anomalous and not row.called_anomalous]
    alarms = [row for row in descending if not row.is_anomalous and row.called_anomalous]
    found = [row for row in ascending if row.is_anomalous and row.called_anomalous]
    passed = [row for row in descending if not row.is_anomalous and not row.called_anomalous]
    return [
        Chapter("Missed defects", "Called normal; the lowest score first.", missed[:mistakes], len(missed)),
        Chapter(
            "False alarms", "Good parts called anomalous; the highest score first.", alarms[:mistakes], len(alarms)
        ),
        Chapter("Defects found", "The smallest margin first.", found[:close_calls], len(found)),
        Chapter(
            "Good parts passed",
            "The smallest margin first.",
            passed[:close_calls],
            len(passed),
        ),
    ]


def gallery(predictor: AnomalyPredictor, chapters: Sequence[Chapter]) -> list[Pictured]:
    """The chapters, each with the cards of its images. They are predicted once more: nobody keeps 5,000 maps for these few.

    Raises:
        ImageReadError: an image or a mask that cannot be read any more.
    """
    chosen = [row for chapter in chapters for row in chapter.rows]
    results = predictor.predict([str(row.sample.image_path) for row in chosen], batch_size=_BATCH_SIZE)
    cards = (_card(row, result, predictor) for row, result in zip(chosen, results, strict=True))
    return [(chapter, [next(cards) for _ in chapter.rows]) for chapter in chapters]


def colour_scale() -> str:
    """The colours of the heat maps from normal to anomalous, the address of a picture."""
    scale = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None].repeat(2, 0), cv2.COLORMAP_TURBO)
    return data_uri(cv2.imencode(".png", scale)[1], "png")


def thumbnail_size(height: int, width: int) -> tuple[int, int]:
    """(width, height) of an image's thumbnail."""
    longest = max(height, width)
    scale = min(max(longest, _SHORTEST_LONGEST_SIDE), _LONGEST_SIDE) / longest
    return max(1, round(width * scale)), max(1, round(height * scale))


def outline_path(mask: np.ndarray, size: tuple[int, int]) -> str:
    """The borders of a mask as the ``d`` of an SVG path, in thumbnail pixels, a little outside of what they enclose.

    Args:
        mask: bool [H, W].
        size: the thumbnail's (width, height).
    """
    small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0  # a defect of one pixel stays
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _GROWTH + 1, 2 * _GROWTH + 1))
    grown = cv2.dilate(np.pad(small.astype(np.uint8), _GROWTH), kernel)
    contours, _ = cv2.findContours(grown, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    largest = sorted(contours, key=cv2.contourArea, reverse=True)[:_MOST_REGIONS]
    for tolerance in _TOLERANCES:
        path = "".join(_closed(cv2.approxPolyDP(contour, tolerance, True)[:, 0] - _GROWTH) for contour in largest)
        if len(path) <= _LONGEST_PATH:
            break
    return path


def jpeg(image: np.ndarray) -> bytes:
    """Encode uint8 [H, W, 3] BGR, at the best quality that keeps within the size a report can afford."""
    for quality in _QUALITIES:
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        if encoded.size <= _LARGEST_PICTURE:
            break
    return encoded.tobytes()


def data_uri(encoded: bytes | np.ndarray, kind: str) -> str:
    """An encoded picture as an address that needs no file; its kind is ``jpeg`` or ``png``."""
    return f"data:image/{kind};base64,{base64.b64encode(bytes(encoded)).decode('ascii')}"


def _card(row: ImageRow, result: AnomalyResult, predictor: AnomalyPredictor) -> Card:
    image, anomaly_map = result["input_img"], result["anomaly_map"]
    size = thumbnail_size(*image.shape[:2])
    shrinks = size[0] < image.shape[1] or size[1] < image.shape[0]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    small, small_map = cv2.resize(image, size, interpolation=interpolation), resize_for_show(anomaly_map, *size)
    heated = cv2.addWeighted(small, 0.45, heat_map(small_map, predictor.limits.pixel), 0.55, 0)
    small, heated = (dimmed(picture, result.get("inspected"), small) for picture in (small, heated))
    true_mask = _true_mask(row)
    masks = {"predicted": result["pred"][0] > 0, "true": true_mask}
    return Card(
        row.sample.image,
        (row.sample.defect_type or "not named") if row.is_anomalous else "none, a good part",
        row.is_anomalous,
        row.score,
        row.pixels.iou if row.pixels is not None else None,
        true_mask is not None and bool(true_mask.any()),
        *size,
        data_uri(jpeg(small), "jpeg"),
        data_uri(jpeg(heated), "jpeg"),
        {kind: outline_path(mask, size) for kind, mask in masks.items() if mask is not None and mask.any()},
    )


def _true_mask(row: ImageRow) -> np.ndarray | None:
    return (
        None
        if row.sample.mask_path is None or row.pixels is None
        else read_mask(row.sample.mask_path, row.sample.reading)
    )


def _closed(points: np.ndarray) -> str:
    return "M" + "L".join(f"{x},{y}" for x, y in points.tolist()) + "Z"
