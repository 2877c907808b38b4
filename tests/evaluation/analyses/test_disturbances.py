"""Each disturbance does to a photo what its name and strength say, and leaves the photo that it was given as it is."""

from __future__ import annotations

import numpy as np
import pytest

from paddlex.evaluation.analyses.disturbances import (
    DISTURBANCES,
    Disturbance,
    blurred,
    brightened,
    contrasted,
    is_grey,
    noisy,
    shifted,
    tinted,
)


def plain(*colour: int, side: int = 4) -> np.ndarray:
    return np.full((side, side, 3), colour, np.uint8)


def texture(height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("grey", "percent", "expected"), [(100, -10, 90), (100, 50, 150), (200, 50, 255), (9, -64, 3)])
def test_light_multiplies_every_value_and_too_much_of_it_is_white(grey: int, percent: float, expected: int) -> None:
    np.testing.assert_array_equal(brightened(plain(grey, grey, grey), percent), plain(expected, expected, expected))


@pytest.mark.parametrize(
    ("percent", "expected"), [(-50, (75, 125)), (100, (0, 200)), (200, (0, 250)), (-100, (100, 100))]
)
def test_contrast_moves_values_from_the_mean_of_the_photo(percent: float, expected: tuple[int, int]) -> None:
    image = np.concatenate([plain(50, 50, 50), plain(150, 150, 150)])
    changed = contrasted(image, percent)
    assert (changed[0, 0, 0], changed[-1, 0, 0]) == expected


def test_redder_light_has_more_red_and_less_blue() -> None:
    np.testing.assert_array_equal(tinted(plain(100, 100, 100), 10), plain(90, 100, 110))
    np.testing.assert_array_equal(tinted(plain(100, 100, 100), -10), plain(110, 100, 90))


def test_a_point_out_of_focus_has_the_standard_deviation_asked_for() -> None:
    point = np.zeros((61, 61, 3), np.uint8)
    point[28:33, 28:33] = 255
    spread = blurred(point, 4)[..., 0].astype(float)
    offset = np.arange(61) - 30
    variance = (spread.sum(axis=0) * offset**2).sum() / spread.sum()
    assert variance - (5**2 - 1) / 12 == pytest.approx(4**2, rel=0.05)  # the square's own variance comes on top


def test_noise_has_the_standard_deviation_asked_for_and_the_same_seed_the_same_noise() -> None:
    image = plain(100, 120, 140, side=200)
    first, again, other = (noisy(image, 8, np.random.default_rng(seed)) for seed in (0, 0, 1))
    difference = first.astype(float) - image
    assert difference.std() == pytest.approx(8, rel=0.02) and abs(difference.mean()) < 0.1
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_noise_has_no_colour_where_the_camera_has_none() -> None:
    assert is_grey(noisy(plain(100, 100, 100), 8, np.random.default_rng(0)))
    assert not is_grey(noisy(plain(100, 100, 101), 8, np.random.default_rng(0)))


@pytest.mark.parametrize(("right", "down", "x", "y"), [(10, 0, 6, 0), (-10, 0, -6, 0), (0, 5, 0, 2), (0, -5, 0, -2)])
def test_a_part_moves_by_per_cent_of_the_width_and_the_height_and_its_mask_with_it(
    right: float, down: float, x: int, y: int
) -> None:
    image, mask = texture(), np.zeros((40, 60), np.uint8)
    image[20, 30], mask[20, 30] = 255, 1
    moved = shifted(image, right, down)
    assert moved.shape == image.shape
    np.testing.assert_array_equal(moved[10 + y : 30 + y, 15 + x : 45 + x], image[10:30, 15:45])
    assert np.argwhere(shifted(mask, right, down)).tolist() == [[20 + y, 30 + x]]


def test_what_comes_in_at_the_border_is_what_was_there_mirrored() -> None:
    image = texture()
    np.testing.assert_array_equal(shifted(image, right=5)[:, :3], image[:, 3:0:-1])


@pytest.mark.parametrize("disturbance", DISTURBANCES, ids=lambda one: one.name)
def test_the_stronger_it_is_the_more_a_photo_changes_and_the_photo_itself_stays(disturbance: Disturbance) -> None:
    photo = contrasted(blurred(texture(400, 600), 20), 400)
    before = photo.copy()
    for direction in disturbance.directions:
        changes = [
            np.abs(direction.change(photo, strength, np.random.default_rng(0)).astype(float) - photo).mean()
            for strength in direction.strengths
        ]
        assert list(direction.strengths) == sorted(direction.strengths) and len(changes) >= 3
        assert changes[0] < changes[-1]
        assert disturbance.moves_along or changes == sorted(changes)
    np.testing.assert_array_equal(photo, before)
