"""Robust z-scores of skewed values, against a calculation by hand."""

import numpy as np
import pytest

from paddlex.utils.log_scores import log_scores


def test_the_spread_is_the_distance_of_one_percentile_from_the_median_of_the_logarithms():
    """Logarithms 0 .. 10: the median is 5, the 10th percentile 1, and 4 are 1.2816 standard deviations."""
    expected = (np.arange(11) - 5) * 1.2815516 / 4
    np.testing.assert_allclose(log_scores(np.exp(np.arange(11)), 10), expected, atol=1e-6)


def test_from_the_other_side_it_is_the_other_percentile():
    """Logarithms 0 .. 10: the 80th percentile is 8, and 3 are 0.8416 standard deviations."""
    np.testing.assert_allclose(log_scores(np.exp(np.arange(11)), 80)[-1], 5 * 0.8416212 / 3, rtol=1e-6)


def test_what_is_at_the_far_end_does_not_change_how_far_the_others_are():
    values = np.exp(np.arange(11.0))
    wild = np.where(values > np.exp(6), 1e9, values)
    np.testing.assert_allclose(log_scores(wild, 10)[:7], log_scores(values, 10)[:7])


def test_in_a_set_that_is_all_alike_nothing_is_far():
    assert np.abs(log_scores(np.array([1.0] * 9 + [1.001]), 10)).max() == pytest.approx(np.log(1.001) / 0.05)
