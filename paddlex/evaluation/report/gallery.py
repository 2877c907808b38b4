"""The images that tell most about a model: its worst mistakes first, then the decisions that were nearly mistakes."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from paddlex.data.dataset import read_mask
from paddlex.evaluation.evaluator import Evaluation, ImageRow
from paddlex.evaluation.report.markup import Html, Node, describe, join, tag
from paddlex.evaluation.report.numbers import figure
from paddlex.inference.pictures import heat_map, resize_for_show
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


def gallery(evaluation: Evaluation, predictor: AnomalyPredictor, chapters: Sequence[Chapter]) -> Html:
    """The chapters with their pictures. The images are predicted once more: nobody keeps 5,000 maps for these few.

    Raises:
        ImageReadError: an image or a mask that cannot be read any more.
    """
    chosen = [row for chapter in chapters for row in chapter.rows]
    results = predictor.predict([str(row.sample.image_path) for row in chosen], batch_size=_BATCH_SIZE)
    cards = (_card(row, result, predictor) for row, result in zip(chosen, results, strict=True))
    return join(*(_chapter(chapter, cards) for chapter in chapters))


def legend() -> Html:
    """What the outlines and the colours of the heat maps mean."""
    scale = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None].repeat(2, 0), cv2.COLORMAP_TURBO)
    bar = tag("img", src=_data_uri(cv2.imencode(".png", scale)[1], "png"), alt="", class_="scale")
    return tag(
        "div",
        tag("p", _swatch("predicted"), " outlined by the model"),
        tag("p", _swatch("true"), " outlined in the data set"),
        tag("p", "heat map: normal ", bar, " anomalous; the middle is the pixel threshold"),
        class_="legend",
    )


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


def _chapter(chapter: Chapter, cards: Iterator[Html]) -> Html:
    shown = len(chapter.rows)
    title = tag("h3", f"{chapter.title} ", tag("span", f"{chapter.total:,}", class_="total"))
    if not shown:
        return tag("section", title, tag("p", "None.", class_="quiet"))
    limit = (
        f" {shown} of {chapter.total:,} are shown; the table of all images has the rest."
        if shown < chapter.total
        else ""
    )
    own = [next(cards) for _ in chapter.rows]
    return tag(
        "section", title, tag("p", chapter.explanation + limit, class_="quiet"), tag("div", *own, class_="cards")
    )


def _card(row: ImageRow, result: AnomalyResult, predictor: AnomalyPredictor) -> Html:
    image, anomaly_map = result["input_img"], result["anomaly_map"]
    size = thumbnail_size(*image.shape[:2])
    shrinks = size[0] < image.shape[1] or size[1] < image.shape[0]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    small, small_map = cv2.resize(image, size, interpolation=interpolation), resize_for_show(anomaly_map, *size)
    heated = cv2.addWeighted(small, 0.45, heat_map(small_map, predictor.limits.pixel), 0.55, 0)
    true_mask = _true_mask(row)
    outlines = _outlines(result["pred"][0] > 0, true_mask, size)
    name = row.sample.image
    has_mask = true_mask is not None and bool(true_mask.any())
    pictures = tag(
        "div",
        _picture(small, f"{name}, {_kind(row)}" + (", with the true outline" if has_mask else ""), outlines),
        _picture(heated, f"Heat map of {name}", outlines),
        class_="pair stacked" if size[0] > 1.9 * size[1] else "pair",
    )
    return tag("figure", pictures, tag("figcaption", _caption(row, has_mask)))


def _caption(row: ImageRow, has_mask: bool) -> Html:
    facts: list[tuple[Node, Node]] = [
        ("defect type", _kind(row)),
        ("score", join(_gauge(row.score), f"{row.score:.3f}")),
    ]
    if has_mask and row.pixels is not None:
        facts.append(("mask IoU", figure(row.pixels.iou)))
    elif row.is_anomalous:
        facts.append(("true outline", "unknown"))
    return join(tag("p", row.sample.image, class_="name"), describe(facts))


def _kind(row: ImageRow) -> str:
    if not row.is_anomalous:
        return "none, a good part"
    return row.sample.defect_type or "not named"


def _gauge(score: float) -> Html:
    dot = tag("circle", cx=f"{3 + 54 * score:.1f}", cy=5, r=3)
    parts = join(tag("line", x1=3, x2=57, y1=5, y2=5), tag("line", x1=30, x2=30, y1=1, y2=9), dot)
    return tag("svg", parts, viewBox="0 0 60 10", width=60, height=10, class_="gauge", aria_hidden="true")


def _picture(image: np.ndarray, text: str, outlines: Html) -> Html:
    height, width = image.shape[:2]
    picture = tag("img", src=_data_uri(jpeg(image), "jpeg"), alt=text, width=width, height=height, decoding="async")
    overlay = tag("svg", outlines, viewBox=f"0 0 {width} {height}", class_="outlines", aria_hidden="true")
    return tag("div", picture, overlay if outlines else None, class_="picture")


def _outlines(predicted: np.ndarray, true: np.ndarray | None, size: tuple[int, int]) -> Html:
    masks = (("predicted", predicted), ("true", true))
    return join(*(_outline(kind, outline_path(mask, size)) for kind, mask in masks if mask is not None and mask.any()))


def _outline(kind: str, path: str) -> Html:
    """A dark line below a bright one: it shows on any image."""
    return join(tag("path", d=path, class_="casing"), tag("path", d=path, class_=kind))


def _swatch(kind: str) -> Html:
    box = "M3,3L33,3L33,17L3,17Z"
    return tag(
        "svg", _outline(kind, box), viewBox="0 0 36 20", width=36, height=20, class_="swatch", aria_hidden="true"
    )


def _true_mask(row: ImageRow) -> np.ndarray | None:
    return (
        None
        if row.sample.mask_path is None or row.pixels is None
        else read_mask(row.sample.mask_path, row.sample.reading)
    )


def _closed(points: np.ndarray) -> str:
    return "M" + "L".join(f"{x},{y}" for x, y in points.tolist()) + "Z"


def _data_uri(encoded: bytes | np.ndarray, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(bytes(encoded)).decode('ascii')}"
