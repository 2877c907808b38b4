"""How far values are from what is usual among them, whatever the largest of them are."""

from __future__ import annotations

import numpy as np

#: The least spread of logarithms: in a very uniform set no small difference is to look large.
_LEAST_SPREAD = 0.05


def log_spread(values: np.ndarray, percent: float, least: float = _LEAST_SPREAD) -> tuple[float, float]:
    """The median of the logarithms of values that are skewed to the right, as distances are, and their robust spread.

    The spread is the distance of one percentile from the median, in standard deviations of a normal distribution. As long as
    what is foreign is on the other side of it, it has no part in the spread.

    Args:
        values: float [n], above 0.
        percent: of the percentile, but 50.
        least: no spread is smaller.
    """
    from statistics import NormalDist  # seldom needed, and never where a model is only used

    median, other = np.percentile(np.log(np.asarray(values, np.float64)), [50, percent])
    return float(median), max(float(other - median) / NormalDist().inv_cdf(percent / 100), least)


def log_scores(values: np.ndarray, percent: float) -> np.ndarray:
    """Robust z-scores of the logarithms of such values, (log v - median) / spread: float64 [n]; see ``log_spread``."""
    median, spread = log_spread(values, percent)
    return (np.log(np.asarray(values, np.float64)) - median) / spread
