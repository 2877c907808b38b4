"""Figures as people read them. Rounding never turns "nearly" into "all", or "a few" into "none"."""

from __future__ import annotations

import math
from collections.abc import Sequence

NOT_MEASURABLE = "not measurable"

_PER_CENT = "\N{NO-BREAK SPACE}%"


def percent(part: int, whole: int) -> str:
    """A share: ``39 %``, with decimals only where it would otherwise read 0 % or 100 % and is neither."""
    share = 100 * part / whole
    for decimals in range(3):
        text = f"{share:.{decimals}f}"
        if float(text) not in (0, 100) or share in (0, 100):
            return f"{text}{_PER_CENT}"
    return ("less than 0.01" if share < 50 else "more than 99.99") + _PER_CENT


def share(value: float) -> str:
    """A share between 0 and 1 that somebody chose, as per cent: ``5 %``, ``0.1 %``."""
    return f"{100 * value:.4g}{_PER_CENT}"


def rate(value: float) -> str:
    """A share from 0 to 1 that was measured or computed: ``3.2 %``, ``32 %``; never 0 or 100 where it is neither."""
    per_cent = 100 * value
    if 0 < per_cent < 0.05:
        return f"less than 0.1{_PER_CENT}"
    if 99 <= per_cent < 100:
        return f"{math.floor(10 * per_cent) / 10:g}{_PER_CENT}"
    return f"{per_cent:.0f}{_PER_CENT}" if per_cent >= 9.95 or not per_cent else f"{per_cent:.1f}{_PER_CENT}"


def figure(value: float | None) -> str:
    """A rate or an area from 0 to 1: three decimals, five below 0.01, more where it would otherwise read 0 or 1."""
    if value is None:
        return NOT_MEASURABLE
    for decimals in range(3 if value >= 0.01 or value == 0 else 5, 7):
        text = f"{value:.{decimals}f}"
        if float(text) not in (0, 1) or value in (0, 1):
            return text
    return "below 0.000001" if value < 0.5 else "above 0.999999"


def interval(bounds: Sequence[float] | None, decimals: int = 3) -> str:
    """``0.740 to 0.850``; says so where a percentile bootstrap has no width."""
    if bounds is None:
        return NOT_MEASURABLE
    low, high = bounds
    return "no width" if low == high else f"{low:.{decimals}f} to {high:.{decimals}f}"


def count(number: int, noun: str) -> str:
    """``1 image``, ``2 images``, ``5,000 images``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
