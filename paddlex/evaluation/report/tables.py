"""The figures of the report's tables."""

from __future__ import annotations

import math
from dataclasses import dataclass

from paddlex.evaluation.evaluator import Evaluation
from paddlex.evaluation.metrics import ImageMetrics, PixelMetrics
from paddlex.evaluation.metrics.bootstrap import Interval
from paddlex.evaluation.report.words import missing_images, missing_pixels

_RATES = {
    "precision": ("Precision", "of what is called anomalous, the share that is"),
    "recall": ("Recall", "of what is anomalous, the share that is called so"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "iou": ("IoU", "right alarms divided by right alarms, false alarms and misses together"),
    "false_positive_rate": ("False-positive rate", "of what is normal, the share called anomalous"),
    "false_negative_rate": ("False-negative rate", "of what is anomalous, the share called normal"),
}


@dataclass(frozen=True)
class Figure:
    """A line of a table.

    Attributes:
        name: of the figure.
        value: None where it is not measurable.
        meaning: what it says.
        reason: why it is not measurable.
        bounds: its 95 % interval, where there is one.
    """

    name: str
    value: float | None
    meaning: str
    reason: str | None
    bounds: Interval | None = None


@dataclass(frozen=True)
class DefectType:
    """What became of the images of one type.

    Attributes:
        name: of the type; empty where it has none.
        found, images: how many were found, and how many there are.
        image, pixel: held against all normal images, and all normal pixels.
        has_pixels: whether any of its pixels is marked as a defect.
    """

    name: str
    found: int
    images: int
    image: ImageMetrics
    pixel: PixelMetrics
    has_pixels: bool


def image_figures(evaluation: Evaluation) -> list[Figure]:
    """Image-level figures with their intervals."""
    image, reason = evaluation.image, missing_images(evaluation)
    bounds, rates = image.intervals, image.confusion.rates()
    needs_both = {"precision", "f1", "iou"}
    return [
        Figure("AUROC", image.auroc, "ranking over all thresholds; 0.5 is a coin toss", reason, bounds["auroc"]),
        Figure(
            "Average precision", image.average_precision, "precision averaged over the recalls of all thresholds", reason,
            bounds["average_precision"],
        ),
        Figure("Best F1", image.best_f1, "the threshold chosen on these very images, with hindsight", reason),
        *(
            Figure(
                name, None if reason and key in needs_both else rates[key], meaning,
                reason or "nothing was called anomalous", bounds[key],
            )
            for key, (name, meaning) in _RATES.items()
        ),
    ]  # fmt: skip


def pixel_figures(evaluation: Evaluation) -> list[Figure]:
    """Pixel-level figures, all images pooled."""
    pixel, reason = evaluation.pixel, missing_pixels(evaluation)
    rates = evaluation.pixel_confusion.rates()
    rows = [
        Figure("AUROC", pixel.auroc, "ranking of pixels over all thresholds", reason),
        Figure(
            "Average precision",
            pixel.average_precision,
            "precision averaged over the recalls of all thresholds",
            reason,
        ),
        Figure("Best F1", pixel.best_f1, "the threshold chosen on these very pixels, with hindsight", reason),
        Figure(
            "AUPRO up to 0.3",
            pixel.aupro_30,
            "overlap per region, averaged over false-positive rates up to 0.3",
            reason,
        ),
        Figure("AUPRO up to 0.05", pixel.aupro_05, "the same up to 0.05, where a line would be run", reason),
    ]
    for key, (name, meaning) in _RATES.items():
        needs_defects = key != "false_positive_rate"
        why = reason or ("no pixel was marked" if needs_defects else "there are no normal pixels")
        rows.append(Figure(name, None if reason and needs_defects else rates[key], meaning, why))
    return rows


def defect_types(evaluation: Evaluation) -> list[DefectType]:
    """What became of each defect type, the one found least first."""
    by_type, pixels = evaluation.image_by_type, evaluation.pixel_by_type
    types = []
    for name in sorted(by_type, key=lambda key: (by_type[key].confusion.recall or 0, key)):
        image, decisions = by_type[name], by_type[name].confusion
        images = decisions.true_positive + decisions.false_negative
        pixel = pixels.get(name, PixelMetrics())
        types.append(DefectType(name, decisions.true_positive, images, image, pixel, name in pixels))
    return types


def accuracy(evaluation: Evaluation) -> str | None:
    """How exact the pixel figures over all thresholds are; None where there are none."""
    bounds = evaluation.pixel.error_bounds
    if not bounds:
        return None
    largest = max(bounds.values())
    if largest == 0:
        return "The figures over all thresholds are exact: every pixel counts, none was resampled."
    return (
        f"The figures over all thresholds are off by {_rounded_up(largest)} at most: values that differ only in their last "
        "bits were taken together. Every pixel counts, none was resampled."
    )


def _rounded_up(bound: float) -> str:
    """One digit, never less than the bound: ``0.0000009`` for 8.07e-7."""
    decimals = max(0, -math.floor(math.log10(bound)))
    return f"{math.ceil(bound * 10**decimals) / 10**decimals:.{decimals}f}"
