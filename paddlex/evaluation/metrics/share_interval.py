"""How far a share that was counted may be off, because few were counted."""

from __future__ import annotations

from scipy.special import betaincinv


def share_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a binomial share (Clopper and Pearson, Biometrika 1934).

    It has a width where none or all were counted too, which a bootstrap interval has not.

    Args:
        count: how many of them, 0 to ``total``.
        total: of all, at least 1.
        confidence: between 0 and 1. The share lies below the interval as seldom as above it.
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high
