"""Which training images are suspects: the rule by hand, on clean sets, and on sets with defects among the good parts."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from paddlex.data.dataset import Sample
from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.training.suspects import (
    Suspect,
    check_majority,
    distances_from_usual,
    limit_for,
    suspicious,
)


def sample(number: int) -> Sample:
    return Sample(Path("data"), f"good/{number}.png", None, "train.txt", number + 1)


def good(seed: int, count: int = 200) -> np.ndarray:
    """Scores of good parts: each the largest of many values."""
    return 7.0 + 2.0 * np.random.default_rng(seed).gumbel(size=count)


def test_the_distance_of_a_score_by_hand():
    """Scores 0 .. 10: the median is 5, the 10th percentile 1; of a Gumbel distribution they are 1.2006 scales apart."""
    distances = distances_from_usual(np.arange(11.0))
    apart = stats.gumbel_r.ppf(0.5) - stats.gumbel_r.ppf(0.1)
    assert apart == pytest.approx(1.2006, abs=1e-4)
    assert distances[10] == pytest.approx(5 * apart / 4)


@pytest.mark.parametrize("shift", [-20.0, -7.0, 0.0])
def test_where_the_scale_of_the_scores_begins_does_not_matter(shift):
    """Scores are sums of z-scores: those of good parts may lie about 0, or below it."""
    scores = np.array([*good(0), 60.0])
    assert suspicious(scores + shift).tolist() == suspicious(scores).tolist()
    assert suspicious(scores + shift)[-1]


def test_a_low_score_is_no_suspect():
    assert not suspicious(np.array([-100.0, 0.0, *good(0)]))[:2].any()


def test_in_a_very_uniform_set_a_small_difference_is_no_suspect():
    assert not suspicious(np.array([5.0] * 50 + [5.5])).any()


@pytest.mark.parametrize("count", [10, 24, 100, 1000])
def test_one_clean_set_in_a_hundred_has_a_suspect_however_small_it_is(count):
    """By other random numbers than the limit is found with; 1 % of 2,000 sets is 20, and 8 to 36 are chance (99.9 %)."""
    sets = stats.gumbel_r.rvs(loc=7, scale=2, size=(2000, count), random_state=1)
    assert 8 <= (distances_from_usual(sets).max(axis=1) > limit_for(count)).sum() <= 36


def test_the_limit_of_a_large_set_is_what_the_largest_of_so_many_exceeds_one_time_in_a_hundred():
    limit = limit_for(5000) + stats.gumbel_r.ppf(0.5)
    assert limit == pytest.approx(stats.gumbel_r.ppf(1 - 0.01 / 5000))
    assert 1 - stats.gumbel_r.cdf(limit) ** 5000 == pytest.approx(0.01, rel=0.01)


def test_the_limit_of_few_is_higher_since_their_spread_is_hardly_known():
    assert limit_for(10) > limit_for(24) > limit_for(100)


def test_most_clean_sets_keep_all_of_their_images_and_none_loses_many():
    """The spread is estimated from 200 images, so a few more sets than one in a hundred have a suspect."""
    lost = [int(suspicious(good(seed)).sum()) for seed in range(200)]
    assert np.mean(np.array(lost) > 0) < 0.1
    assert np.mean(lost) < 0.001 * 200
    assert max(lost) <= 0.02 * 200


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.2])
def test_defects_far_above_the_good_parts_are_found_at_any_share_up_to_a_fifth(share):
    scores = good(0)
    defects = 100 + np.random.default_rng(1).normal(0, 20, round(len(scores) * share / (1 - share)))
    found = suspicious(np.concatenate([scores, defects]))
    assert found[len(scores) :].all()
    assert found[: len(scores)].sum() <= 2


def test_of_few_images_nothing_is_said():
    assert not suspicious(np.array([1.0] * 8 + [1000.0])).any()
    assert suspicious(np.array([1.0] * 9 + [1000.0])).tolist() == [False] * 9 + [True]


def test_a_list_that_is_mostly_suspects_is_an_error_in_one_line_with_advice():
    samples = [sample(number) for number in range(30)]
    check_majority(10, 30, samples)
    what = "11 of 30 training images are unlike the rest: there is no majority of good parts to learn from"
    with pytest.raises(TrainingError, match=rf"^{re.escape(what)}.*train\.txt.*Train\.robust=off") as caught:
        check_majority(11, 30, samples)
    assert "\n" not in str(caught.value)


def test_what_the_result_says_of_a_suspect():
    told = Suspect(sample(4), score=31.5, spreads=6.24, limit=3.37, place=(0.44, 0.56)).to_dict()
    assert (told["image"], told["line"], told["score"]) == ("good/4.png", 5, 31.5)
    assert told["why"] == (
        "its score is 6.2 spreads above the median of the training images, and good parts of such a set stay within 3.4; "
        "most unusual 44% from the left, 56% from the top"
    )
