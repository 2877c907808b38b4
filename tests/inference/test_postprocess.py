"""Score, decision and mask, against calculations that one can do by hand."""

from __future__ import annotations

import numpy as np
import pytest

from paddlex.inference.postprocess import (
    PADDLEX_LIMITS,
    Limit,
    Limits,
    anomaly_mask,
    anomaly_score,
    resize_map,
)


def limits(threshold: float, region_cut: float = 0.0, min_area: float = 0.0) -> Limits:
    return Limits(Limit(threshold), Limit(threshold), "a test", region_cut, min_area)


# The scale


@pytest.mark.parametrize(
    ("raw", "score"),
    [(2.0, 0.25), (6.0, 0.5), (10.0, 0.75), (18.0, 0.875), (-2.0, 1 / 6), (5.0, 0.4), (-394.0, 0.5 / 101)],
)
def test_typical_is_a_quarter_the_threshold_a_half_and_as_far_above_three_quarters(raw: float, score: float) -> None:
    assert Limit(threshold=6, typical=2).normalise(raw) == pytest.approx(score)


@pytest.mark.parametrize(
    "limit", [Limit(6, 2), Limit(0.01), Limit(-1, -3), Limit(1e-6, 1e-9), Limit(1, 1), Limit(1, 2)]
)
def test_normalising_is_strictly_monotone_and_stays_between_0_and_1(limit: Limit) -> None:
    width = max(limit.threshold - limit.typical, 1e-12)
    scores = limit.normalise(limit.threshold + width * np.linspace(-50, 50, 1001))
    assert (np.diff(scores) > 0).all()
    assert scores.min() > 0
    assert scores.max() < 1


def test_the_threshold_is_a_half_even_where_nothing_varies() -> None:
    assert Limit(1, 1).normalise(1) == 0.5


def test_a_map_is_normalised_pixel_by_pixel() -> None:
    assert Limit(6, 2).normalise(np.array([[2, 6], [10, 18]], np.float32)).tolist() == [[0.25, 0.5], [0.75, 0.875]]


def test_a_moved_threshold_keeps_typical_at_a_quarter() -> None:
    moved = Limit(6, 2).moved_to(4)
    assert moved.normalise(np.array([2, 4, 6])).tolist() == [0.25, 0.5, 0.75]


def test_a_threshold_moved_below_typical_keeps_the_width_of_the_scale() -> None:
    moved = Limit(6, 2).moved_to(1)
    assert moved.normalise(np.array([-3, 1, 5])).tolist() == [0.25, 0.5, 0.75]


def test_without_a_calibration_paddlex_s_constant_rules() -> None:
    limits = PADDLEX_LIMITS["STFPM"]
    assert limits.image.threshold == limits.pixel.threshold == 0.01
    assert anomaly_mask(np.array([[0.0099, 0.0101]], np.float32), limits).tolist() == [[[0, 255]]]


# Score and size


def test_the_score_is_the_maximum_of_the_map() -> None:
    score = anomaly_score(np.array([[-3, 7], [2, 1]], np.float32))
    assert (score, type(score)) == (7, float)


def test_a_map_is_resized_bilinearly() -> None:
    """Two pixels become four: the outer ones keep the values, the inner ones lie a quarter and three quarters between."""
    resized = resize_map(np.array([[0, 4], [8, 12]], np.float32), 4, 4)
    assert resized[0].tolist() == [0, 1, 3, 4]
    assert resized[:, 0].tolist() == [0, 2, 6, 8]
    assert resized.dtype == np.float32


@pytest.mark.parametrize("size", [(7, 5), (64, 100), (16, 16), (1, 1)])
def test_a_resized_map_has_the_images_size_and_keeps_its_range(size: tuple[int, int]) -> None:
    raw = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32)
    resized = resize_map(raw, *size)
    assert resized.shape == size
    assert raw.min() <= resized.min() <= resized.max() <= raw.max()


# The mask


