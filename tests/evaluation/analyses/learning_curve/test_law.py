"""Hand calculations, and least squares by SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress

from paddlex.evaluation.analyses.learning_curve.law import Law

#: Found with 25, 100 and 400 photos where it is 0.9 - 1 / sqrt(n): 0.7, 0.8, 0.85.
PHOTOS, SHARES = (25, 100, 400), np.array([0.7, 0.8, 0.85])


def law_of(shares: np.ndarray, resampled: np.ndarray | None = None) -> Law:
    return Law.fitted(PHOTOS, shares, shares[None] if resampled is None else resampled, 0.8)


def test_what_follows_the_law_is_found_again() -> None:
    law = law_of(SHARES)
    assert (law.limit, law.slope) == (pytest.approx(0.9), pytest.approx(1.0))
    assert law.share(2500) == pytest.approx(0.88)


def test_it_is_least_squares_over_one_by_the_root() -> None:
    shares = np.array([0.61, 0.84, 0.83])
    reference = linregress(1 / np.sqrt(PHOTOS), shares)
    law = law_of(shares)
    assert law.slope == pytest.approx(-reference.slope)
    assert law.limit == pytest.approx(reference.intercept)


def test_twice_as_many_photos_find_what_is_between_the_two() -> None:
    gain, _ = law_of(SHARES).gain(100)
    assert gain == pytest.approx((0.9 - 1 / np.sqrt(200)) - (0.9 - 1 / 10))


def test_the_number_from_which_on_doubling_gains_little_gains_just_that() -> None:
    """(1 - sqrt(1/2)) / sqrt(n) = 0.03 at n = 95.3."""
    law = law_of(SHARES)
    assert law.photos_until(0.03) == 96
    assert law.gain(96)[0] < 0.03 < law.gain(95)[0]


def test_the_interval_is_of_the_slopes_of_the_resamples() -> None:
    """Slopes 0, 0.1, … 1: the middle 80 % of them are 0.1 to 0.9."""
    resampled = np.array([0.9 - slope / np.sqrt(PHOTOS) for slope in np.linspace(0, 1, 11)])
    assert law_of(SHARES, resampled).slope_interval == pytest.approx((0.1, 0.9))


def test_a_curve_that_falls_promises_nothing_and_has_its_mean_for_a_limit() -> None:
    law = law_of(SHARES[::-1])
    assert law.slope == 0 and law.limit == pytest.approx(SHARES.mean())
    assert law.gain(100) == (0, (0, 0)) and law.photos_until(0.03) == 0


def test_no_share_is_below_none_or_above_all() -> None:
    law = law_of(np.array([0.4, 0.9, 1.0]))
    assert law.share(1) == 0 and law.share(10**9) == 1
