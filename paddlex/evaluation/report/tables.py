"""The report's tables."""

from __future__ import annotations

import math

from paddlex.evaluation.evaluator import Evaluation
from paddlex.evaluation.metrics import PixelMetrics
from paddlex.evaluation.metrics.bootstrap import Interval
from paddlex.evaluation.report.charts import share_bar
from paddlex.evaluation.report.markup import Html, Node, join, table, tag
from paddlex.evaluation.report.numbers import NOT_MEASURABLE, figure, interval, percent
from paddlex.evaluation.report.words import Counts, missing_images, missing_pixels

_NO_WIDTH = (
    "Intervals: percentile bootstrap, 1,000 resamples of the normal and of the anomalous images apart. It cannot see what did "
    "not happen: where nothing went wrong every resample says so too, and the interval has no width."
)
_RATES = {
    "precision": ("Precision", "of what is called anomalous, the share that is"),
    "recall": ("Recall", "of what is anomalous, the share that is called so"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "iou": ("IoU", "right alarms divided by right alarms, false alarms and misses together"),
    "false_positive_rate": ("False-positive rate", "of what is normal, the share called anomalous"),
    "false_negative_rate": ("False-negative rate", "of what is anomalous, the share called normal"),
}


def confusion_table(evaluation: Evaluation) -> Html:
    """What the images are against what they were called."""
    counts, decisions = Counts.of(evaluation), evaluation.image.confusion
    alarms = "false alarm" if decisions.false_positive == 1 else "false alarms"
    found, missed = _cell(decisions.true_positive, "found"), _cell(decisions.false_negative, "missed")
    wrong, passed = _cell(decisions.false_positive, alarms), _cell(decisions.true_negative, "passed")
    rows: list[list[Node]] = [
        ["is anomalous", found, missed, f"{counts.anomalous:,}"],
        ["is normal", wrong, passed, f"{counts.normal:,}"],
    ]
    header = ["", "called anomalous", "called normal", "all"]
    return table("Images, at the model's threshold", header, rows, class_="confusion")


def image_table(evaluation: Evaluation) -> Html:
    """Image-level figures with their intervals."""
    image, reason = evaluation.image, missing_images(evaluation)
    bounds = image.intervals
    rows = [
        _row("AUROC", image.auroc, "ranking over all thresholds; 0.5 is a coin toss", reason, bounds["auroc"]),
        _row(
            "Average precision", image.average_precision, "precision averaged over the recalls of all thresholds", reason,
            bounds["average_precision"],
        ),
        _row("Best F1", image.best_f1, "the threshold chosen on these very images, with hindsight", reason),
    ]  # fmt: skip
    rates = image.confusion.rates()
    needs_both = {"precision", "f1", "iou"}
    for key, (name, meaning) in _RATES.items():
        value = None if reason and key in needs_both else rates[key]
        rows.append(_row(name, value, meaning, reason or "nothing was called anomalous", bounds[key]))
    header = ["Figure", "Value", "95 % interval"]
    return join(
        table("Image level, at the model's threshold", header, rows, class_="metrics"),
        tag("p", _NO_WIDTH, class_="quiet"),
    )


def pixel_table(evaluation: Evaluation) -> Html:
    """Pixel-level figures, all images pooled."""
    pixel, reason = evaluation.pixel, missing_pixels(evaluation)
    rates = evaluation.pixel_confusion.rates()
    rows = [
        _row("AUROC", pixel.auroc, "ranking of pixels over all thresholds", reason),
        _row(
            "Average precision",
            pixel.average_precision,
            "precision averaged over the recalls of all thresholds",
            reason,
        ),
        _row("Best F1", pixel.best_f1, "the threshold chosen on these very pixels, with hindsight", reason),
        _row(
            "AUPRO up to 0.3",
            pixel.aupro_30,
            "overlap per region, averaged over false-positive rates up to 0.3",
            reason,
        ),
        _row("AUPRO up to 0.05", pixel.aupro_05, "the same up to 0.05, where a line would be run", reason),
    ]
    for key, (name, meaning) in _RATES.items():
        needs_defects = key != "false_positive_rate"
        why = reason or ("no pixel was marked" if needs_defects else "there are no normal pixels")
        value = None if reason and needs_defects else rates[key]
        rows.append(_row(name, value, meaning, why))
    without_intervals = [row[:2] for row in rows]
    whole = table("Pixel level, at full resolution", ["Figure", "Value"], without_intervals, class_="metrics")
    return join(whole, tag("p", _accuracy(pixel), class_="quiet") if pixel.error_bounds else None)


def type_table(evaluation: Evaluation) -> Html:
    """A row for each defect type, the one found least first."""
    by_type = evaluation.image_by_type
    if not by_type:
        return tag("p", "There are no anomalous images.", class_="quiet")
    rows: list[list[Node]] = []
    for name in sorted(by_type, key=lambda key: (by_type[key].confusion.recall or 0, key)):
        image, pixel = by_type[name], evaluation.pixel_by_type.get(name, PixelMetrics())
        found = image.confusion.true_positive
        images = found + image.confusion.false_negative
        auroc = figure(image.auroc)
        spread = image.intervals["auroc"]
        rows.append(
            [
                name or "(not named)", f"{images:,}",
                join(share_bar(found, images), f" {found:,} ({percent(found, images)})"),
                join(auroc, tag("small", f" {interval(spread, 2)}") if spread else None),
                figure(pixel.auroc), figure(pixel.aupro_30), figure(pixel.aupro_05),
            ]
        )  # fmt: skip
    header = ["Defect type", "Images", "Found", "Image AUROC", "Pixel AUROC", "AUPRO 0.3", "AUPRO 0.05"]
    explanation = (
        "Each type is held against all normal images, and its marked pixels against all normal pixels. A type is the name of "
        "the image's folder."
    )
    reason = missing_images(evaluation)
    if reason:
        explanation += f" Image AUROC is {NOT_MEASURABLE}: {reason}."
    if any(name not in evaluation.pixel_by_type for name in by_type):
        explanation += f" Pixel figures are {NOT_MEASURABLE} for a type without a marked pixel."
    return join(
        tag("p", explanation, class_="quiet"),
        table("By defect type, the one found least first", header, rows, class_="types"),
    )


def _row(
    name: str, value: float | None, meaning: str, reason: str | None, bounds: Interval | None = None
) -> list[Node]:
    head = join(tag("span", name), " ", tag("small", meaning))
    if value is None:
        return [head, tag("span", f"{NOT_MEASURABLE}: {reason}", class_="missing"), ""]
    return [head, figure(value), interval(bounds) if bounds else ""]


def _cell(number: int, word: str) -> Html:
    return join(tag("b", f"{number:,}"), " ", word)


def _accuracy(pixel: PixelMetrics) -> str:
    largest = max((pixel.error_bounds or {}).values(), default=0)
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
