"""The charts of an evaluation: which lines they have, and what is said about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from paddlex.evaluation.evaluator import Evaluation
from paddlex.evaluation.metrics import Curve
from paddlex.evaluation.numbers import count, figure
from paddlex.evaluation.report import words
from paddlex.evaluation.report.charts import Axis, Group, Line, curve_chart, histogram

_PRO_END = 0.3


@dataclass(frozen=True)
class CurveFigure:
    """A chart of curves with its caption.

    Attributes:
        name: what it is called.
        chart: SVG; None where nothing can be measured.
        caption: what it shows, and its areas.
        reason: why nothing can be measured.
    """

    name: str
    chart: Markup | None
    caption: str = ""
    reason: str | None = None


def score_chart(evaluation: Evaluation) -> Markup:
    """The scores of normal and of anomalous images, as two histograms."""
    groups = [_normal_scores(evaluation), _anomalous_scores(evaluation)]
    description = "Two histograms over the score from 0 to 1. " + " ".join(
        f"{group.kind.capitalize()} images: {group.left} {group.right}." for group in groups
    )
    return histogram("Scores of normal and anomalous images", description, *groups)


def roc(evaluation: Evaluation) -> CurveFigure:
    """What is found against what it costs."""
    image, pixel, decisions = evaluation.image, evaluation.pixel, evaluation.image.confusion
    if image.roc_curve is None and pixel.roc_curve is None:
        return CurveFigure("ROC", None, reason=words.missing_images(evaluation))
    mark = None
    if image.roc_curve is not None and decisions.false_positive_rate is not None and decisions.recall is not None:
        mark = decisions.false_positive_rate, decisions.recall
    chance = Line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), "chance")
    text = f"Area: images {figure(image.auroc)}, pixels {figure(pixel.auroc)}."
    chart = curve_chart(
        "ROC curve", text, Axis("false-positive rate"), Axis("true-positive rate"),
        [chance, *_lines(pixel=pixel.roc_curve, image=image.roc_curve)], mark=mark,
    )  # fmt: skip
    return CurveFigure("ROC", chart, f"What is found against what it costs in false alarms. {text}")


def precision_recall(evaluation: Evaluation) -> CurveFigure:
    """How many alarms are right."""
    image, pixel, decisions = evaluation.image, evaluation.pixel, evaluation.image.confusion
    curves = {"pixel": pixel.precision_recall_curve, "image": image.precision_recall_curve}
    if not any(curves.values()):
        return CurveFigure("Precision and recall", None, reason=words.missing_images(evaluation))
    lines, mark = _lines(**curves, stepwise=True), None
    if image.precision_recall_curve is not None:
        counts = words.Counts.of(evaluation)
        level = counts.anomalous / (counts.anomalous + counts.normal)
        lines = [Line(np.array([0.0, 1.0]), np.array([level, level]), "chance"), *lines]
        if decisions.recall is not None and decisions.precision is not None:
            mark = decisions.recall, decisions.precision
    text = f"Average precision: images {figure(image.average_precision)}, pixels {figure(pixel.average_precision)}."
    chart = curve_chart("Precision-recall curve", text, Axis("recall"), Axis("precision"), lines, mark=mark)
    return CurveFigure("Precision and recall", chart, f"How many alarms are right while more is found. {text}")


def per_region_overlap(evaluation: Evaluation) -> CurveFigure:
    """How much of each defect is covered."""
    pixel = evaluation.pixel
    if pixel.pro_curve is None:
        return CurveFigure("Per-region overlap", None, reason=words.missing_pixels(evaluation))
    at_threshold = _point_at(pixel.pro_curve, evaluation.limits.pixel.threshold)
    text = f"AUPRO: {figure(pixel.aupro_30)} up to 0.3, {figure(pixel.aupro_05)} up to 0.05 (the upright line)."
    chart = curve_chart(
        "PRO curve", text, Axis("false-positive rate of pixels", _PRO_END, (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)),
        Axis("per-region overlap"), [Line(pixel.pro_curve.x, pixel.pro_curve.y, "pixel", filled=True)],
        mark=at_threshold if at_threshold[0] <= _PRO_END else None, guides=[0.05],
    )  # fmt: skip
    note = "The point is the pixel threshold, before weak rims and specks are left out of the masks."
    return CurveFigure("PRO", chart, f"The covered share of each defect, all regions alike. {text} {note}")


def _normal_scores(evaluation: Evaluation) -> Group:
    counts, scores = words.Counts.of(evaluation), words.normalised_scores(evaluation, anomalous=False)
    if not counts.normal:
        return Group(*scores, "normal", "no normal images", "")
    passed = count(counts.normal - counts.false_alarms, "good part")
    return Group(*scores, "normal", f"{passed} passed", count(counts.false_alarms, "false alarm"))


def _anomalous_scores(evaluation: Evaluation) -> Group:
    counts, scores = words.Counts.of(evaluation), words.normalised_scores(evaluation, anomalous=True)
    if not counts.anomalous:
        return Group(*scores, "anomalous", "no anomalous images", "")
    missed = count(counts.anomalous - counts.found, "defect")
    return Group(*scores, "anomalous", f"{missed} missed", f"{counts.found:,} found")


def _point_at(curve: Curve, threshold: float) -> tuple[float, float]:
    """Where a curve is at a threshold, between its points by a straight line."""
    ascending = curve.thresholds[::-1]
    return tuple(float(np.interp(threshold, ascending, values[::-1])) for values in (curve.x, curve.y))  # type: ignore[return-value]


def _lines(stepwise: bool = False, **curves: Curve | None) -> list[Line]:
    return [Line(curve.x, curve.y, kind, stepwise) for kind, curve in curves.items() if curve is not None]
