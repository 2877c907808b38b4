"""How far values are from what is usual among them, whatever the largest of them are."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

#: The least spread of logarithms: in a very uniform set no small difference is to look large.
_LEAST_SPREAD = 0.05


def log_scores(values: np.ndarray, percent: float) -> np.ndarray:
    """Robust z-scores of the logarithms of values that are skewed to the right, as distances are.

    (log v - median) / spread, where the spread is the distance of one percentile from the median, in standard deviations of a
    normal distribution. As long as what is foreign is on the other side of it, it has no part in the spread.

    Args:
        values: float [n], above 0.
        percent: of the percentile, but 50.

    Returns:
        float64 [n].
    """
    logarithms = np.log(np.asarray(values, np.float64))
    median, other = np.percentile(logarithms, [50, percent])
    spread = (other - median) / NormalDist().inv_cdf(percent / 100)
    return (logarithms - median) / max(spread, _LEAST_SPREAD)
