"""The pixel threshold is the exact quantile, however the pixels come."""

import numpy as np
import pytest

from paddlex.inference.refit.pixel_quantile import PixelQuantile

RANDOM = np.random.default_rng(0).normal(size=(6, 10, 20)).astype(np.float32)
TIES = np.random.default_rng(1).integers(0, 5, size=(6, 10, 20)).astype(np.float32)


def quantile(maps, share: float) -> float:
    pixels = PixelQuantile(share, sum(one.size for one in maps))
    for one in maps:
        pixels.add(one)
    return pixels.value()


def smallest_that_few_enough_exceed(values: np.ndarray, share: float) -> float:
    """Straight from the definition, over the sorted values."""
    ordered = np.sort(values.ravel())
    return next(value for value in ordered if np.count_nonzero(ordered > value) <= share * ordered.size)


@pytest.mark.parametrize("maps", [RANDOM, TIES], ids=["all different", "many equal"])
@pytest.mark.parametrize("share", [0.0001, 0.001, 0.01, 0.05, 0.5, 0.9])
def test_the_quantile_is_the_smallest_value_that_at_most_the_share_of_pixels_exceeds(maps, share):
    assert quantile(maps, share) == smallest_that_few_enough_exceed(maps, share)


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 1200])
def test_the_quantile_does_not_depend_on_how_the_pixels_are_divided_into_maps(parts):
    pieces = np.array_split(RANDOM.ravel(), parts)
    assert quantile(pieces, 0.01) == quantile([RANDOM], 0.01)


def test_the_quantile_does_not_depend_on_the_order_of_the_maps():
    assert quantile(RANDOM[::-1], 0.01) == quantile(RANDOM, 0.01)


def test_one_percent_of_a_hundred_pixels_is_the_second_largest():
    assert quantile([np.arange(100, dtype=np.float32)], 0.01) == 98


def test_adding_a_map_does_not_change_it():
    one = RANDOM[0].copy()
    quantile([one], 0.01)
    np.testing.assert_array_equal(one, RANDOM[0])
