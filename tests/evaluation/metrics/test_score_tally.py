"""Keys are integers in the order of the floats; a tally keeps as many apart as it may."""

import numpy as np
import pytest

from paddlex.evaluation.metrics.score_tally import ScoreTally, to_keys, to_scores

LARGEST = np.finfo(np.float32).max
SMALLEST = np.finfo(np.float32).smallest_subnormal
ASCENDING = np.array([-LARGEST, -1.5, -1, -SMALLEST, 0, SMALLEST, 0.1, 1, 1.5, LARGEST], np.float32)


def filled(scores: np.ndarray, max_distinct: int) -> ScoreTally:
    tally = ScoreTally(1, max_distinct)
    for part in np.array_split(scores, 10):
        tally.add_counts(to_keys(part))
    return tally


# Keys


def test_keys_are_in_the_order_of_the_floats_and_lead_back_to_them():
    keys = to_keys(ASCENDING)
    assert (np.diff(keys.astype(np.int64)) > 0).all()
    np.testing.assert_array_equal(to_scores(keys), ASCENDING)


def test_neighbouring_floats_are_neighbouring_integers():
    above = np.nextafter(ASCENDING[:-1], np.float32(np.inf))
    np.testing.assert_array_equal(to_keys(above), to_keys(ASCENDING[:-1]) + 1)


def test_both_zeros_have_one_key():
    np.testing.assert_array_equal(to_keys(np.array([0.0, -0.0], np.float32)), [0, 0])


# Tallies


def test_while_they_fit_all_scores_are_kept_apart():
    scores = np.random.default_rng(0).choice(np.linspace(-1, 1, 512, dtype=np.float32), 5000)
    distinct, counts = np.unique(scores, return_counts=True)
    tally = filled(scores, 512)
    assert tally.shift == 0
    keys, weights = tally.at_shift(0)
    np.testing.assert_array_equal(to_scores(keys), distinct)
    np.testing.assert_array_equal(weights[0], counts)


@pytest.mark.parametrize(
    "scores",
    [
        pytest.param(np.random.default_rng(0).gamma(2, 0.1, 20_000), id="like an anomaly map"),
        pytest.param(1000 + np.random.default_rng(0).random(20_000), id="narrow and far from zero"),
        pytest.param(np.random.default_rng(0).normal(0, 1, 20_000), id="of both signs"),
        pytest.param(np.random.default_rng(0).integers(-(2**31), 2**31, 20_000).astype(float) ** 3, id="of all sizes"),
        pytest.param(np.linspace(-1, 1, 20_000) * float(LARGEST), id="up to the largest float"),
    ],
)
def test_what_does_not_fit_is_counted_in_intervals_of_neighbouring_floats(scores):
    scores = scores.astype(np.float32)
    tally = filled(scores, 600)
    keys, weights = tally.at_shift(tally.shift)
    assert 0 < tally.shift <= 23
    assert 250 < keys.size <= 600
    tops = to_scores(keys)
    counts = np.bincount(np.searchsorted(tops, scores), minlength=keys.size)
    np.testing.assert_array_equal(weights[0], counts)


def test_a_tally_of_tallies_counts_what_they_have_counted():
    first, second = np.random.default_rng(0).gamma(2, 0.1, (2, 5000)).astype(np.float32)
    together = filled(first, 1000)
    together.add_tally(filled(second, 700))
    keys, weights = together.at_shift(together.shift)
    counts = np.bincount(np.searchsorted(to_scores(keys), np.concatenate([first, second])))
    np.testing.assert_array_equal(weights[0], counts)


def test_weights_are_summed_column_by_column_in_any_order():
    tally = ScoreTally(2, 512)
    tally.add(np.array([7, 3, 7], np.int32), np.array([[1.0, 2, 3], [0.5, 0.25, 0.125]]))
    tally.add(np.array([3], np.int32), np.array([[10.0], [0.0]]))
    keys, weights = tally.at_shift(0)
    assert keys.tolist() == [3, 7]
    assert weights.tolist() == [[12, 4], [0.25, 0.625]]


def test_a_tally_too_small_for_the_widest_intervals_is_refused():
    with pytest.raises(ValueError, match="512"):
        ScoreTally(1, 511)
