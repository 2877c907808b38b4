"""Image-level and pixel-level figures. Pure NumPy; nothing is computed that the data does not give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def auroc(scores_normal: np.ndarray, scores_anomalous: np.ndarray) -> float | None:
    """Area under the ROC curve, exactly, ties counting half; None without normal or without anomalous scores.

    It is the probability that an anomalous score is above a normal one (Mann-Whitney U; Hanley, McNeil, 1982).
    """
    if scores_normal.size == 0 or scores_anomalous.size == 0:
        return None
    normal = np.sort(scores_normal, axis=None)
    below = np.searchsorted(normal, scores_anomalous.ravel(), side="left").sum(dtype=np.int64)
    not_above = np.searchsorted(normal, scores_anomalous.ravel(), side="right").sum(dtype=np.int64)
    return float(int(below) + int(not_above)) / 2 / normal.size / scores_anomalous.size


@dataclass(frozen=True)
class Confusion:
    """Counts at a threshold, of images or of pixels."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def precision(self) -> float | None:
        return _ratio(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float | None:
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def iou(self) -> float | None:
        return _ratio(self.true_positive, self.true_positive + self.false_positive + self.false_negative)

    @property
    def f1(self) -> float | None:
        return _ratio(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)

    @property
    def false_positive_rate(self) -> float | None:
        return _ratio(self.false_positive, self.false_positive + self.true_negative)

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
            self.true_negative + other.true_negative,
        )


def confusion(predicted: np.ndarray | Sequence[bool], actual: np.ndarray | Sequence[bool]) -> Confusion:
    """Count agreement of two bool arrays of one shape."""
    predicted, actual = np.asarray(predicted, bool), np.asarray(actual, bool)
    if predicted.shape != actual.shape:
        raise ValueError(f"shapes {predicted.shape} and {actual.shape} differ")
    hits = int(np.count_nonzero(predicted & actual))
    n_predicted, n_actual = int(np.count_nonzero(predicted)), int(np.count_nonzero(actual))
    return Confusion(hits, n_predicted - hits, n_actual - hits, predicted.size - n_predicted - n_actual + hits)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
