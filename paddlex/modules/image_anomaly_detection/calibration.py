"""Thresholds from normal images that the student was not trained on, by a method with a stated meaning. Pure NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Calibration:
    """Thresholds, and everything they were made of.

    Attributes:
        fusion: which of the network's maps they are for: ``calibrated`` or ``product``.
        image_threshold, pixel_threshold: limits for the raw image score and for the raw anomaly map.
        image_typical, pixel_typical: the median raw score of normal images, and of their pixels.
        target_fpr, target_pixel_fpr: the share of normal images and of normal pixels that may be called anomalous.
        method: how the image threshold was found, in words.
        scores: raw scores of the calibration images, ascending.
        region_cut: how much of a region's foot is left out of the mask, see ``postprocess.anomaly_mask``.
        shrinkages: of the fusion's statistics, one a layer; none for ``product``.
    """

    fusion: str
    image_threshold: float
    pixel_threshold: float
    image_typical: float
    pixel_typical: float
    target_fpr: float
    target_pixel_fpr: float
    method: str
    scores: list[float]
    region_cut: float = 0.0
    shrinkages: list[float] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for inference.yml and JSON."""
        return {**asdict(self), "images": len(self.scores)}


def image_threshold(scores: Sequence[float], target_fpr: float) -> tuple[float, str]:
    """The limit that a new normal image exceeds with a probability of at most ``target_fpr``, and how it was found.

    With n scores and k = ceil((n + 1) (1 - target_fpr)) <= n, the k-th smallest score holds that rate for any continuous
    distribution (split conformal prediction: Vovk, Gammerman, Shafer, 2005, chapter 2). With fewer images the tail has to
    be extrapolated: the upper prediction bound of a normal distribution fitted to the logarithms of the scores (to the
    scores themselves, should one not be positive), mean + t s sqrt(1 + 1/n) with Student's t for n - 1 degrees of freedom
    (Hahn, Meeker, 1991, section 4.2), and never below the largest score seen.

    Args:
        scores: raw scores of at least two normal images.
        target_fpr: between 0 and 1.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    n = len(ordered)
    if n < 2 or not np.isfinite(ordered).all():
        raise ValueError(f"calibration needs at least two finite scores, but got {n}: {ordered[:5]}")
    k = math.ceil((n + 1) * (1 - target_fpr))
    if k <= n:
        return float(ordered[k - 1]), f"conformal quantile: score {k} of {n} in ascending order"
    is_positive = bool(ordered[0] > 0)
    values = np.log(ordered) if is_positive else ordered
    bound = values.mean() + stats.t.ppf(1 - target_fpr, n - 1) * values.std(ddof=1) * math.sqrt(1 + 1 / n)
    limit = math.exp(bound) if is_positive else float(bound)
    distribution = "log-normal" if is_positive else "normal"
    method = f"extrapolated: {distribution} prediction bound, because {n} images are too few for the quantile"
    return max(limit, float(ordered[-1])), method


class PixelQuantile:
    """The smallest value that at most a given share of all pixels exceeds: exact, over maps that need not be kept.

    Only the largest values can matter, so only they are kept: ``share`` of ``total``.

    Args:
        share: between 0 and 1.
        total: how many pixels there will be.
    """

    def __init__(self, share: float, total: int) -> None:
        self._keep = math.floor(share * total) + 1
        self._top = np.empty(0, np.float32)

    def add(self, anomaly_map: np.ndarray) -> None:
        """Take in the values of one map, of any shape."""
        values = np.concatenate([self._top, anomaly_map.ravel()])
        if values.size > self._keep:
            values = np.partition(values, values.size - self._keep)[-self._keep :]
        self._top = values

    def value(self) -> float:
        """The quantile, once all maps are in."""
        return float(self._top.min())
