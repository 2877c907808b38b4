"""How partial maps become one anomaly map, in NumPy and OpenCV: what the network's own fusion gives, to rounding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce

import cv2
import numpy as np

from paddlex.inference.postprocess import resize_map

#: Positions of the finest layer, to either side.
SMOOTHING_RADIUS = 3

#: Distances of each layer, float32 [n, h_l, w_l], and (H, W) -> float32 [n, H, W].
Fuse = Callable[[Sequence[np.ndarray], Sequence[int]], np.ndarray]

Statistics = Sequence[tuple[np.ndarray, np.ndarray]]


def gaussian(sigma: float) -> list[float]:
    """The weights of the smoothing, which sum up to 1."""
    steps = range(-SMOOTHING_RADIUS, SMOOTHING_RADIUS + 1)
    weights = [math.exp(-0.5 * (step / sigma) ** 2) for step in steps]
    return [weight / sum(weights) for weight in weights]


class CalibratedMaps:
    """How unusual each distance is for its layer and position, as a z-score; summed over layers and smoothed.

    Args:
        sizes: (h_l, w_l) of each layer, the finest first.
        sigma: of the Gaussian, in positions of the finest layer.

    Attributes:
        statistics: mean and deviation of each layer, float32 [h_l, w_l] each; 0 and 1 before any are known.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]], sigma: float) -> None:
        self.sizes = tuple(sizes)
        self.statistics: list[tuple[np.ndarray, np.ndarray]] = [
            (np.zeros(size, np.float32), np.ones(size, np.float32)) for size in sizes
        ]
        self._kernel = np.array(gaussian(sigma), np.float32)

    def set_statistics(self, statistics: Statistics) -> None:
        """Take over mean and deviation of each layer, [h_l, w_l] each."""
        self.statistics = [(mean.astype(np.float32), deviation.astype(np.float32)) for mean, deviation in statistics]

    def __call__(self, layers: Sequence[np.ndarray], size: Sequence[int]) -> np.ndarray:
        """About 0 where all is as usual, in standard deviations."""
        z = [(layer - mean) / deviation for layer, (mean, deviation) in zip(layers, self.statistics, strict=True)]
        return _maps(summed(z, self.sizes[0]), lambda one: resize_map(self._smoothed(one), *size))

    def _smoothed(self, anomaly_map: np.ndarray) -> np.ndarray:
        """A Gaussian along either axis; at the border the picture is mirrored."""
        return cv2.sepFilter2D(anomaly_map, cv2.CV_32F, self._kernel, self._kernel, borderType=cv2.BORDER_REFLECT_101)


def summed(layers: Sequence[np.ndarray], size: Sequence[int]) -> np.ndarray:
    """The distances as they are, brought to one size bilinearly: the fusion of patch models as published."""
    return reduce(np.add, (_maps(layer, lambda one: resize_map(one, *size)) for layer in layers))


def _maps(maps: np.ndarray, work: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.stack([work(np.ascontiguousarray(one, np.float32)) for one in maps])
