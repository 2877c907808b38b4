"""Thresholds from normal images that the student was not trained on, by a method with a stated meaning. Pure NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Calibration:
    """Thresholds, and everything they were made of.

    Attributes:
        image_threshold: limit for the raw image score.
        pixel_threshold: limit for the raw anomaly map.
        target_fpr: the share of normal images that may be called anomalous.
        target_pixel_fpr: the share of normal pixels that may be called anomalous.
        method: how the image threshold was found, in words.
        scores: raw scores of the calibration images, ascending.
    """

    image_threshold: float
    pixel_threshold: float
    target_fpr: float
    target_pixel_fpr: float
    method: str
    scores: list[float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for inference.yml and JSON."""
        return {**asdict(self), "images": len(self.scores)}


def image_threshold(scores: Sequence[float], target_fpr: float) -> tuple[float, str]:
    """The limit that a new normal image exceeds with a probability of at most ``target_fpr``, and how it was found.

    With n scores and k = ceil((n + 1) (1 - target_fpr)) <= n, the k-th smallest score holds that rate for any continuous
    distribution (split conformal prediction: Vovk, Gammerman, Shafer, 2005, chapter 2). With fewer images the tail has to be
    extrapolated: the upper prediction bound of a normal distribution fitted to the logarithms of the scores,
    exp(mean + t * s * sqrt(1 + 1/n)) with Student's t for n - 1 degrees of freedom (Hahn, Meeker, 1991, section 4.2), and
    never below the largest score seen.

    Args:
        scores: raw scores (> 0) of at least two normal images.
        target_fpr: between 0 and 1.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    n = len(ordered)
    if n < 2 or not np.isfinite(ordered).all() or ordered[0] <= 0:
        raise ValueError(f"calibration needs at least two positive, finite scores, but got {n}: {ordered[:5]}")
    k = math.ceil((n + 1) * (1 - target_fpr))
    if k <= n:
        return float(ordered[k - 1]), f"conformal quantile: score number {k} of {n}"
    logarithms = np.log(ordered)
    bound = stats.t.ppf(1 - target_fpr, n - 1) * logarithms.std(ddof=1) * math.sqrt(1 + 1 / n)
    extrapolated = math.exp(logarithms.mean() + bound)
    method = f"extrapolated: log-normal prediction bound, because {n} images are too few for a quantile"
    return max(extrapolated, float(ordered[-1])), method


class PixelQuantile:
    """The value that a given share of all pixels exceeds, exactly, over maps that need not be in memory together.

    Only the largest values can matter, so only they are kept: ``share`` of ``total`` pixels.

    Args:
        share: between 0 and 1, the share of pixels above the quantile.
        total: how many pixels there will be at most.
    """

    def __init__(self, share: float, total: int) -> None:
        self._share = share
        self._keep = math.floor(share * total) + 1
        self._top = np.empty(0, np.float32)
        self._seen = 0

    def add(self, anomaly_map: np.ndarray) -> None:
        """Take in the values of one map, of any shape."""
        values = np.concatenate([self._top, anomaly_map.ravel()])
        self._seen += anomaly_map.size
        if values.size > self._keep:
            values = np.partition(values, values.size - self._keep)[-self._keep :]
        self._top = values

    def value(self) -> float:
        """The smallest value seen that at most ``share`` of the pixels exceed."""
        allowed = math.floor(self._share * self._seen)
        return float(np.sort(self._top)[::-1][min(allowed, self._top.size - 1)])