MAP = np.array(
    [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 2, 4, 2, 0, 0, 0, 0],
        [0, 4, 9, 4, 0, 0, 0, 0],
        [0, 2, 4, 2, 0, 0, 2, 0],
        [0, 0, 0, 0, 0, 1, 0, 0],
    ],
    np.float32,
)


def marked(mask: np.ndarray) -> list[list[int]]:
    assert mask.dtype == np.uint8
    assert mask.shape == (1, *MAP.shape)
    assert set(np.unique(mask)) <= {0, 255}
    return np.argwhere(mask[0]).tolist()


def test_without_a_cut_every_pixel_above_the_threshold_is_marked() -> None:
    assert marked(anomaly_mask(MAP, limits(1))) == np.argwhere(MAP > 1).tolist()


def test_a_pixel_at_the_threshold_is_normal() -> None:
    assert [4, 5] not in marked(anomaly_mask(MAP, limits(1)))


def test_the_cut_takes_the_foot_of_each_region_by_its_own_peak() -> None:
    """From 1 to the peak of 9, a quarter of the way is 3: 4 and 9 stay, 2 goes. The weak region's own peak is 2."""
    found = marked(anomaly_mask(MAP, limits(1, region_cut=0.25)))
    assert found == [[1, 2], [2, 1], [2, 2], [2, 3], [3, 2], [3, 6]]


def test_a_pixel_just_at_the_cut_stays() -> None:
    """From 1 to the peak of 9, three eighths of the way is 4."""
    assert [1, 2] in marked(anomaly_mask(MAP, limits(1, region_cut=0.375)))
    assert [1, 2] not in marked(anomaly_mask(MAP, limits(1, region_cut=0.376)))


def test_the_cut_at_a_half_leaves_the_peaks() -> None:
    assert marked(anomaly_mask(MAP, limits(1, region_cut=0.5))) == [[2, 2], [3, 6]]


def test_regions_that_touch_at_a_corner_are_one() -> None:
    raw = np.zeros_like(MAP)
    raw[1, 1], raw[2, 2] = 2, 9
    assert marked(anomaly_mask(raw, limits(1, region_cut=0.25))) == [[2, 2]]


def test_a_threshold_below_zero_is_a_threshold_like_any_other() -> None:
    assert marked(anomaly_mask(MAP - 5, limits(-4, region_cut=0.25))) == marked(
        anomaly_mask(MAP, limits(1, region_cut=0.25))
    )


def test_a_region_smaller_than_the_smallest_area_is_left_out() -> None:
    """The map has 40 pixels: of 9 and 1 in the two regions, 0.1 asks for four."""
    found = marked(anomaly_mask(MAP, limits(1, min_area=0.1)))
    assert found == [[y, x] for y in (1, 2, 3) for x in (1, 2, 3)]


def test_a_region_of_just_the_smallest_area_stays() -> None:
    assert [3, 6] in marked(anomaly_mask(MAP, limits(1, min_area=1 / 40)))


def test_the_smallest_area_is_asked_of_what_the_cut_has_left() -> None:
    """Five of nine pixels are left by the cut; 6 of 40 are asked for."""
    assert marked(anomaly_mask(MAP, limits(1, region_cut=0.25, min_area=6 / 40))) == []


def test_a_normal_map_has_an_empty_mask() -> None:
    assert marked(anomaly_mask(np.zeros_like(MAP), limits(1, region_cut=0.25, min_area=0.1))) == []


def test_the_map_is_not_changed() -> None:
    before = MAP.copy()
    anomaly_mask(MAP, limits(1, region_cut=0.25, min_area=0.1))
    assert np.array_equal(MAP, before)


def test_a_score_next_to_0_or_1_still_has_a_raw_value() -> None:
    limit = Limit(2.0, 1.0)
    assert -np.inf < limit.raw(1e-300) < limit.raw(0.001) < limit.raw(0.999) < limit.raw(1 - 1e-16) < np.inf
