"""The pixel threshold: an exact quantile over the pixels of many maps. Pure NumPy."""

from __future__ import annotations

import math

import numpy as np


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

    def highest(self) -> np.ndarray:
        """The values that can still matter, float32 [k]."""
        return self._top

    def value(self) -> float:
        """The quantile, once all maps are in."""
        return float(self._top.min())
