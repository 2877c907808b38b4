"""How well scores tell anomalous images from normal ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddlex.evaluation.metrics.bootstrap import Interval, bootstrap_intervals
from paddlex.evaluation.metrics.confusion import Confusion, confusion_at
from paddlex.evaluation.metrics.curves import Curve, Ranking


@dataclass(frozen=True)
class ImageMetrics:
    """Image-level figures. Those over all thresholds are None without normal or without anomalous images.

    Attributes:
        auroc: area under the ROC curve.
        average_precision: as scikit-learn defines it.
        best_f1: the highest F1 over all thresholds, chosen with hindsight.
        best_f1_threshold: scores above it give ``best_f1``.
        roc_curve: x false-positive rate, y true-positive rate; thinned for plotting.
        precision_recall_curve: x recall, y precision; thinned for plotting.
        confusion: the decisions at the given threshold.
        intervals: see ``bootstrap_intervals``.
    """

    auroc: float | None
    average_precision: float | None
    best_f1: float | None
    best_f1_threshold: float | None
    roc_curve: Curve | None
    precision_recall_curve: Curve | None
    confusion: Confusion
    intervals: dict[str, Interval | None]


def image_metrics(
    normal: np.ndarray,
    anomalous: np.ndarray,
    threshold: float,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> ImageMetrics:
    """All image-level figures.

    Args:
        normal: scores [n] of the normal images, finite; n may be 0.
        anomalous: scores [m] of the anomalous images (all, or those of one defect type), finite; m may be 0.
        threshold: an image that scores above it is called anomalous.
        resamples: for the confidence intervals.
        confidence: of the intervals, between 0 and 1.
        seed: of the resampling.

    Raises:
        ValueError: a score is not finite, or the arrays are not one-dimensional.
    """
    for scores in (normal, anomalous):
        if scores.ndim != 1 or not np.isfinite(scores).all():
            raise ValueError(f"scores have to be finite and of shape [n], but are of shape {scores.shape}: {scores}")
    decisions = confusion_at(threshold, normal, anomalous)
    intervals = bootstrap_intervals(normal, anomalous, threshold, resamples=resamples, confidence=confidence, seed=seed)
    if normal.size == 0 or anomalous.size == 0:
        return ImageMetrics(None, None, None, None, None, None, decisions, intervals)
    ranking = Ranking.of_samples(normal, anomalous)
    return ImageMetrics(
        ranking.auroc(),
        ranking.average_precision(),
        *ranking.best_f1(),
        ranking.roc_curve().thinned(),
        ranking.precision_recall_curve().thinned(),
        decisions,
        intervals,
    )


def auroc(scores_normal: np.ndarray, scores_anomalous: np.ndarray) -> float | None:
    """Area under the ROC curve of scores of any shape; None without normal or without anomalous scores."""
    if scores_normal.size == 0 or scores_anomalous.size == 0:
        return None
    return Ranking.of_samples(scores_normal.ravel(), scores_anomalous.ravel()).auroc()
