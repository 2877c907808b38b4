"""Which photos are fitted to and which are judged, and what is made of the answers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from paddlex.evaluation.analyses.learning_curve.fits import (
    Certainty,
    Point,
    drawings_of,
    measure,
    resampled_shares,
    sizes_of,
    splits_of,
)
from paddlex.evaluation.analyses.learning_curve.refitting import Refit
from paddlex.evaluation.metrics.threshold_certainty import expected_false_alarms
from paddlex.inference.view import View


@pytest.mark.parametrize("photos", [5, 8, 16, 39, 40, 209])
def test_no_photo_that_is_left_out_is_ever_fitted_to(photos: int) -> None:
    splits = splits_of(photos, seed=0)
    assert len(splits) == (5 if photos < 40 else 2)
    for split in splits:
        assert not set(split.order) & set(split.left_out)
        assert len(set(split.order)) == len(split.order) == photos - -(-photos // 5)
    left_out = np.concatenate([split.left_out for split in splits])
    assert len(set(left_out)) == len(left_out)  # none is judged twice
    if photos < 40:
        assert sorted(left_out) == list(range(photos))


def test_four_photos_leave_too_few_to_fit_to(known_model) -> None:
    assert splits_of(4, seed=0) == []
    assert measure(known_model(4), 0.05, seed=0) == ([], None)


@pytest.mark.parametrize(
    ("most", "sizes"), [(167, [21, 42, 84, 167]), (240, [30, 60, 120, 240]), (12, [4, 6, 8, 12]), (5, [4, 5]), (4, [4])]
)
def test_the_numbers_of_photos_grow_by_equal_ratios(most: int, sizes: list[int]) -> None:
    assert sizes_of(most) == sizes


def test_larger_fits_hold_the_photos_of_smaller_ones_and_judge_the_same_drawings(known_model) -> None:
    model = known_model(100)
    measure(model, 0.05, seed=3)
    for repeat in (model.fits[:4], model.fits[4:]):
        assert [len(chosen) for chosen, _, _ in repeat] == [10, 20, 40, 80]
        for (fewer, _, drawn_on), (more, _, on) in pairwise(repeat):
            assert set(fewer) < set(more)
            assert list(drawn_on) == list(on) and set(drawn_on) <= set(model.draw_on)
    for chosen, judged, drawn_on in model.fits:
        assert not set(chosen) & (set(judged) | set(drawn_on))


def test_the_same_seed_chooses_the_same_photos(known_model) -> None:
    models = [known_model(30) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        measure(model, 0.05, seed)
    first, again, other = ([list(chosen) for chosen, _, _ in model.fits] for model in models)
    assert first == again != other


def test_a_point_counts_what_its_fits_have_seen(known_model) -> None:
    points, law = measure(known_model(100, limit=0.75), 0.05, seed=0)
    assert [point.photos for point in points] == [10, 20, 40, 80]
    last = points[-1]
    assert (last.found, last.drawn, last.share_found) == (54, 72, 0.75)  # 2 repeats, 12 photos, 3 kinds
    assert last.left_out == 40 and last.false_alarms == round(sum(rate * 20 for rate in last.rates))
    assert last.certainty.false_alarms == expected_false_alarms(80, 0.05, 0.8)
    assert law is not None and law.photos == (20, 40, 80) and law.slope == pytest.approx(0, abs=1e-9)


def test_resamples_draw_the_photos_of_the_drawings_and_the_scores_of_the_threshold_again() -> None:
    """Half of the photos' drawings are beyond any threshold, half below: a binomial share, of 16 photos sd 0.125."""
    scores = np.linspace(1, 2, 40)
    peaks = np.repeat(np.where(np.arange(16) < 8, 100.0, 0.0), 3)
    shares = resampled_shares([[Refit(2.0, scores, scores, peaks)]], 0.05, seed=0)
    assert shares.mean() == pytest.approx(0.5, abs=0.03) and shares.std() == pytest.approx(0.125, abs=0.02)
    # and where all peaks are between the highest scores the threshold alone decides
    peaks = np.full(48, 1.99)
    shares = resampled_shares([[Refit(2.0, scores, scores, peaks)]], 0.05, seed=0)
    assert set(shares.ravel()) == {0.0, 1.0}


def point_with(photos: int, false_alarms: int, left_out: int) -> Point:
    certainty = Certainty(photos, photos, 1.0, (1.0, 1.0), "distribution-free", (0.0, 0.1))
    return Point(certainty, (0, 0, 0), (0.0,), false_alarms, left_out, 1, 1, (0, 1))


def test_more_false_alarms_than_chance_explains_are_told_from_a_few() -> None:
    """19 scores, 5 %: the threshold is the largest. One new score exceeds it with P = 1/20, and another one too with 2/21."""
    assert point_with(19, 1, 1).is_chance(0.05)  # 0.05
    assert not point_with(19, 2, 2).is_chance(0.05)  # 1/20 · 2/21 = 0.0048
    assert point_with(200, 6, 100).is_chance(0.05)
    assert not point_with(200, 20, 100).is_chance(0.05)


def test_an_extrapolated_threshold_accuses_no_photo() -> None:
    assert point_with(10, 5, 5).is_chance(0.05)


def test_each_photo_has_a_defect_of_each_kind_where_its_mask_says_and_the_same_ones_again() -> None:
    image = np.random.default_rng(0).integers(60, 200, (120, 160, 3)).astype(np.uint8)
    drawings, again = drawings_of(View(image), 7, seed=1), drawings_of(View(image), 7, seed=1)
    assert len(drawings) == 3
    for one, other in zip(drawings, again, strict=True):
        is_changed = (one.image != image).any(axis=2)
        assert is_changed[one.mask].any() and is_changed.mean() < 0.1
        assert np.array_equal(one.image, other.image) and np.array_equal(one.mask, other.mask)
    assert not np.array_equal(drawings[0].image, drawings_of(View(image), 8, seed=1)[0].image)


def test_defects_are_drawn_where_the_photo_is_judged() -> None:
    image = np.random.default_rng(0).integers(60, 200, (120, 160, 3)).astype(np.uint8)
    inspected = np.zeros((120, 160), bool)
    inspected[:40, :40] = True
    view = View(image, inspected)
    assert all((one.mask & inspected).any() for number in range(8) for one in drawings_of(view, number, seed=1))
