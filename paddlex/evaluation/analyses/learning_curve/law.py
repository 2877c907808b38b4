"""How much more is found with more photos: a law through what was found with few and with many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddlex.evaluation.metrics.bootstrap import Interval, percentiles

#: 1 / sqrt(n) becomes less by this share where n is doubled.
_DOUBLED = 1 - math.sqrt(0.5)


@dataclass(frozen=True)
class Law:
    """The share of drawn defects found with n photos: ``limit - slope / sqrt(n)``.

    A power law, as most learning curves have (Viering, Loog: The shape of learning curves: a review, IEEE TPAMI 2023). Its
    exponent is that by which estimates from n samples get better; the few points of a curve would not tell another one.

    Attributes:
        photos: numbers of photos that it was found with, ascending.
        limit: what no number of photos exceeds.
        slope: 0 or more.
        slope_interval: by bootstrap, see ``fitted``.
    """

    photos: tuple[int, ...]
    limit: float
    slope: float
    slope_interval: Interval

    @classmethod
    def fitted(cls, photos: Sequence[int], shares: np.ndarray, resampled: np.ndarray, confidence: float) -> Law:
        """By least squares over the sizes, each counting alike.

        Args:
            photos: of each size, [s]; two different ones at least.
            shares: float [s]: what was found with each.
            resampled: float [b, s]: what would have been found in each of some resamples.
            confidence: of the interval, between 0 and 1.
        """
        x = 1 / np.sqrt(np.asarray(photos, float))
        weights = -(x - x.mean()) / ((x - x.mean()) ** 2).sum()  # the slope is a weighted sum of the shares
        interval = percentiles(resampled @ weights, confidence)
        assert interval is not None
        slope = max(0.0, float(shares @ weights))
        limit = float(shares.mean() + slope * x.mean())
        return cls(tuple(photos), limit, slope, (max(0.0, interval[0]), max(0.0, interval[1])))

    def share(self, photos: float) -> float:
        """What is found with so many photos, 0 to 1."""
        return min(1.0, max(0.0, self.limit - self.slope / math.sqrt(photos)))

    def gain(self, photos: int) -> tuple[float, Interval]:
        """How much more twice as many photos find, as a share of the drawn defects, and its interval."""
        factor = _DOUBLED / math.sqrt(photos)
        return factor * self.slope, (factor * self.slope_interval[0], factor * self.slope_interval[1])

    def photos_until(self, gain: float) -> int:
        """With how many photos twice as many find no more than this share of the drawn defects more."""
        return math.ceil((_DOUBLED * self.slope / gain) ** 2)
