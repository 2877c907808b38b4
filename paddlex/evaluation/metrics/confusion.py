"""Right and wrong decisions at one threshold, and the rates that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Confusion:
    """Counts at a threshold, of images or of pixels. A rate whose denominator is zero is None."""

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

    @property
    def false_negative_rate(self) -> float | None:
        return _ratio(self.false_negative, self.false_negative + self.true_positive)

    def rates(self) -> dict[str, float | None]:
        """All rates by name."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "iou": self.iou,
            "f1": self.f1,
            "false_positive_rate": self.false_positive_rate,
            "false_negative_rate": self.false_negative_rate,
        }

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


def confusion_at(threshold: float, normal: np.ndarray, anomalous: np.ndarray) -> Confusion:
    """Count the decisions ``score > threshold`` over the scores of normal and of anomalous samples, of any shape."""
    hits, false_alarms = int(np.count_nonzero(anomalous > threshold)), int(np.count_nonzero(normal > threshold))
    return Confusion(hits, false_alarms, anomalous.size - hits, normal.size - false_alarms)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
