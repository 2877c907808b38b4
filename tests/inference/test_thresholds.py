"""The image threshold keeps the false-alarm rate that was asked for."""

import math

import numpy as np
import pytest
from scipy import stats

from paddlex.inference.thresholds import image_threshold


def false_alarm_rate(draw, n: int, target: float, repeats: int = 4000) -> float:
    """How often a new score exceeds the threshold from n others, over independent repetitions."""
    alarms = 0
    for _ in range(repeats):
        scores = draw(n + 1)
        limit, _ = image_threshold(scores[:n], target)
        alarms += scores[n] > limit
    return alarms / repeats


def test_nineteen_scores_at_five_percent_give_the_largest():
    # k = ceil(20 * 0.95) = 19
    limit, method = image_threshold(range(19), 0.05)
    assert limit == 18
    assert method == "conformal quantile: score 19 of 19 in ascending order"


def test_ninety_nine_scores_at_ten_percent_give_the_ninetieth_in_any_order():
    # k = ceil(100 * 0.9) = 90
    scores = np.random.default_rng(0).permutation(99)
    assert image_threshold(scores, 0.1)[0] == 89


@pytest.mark.parametrize(("n", "target"), [(19, 0.05), (40, 0.1), (99, 0.01), (200, 0.02)])
def test_the_quantile_holds_the_rate_for_a_distribution_it_knows_nothing_of(n, target):
    random = np.random.default_rng(n)
    rate = false_alarm_rate(lambda count: random.standard_cauchy(count) ** 3, n, target)
    # the exact probability is (n + 1 - k) / (n + 1); five standard deviations of a binomial share
    exact = (n + 1 - math.ceil((n + 1) * (1 - target))) / (n + 1)
    assert exact <= target
    assert abs(rate - exact) < 5 * math.sqrt(exact * (1 - exact) / 4000)


@pytest.mark.parametrize(("n", "target"), [(5, 0.05), (10, 0.05), (18, 0.05), (30, 0.01)])
def test_the_extrapolation_holds_the_rate_for_log_normal_scores(n, target):
    random = np.random.default_rng(n)
    rate = false_alarm_rate(lambda count: random.lognormal(1.0, 0.7, count), n, target)
    assert rate < target + 5 * math.sqrt(target * (1 - target) / 4000)
    assert rate > target / 2, "the threshold is not simply very high"


def test_the_extrapolation_is_the_prediction_bound_of_the_logarithms():
    scores = [1.0, math.e, math.e**2]
    # logarithms 0, 1, 2: mean 1, standard deviation 1; Student's t for 2 degrees of freedom at 0.95 is 2.919986
    limit, method = image_threshold(scores, 0.05)
    assert limit == pytest.approx(math.exp(1 + 2.919986 * math.sqrt(1 + 1 / 3)), rel=1e-5)
    assert "log-normal" in method and "3 images" in method


def test_scores_that_are_not_all_positive_are_taken_as_normal():
    # mean 0, standard deviation 1
    limit, method = image_threshold([-1.0, 0.0, 1.0], 0.05)
    assert limit == pytest.approx(stats.t.ppf(0.95, 2) * math.sqrt(4 / 3))
    assert "extrapolated: normal" in method


def test_the_threshold_is_never_below_the_largest_normal_score():
    assert image_threshold([1.0, 1.0, 1.0, 1.0, 9.0], 0.16)[0] >= 9.0


def test_equal_scores_are_their_own_threshold():
    assert image_threshold([2.0] * 5, 0.05)[0] == pytest.approx(2.0)


def test_a_lower_rate_never_gives_a_lower_threshold():
    scores = np.random.default_rng(3).lognormal(size=50)
    limits = [image_threshold(scores, target)[0] for target in (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001)]
    assert limits == sorted(limits)


@pytest.mark.parametrize("scores", [[], [1.0], [1.0, math.nan], [1.0, math.inf]])
def test_too_few_or_infinite_scores_are_refused(scores):
    with pytest.raises(ValueError, match="at least two finite scores"):
        image_threshold(scores, 0.05)


@pytest.mark.parametrize("target", [0.0, 1.0, -0.1, 1.5])
def test_a_rate_that_is_no_share_is_refused(target):
    with pytest.raises(ValueError, match="between 0 and 1"):
        image_threshold([1.0, 2.0], target)
