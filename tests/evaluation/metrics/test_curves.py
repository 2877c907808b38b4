"""Areas and points of curves, by hand."""

import numpy as np
import pytest

from paddlex.evaluation.metrics import Curve


def curve(*points: tuple[float, float]) -> Curve:
    x, y = np.array(points).T
    return Curve(x, y, -np.arange(x.size, dtype=np.float64))


@pytest.mark.parametrize(
    ("limit", "area"),
    [
        pytest.param(1.0, 0.5 * 0.25 + 0.5 * 0.75, id="whole"),
        pytest.param(0.5, 0.25, id="up to a point: a triangle of height 0.5"),
        pytest.param(0.25, 0.125, id="between points: a triangle of height 0.25"),
        pytest.param(0.75, (0.5 * 0.25 + 0.25 * 0.625) / 0.75, id="within the second line"),
    ],
)
def test_area_is_that_under_straight_lines_divided_by_the_limit(limit, area):
    assert curve((0, 0), (0.5, 0.5), (1, 1)).area(limit) == pytest.approx(area)


def test_area_below_a_vertical_step_counts_its_upper_end():
    assert curve((0, 0), (0, 0.4), (0.2, 0.4), (0.2, 1), (1, 1)).area(0.4) == pytest.approx((0.2 * 0.4 + 0.2) / 0.4)


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.1])
def test_area_needs_a_limit_between_0_and_1(limit):
    with pytest.raises(ValueError, match="integration limit"):
        curve((0, 0), (1, 1)).area(limit)


def test_a_short_curve_is_not_thinned():
    whole = curve((0, 0), (0.5, 0.7), (1, 1))
    assert whole.thinned(3) is whole


def test_a_thinned_curve_keeps_its_ends_and_leaves_out_no_point_far_from_those_it_keeps():
    generator = np.random.default_rng(0)
    x, y = np.sort(generator.random(10_000) ** 4), np.sort(generator.random(10_000) ** 0.1)
    whole = Curve(np.r_[0, x, x[-1]], np.r_[0, y, y[-1]], -np.arange(10_002.0))
    thinned = whole.thinned(100)
    assert thinned.x.size <= 100
    kept = np.isin(whole.thresholds, thinned.thresholds)
    assert kept[0] and kept[-1]
    distance = np.abs(whole.x[:, None] - thinned.x) + np.abs(whole.y[:, None] - thinned.y)
    assert distance.min(axis=1).max() <= (x[-1] + y[-1]) / 99
