"""Thresholds from normal images that the student was not trained on, by a method with a stated meaning. Pure NumPy."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Calibration:
    """Thresholds, and everything they were made of.

    Attributes:
        fusion: which of the network's maps they are for: ``calibrated`` or ``product``.
        image_threshold, pixel_threshold: limits for the raw image score and for the raw anomaly map.
        image_typical, pixel_typical: the median raw score of normal images, and of their pixels.
        min_area: share of the image below which a region is left out of the mask.
        best_f1_threshold: the image threshold with the highest F1 on validation images, if there were anomalous ones.
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
    min_area: float = 0.0
    best_f1_threshold: float | None = None
    shrinkages: list[float] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for inference.yml and JSON."""
        return {**asdict(self), "images": len(self.scores)}


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
