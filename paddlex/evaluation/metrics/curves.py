"""Curves over all thresholds, and their summaries, from counts by score; the same for images and for pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import trapezoid


@dataclass(frozen=True)
class Curve:
    """Points of a curve, from the highest threshold to the lowest.

    Attributes:
        x: float64 [n].
        y: float64 [n].
        thresholds: [n], descending; point i belongs to the decision ``score > thresholds[i]``.
    """

    x: np.ndarray
    y: np.ndarray
    thresholds: np.ndarray

    def area(self, limit: float = 1.0) -> float:
        """Area under the curve for x from 0 to ``limit``, divided by ``limit``.

        Between points, and from the last point to the limit, the curve is a straight line. ``x`` has to start at 0 and
        ascend to at least the limit.
        """
        if not 0 < limit <= 1:
            raise ValueError(f"the integration limit has to be in (0, 1], but is {limit}")
        inside = int(np.searchsorted(self.x, limit, side="right"))
        at_limit = np.interp(limit, self.x[inside - 1 : inside + 1], self.y[inside - 1 : inside + 1])
        return float(trapezoid(np.append(self.y[:inside], at_limit), np.append(self.x[:inside], limit)) / limit)

    def thinned(self, points: int = 1000) -> Curve:
        """At most ``points`` of the points, evenly spread along the curve, both ends among them.

        Along a curve of length L (|dx| + |dy| summed; 2 for a ROC curve), no point left out is further than
        L / (points - 1) from one that stays.
        """
        if self.x.size <= points:
            return self
        length = np.append(0.0, np.cumsum(np.abs(np.diff(self.x)) + np.abs(np.diff(self.y))))
        kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], points)))
        kept[-1] = self.x.size - 1
        return Curve(self.x[kept], self.y[kept], self.thresholds[kept])


@dataclass(frozen=True)
class Ranking:
    """How many normal and anomalous samples there are at each score, from the highest score to the lowest.

    Both kinds have to be there: with only one of them, every curve and figure below is undefined.

    Attributes:
        thresholds: [n + 1], strictly descending.
        normal: [n]; normal[i] samples score in the half-open interval (thresholds[i + 1], thresholds[i]].
        anomalous: [n], likewise.
    """

    thresholds: np.ndarray
    normal: np.ndarray
    anomalous: np.ndarray

    @classmethod
    def of_samples(cls, normal: np.ndarray, anomalous: np.ndarray) -> Ranking:
        """Rank scores [n] of normal and [m] of anomalous samples; each distinct score is an interval of its own."""
        scores = np.unique(np.concatenate([normal, anomalous]))
        counts = [np.bincount(np.searchsorted(scores, part), minlength=scores.size) for part in (normal, anomalous)]
        lowest = np.nextafter(scores[0], -np.inf)
        return cls(np.append(scores[::-1], lowest), counts[0][::-1], counts[1][::-1])

    def auroc(self) -> float:
        """Area under the ROC curve."""
        return float(area_under_roc(self.normal, self.anomalous))

    def average_precision(self) -> float:
        """Average precision, as scikit-learn defines it."""
        return float(average_precision(self.normal, self.anomalous))

    def best_f1(self) -> tuple[float, float]:
        """The highest F1 of the decision ``score > threshold``, and the highest threshold that gives it."""
        true_positive, false_positive = np.cumsum(self.anomalous), np.cumsum(self.normal)
        f1 = 2 * true_positive / (true_positive + false_positive + true_positive[-1])
        best = int(np.argmax(f1))
        return float(f1[best]), float(self.thresholds[best + 1])

    def roc_curve(self) -> Curve:
        """False-positive rate (x) and true-positive rate (y), from (0, 0) to (1, 1)."""
        return Curve(cumulative_share(self.normal), cumulative_share(self.anomalous), self.thresholds)

    def precision_recall_curve(self) -> Curve:
        """Recall (x) and precision (y). It starts below the highest score: where nothing is found, there is no precision."""
        true_positive = np.cumsum(self.anomalous, dtype=np.float64)
        precision = true_positive / (true_positive + np.cumsum(self.normal))
        return Curve(true_positive / true_positive[-1], precision, self.thresholds[1:])


def area_under_roc(normal: np.ndarray, anomalous: np.ndarray) -> np.ndarray:
    """Area under the ROC curve; what shares an interval counts half (Mann-Whitney U; Hanley, McNeil, 1982).

    Args:
        normal: [..., n], normal samples by score, from the highest score to the lowest; not all zero.
        anomalous: [..., n], likewise.

    Returns:
        [...], from 0 to 1.
    """
    found = np.cumsum(anomalous, axis=-1, dtype=np.float64)
    half_tied = found - anomalous / 2
    return (normal * half_tied).sum(-1) / normal.sum(-1, dtype=np.float64) / found[..., -1]


def average_precision(normal: np.ndarray, anomalous: np.ndarray) -> np.ndarray:
    """Average precision: the sum over thresholds n of (R_n - R_{n-1}) P_n, without interpolation (as in scikit-learn).

    Args:
        normal: [..., n], normal samples by score, from the highest score to the lowest.
        anomalous: [..., n], likewise; not all zero.

    Returns:
        [...], from 0 to 1.
    """
    found = np.cumsum(anomalous, axis=-1, dtype=np.float64)
    flagged = found + np.cumsum(normal, axis=-1)
    # A resample may leave the highest scores out; precision is undefined there, and its weight is zero.
    return (anomalous * found / np.maximum(flagged, 1)).sum(-1) / found[..., -1]


def cumulative_share(counts: np.ndarray) -> np.ndarray:
    """[n] counts to [n + 1] shares of their sum, from 0 to exactly 1."""
    cumulative = np.append(0.0, np.cumsum(counts, dtype=np.float64))
    return cumulative / cumulative[-1]
