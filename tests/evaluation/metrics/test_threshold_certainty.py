"""Expectations: closed forms of the largest of n scores, published tables, and thresholds that are really drawn and held."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from paddlex.evaluation.metrics.threshold_certainty import expected_false_alarms, images_for, threshold_interval
from paddlex.inference.thresholds import image_threshold


def test_the_rate_above_the_largest_of_n_scores_has_the_known_distribution():
    """19 scores at 5 %: the threshold is the largest, and P(rate <= p) = 1 - (1 - p)^19."""
    low, high = expected_false_alarms(19, 0.05, 0.8)
    assert 1 - (1 - low) ** 19 == pytest.approx(0.1)
    assert 1 - (1 - high) ** 19 == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("images", "drawn_from"),
    [
        (6, stats.lognorm(0.4, scale=3)),  # extrapolated, which takes the logarithms for normal
        (12, stats.lognorm(0.4, scale=3)),
        (40, stats.gumbel_r(10, 2)),  # order statistics, whatever the distribution
        (119, stats.gumbel_r(10, 2)),
    ],
)
def test_thresholds_that_are_really_set_have_rates_within_the_interval(images, drawn_from):
    """2,000 times: scores are drawn, ``image_threshold`` sets a limit, and the distribution itself says what exceeds it."""
    rng = np.random.default_rng(7)
    limits = [image_threshold(drawn_from.rvs(images, random_state=rng), 0.05)[0] for _ in range(2000)]
    rates = drawn_from.sf(limits)
    low, high = expected_false_alarms(images, 0.05, 0.8)
    assert np.mean((rates >= low) & (rates <= high)) == pytest.approx(0.8, abs=0.03)
    assert np.mean(rates > high) == pytest.approx(0.1, abs=0.02)


def test_more_images_narrow_what_is_expected():
    widths = [high - low for low, high in (expected_false_alarms(images, 0.05, 0.8) for images in (5, 19, 99, 399))]
    assert widths == sorted(widths, reverse=True)


def test_two_order_statistics_hold_the_limit_as_often_as_promised():
    """Of 100 scores at 10 %, 95 %: the 84th and the 96th; P(84 <= Binomial(100, 0.9) <= 95) = 0.9557."""
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    (low, high), method = threshold_interval(scores, 0.1, 0.95)
    assert ((low, high), method) == ((84.0, 96.0), "distribution-free")
    assert stats.binom.cdf(95, 100, 0.9) - stats.binom.cdf(83, 100, 0.9) == pytest.approx(0.9557, abs=1e-4)


def test_too_few_scores_for_order_statistics_take_the_tabled_factors_of_the_normal_distribution():
    """n = 10, the 95 % quantile: one-sided 95 % tolerance factors 2.911 (upper) and 1.017 (lower), Hahn and Meeker, 1991."""
    logarithms = np.linspace(-1, 1, 10)
    (low, high), method = threshold_interval(np.exp(logarithms), 0.05, 0.9)
    mean, deviation = logarithms.mean(), logarithms.std(ddof=1)
    assert method == "log-normal"
    assert np.log(high) == pytest.approx(mean + 2.911 * deviation, abs=1e-3)
    assert np.log(low) == pytest.approx(mean + 1.017 * deviation, abs=1e-3)


def test_scores_that_are_not_positive_are_taken_as_they_are():
    (low, high), method = threshold_interval([-2.0, -1.0, 0.0, 1.0], 0.05, 0.8)
    assert method == "normal"
    assert low < image_threshold([-2.0, -1.0, 0.0, 1.0], 0.05)[0] < high


def test_how_many_images_hold_the_rate_is_what_the_beta_distribution_says():
    """5 % ± 2 points in 8 of 10 cases: Beta(11, 209) of 219 images is the first that has room for it; see its quantiles."""
    assert images_for(0.05, 0.02, 0.8) == 219
    assert stats.beta.interval(0.8, 11, 209) == pytest.approx((0.0323, 0.0695), abs=1e-4)
    assert stats.beta.ppf(0.9, 10, 190) > 0.07


@pytest.mark.parametrize(("target", "tolerance"), [(0.05, 0.01), (0.01, 0.004), (0.2, 0.05), (0.5, 0.2)])
def test_so_many_images_are_enough_by_the_rates_they_are_expected_to_have(target, tolerance):
    low, high = expected_false_alarms(images_for(target, tolerance, 0.8), target, 0.8)
    assert target - tolerance <= low < target < high <= target + tolerance
