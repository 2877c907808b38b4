"""Augmentation: what each kind does to a picture, and that the random numbers depend on seed, epoch and image alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from paddlex.errors import ConfigError
from paddlex.modules.image_anomaly_detection.training.gradient.augment import KINDS, Augmentation


@pytest.fixture
def image() -> np.ndarray:
    """A smooth picture without any symmetry, uint8 [40, 40, 3]."""
    y, x = np.mgrid[:40, :40]
    return np.stack([3 * x + 60, 2 * y + 40, x + 2 * y + 40], axis=2).astype(np.uint8)


def pictures(chosen: str, image: np.ndarray, count: int = 40) -> list[np.ndarray]:
    augmentation = Augmentation([chosen], seed=0)
    return [augmentation(image, epoch, 0) for epoch in range(count)]


def difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(float) - second).mean())


# Random numbers


def test_a_picture_depends_on_seed_epoch_and_image_number_alone(image):
    everything = ["rotate", "brightness", "noise"]
    first, again = Augmentation(everything, seed=3), Augmentation(everything, seed=3)
    again(image, 9, 9)  # what was made before does not matter
    np.testing.assert_array_equal(first(image, 1, 2), again(image, 1, 2))
    others = [first(image, 2, 2), first(image, 1, 3), Augmentation(everything, seed=4)(image, 1, 2)]
    assert all(difference(first(image, 1, 2), other) > 0.5 for other in others)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_changes_pictures_and_leaves_the_original_alone(name, image):
    before = image.copy()
    made = pictures(name, image)
    np.testing.assert_array_equal(image, before)
    assert {(picture.shape, picture.dtype) for picture in made} == {((40, 40, 3), np.dtype(np.uint8))}
    assert all(picture.flags.c_contiguous for picture in made)
    assert len({picture.tobytes() for picture in made}) > 1


@pytest.mark.parametrize("name", ["rotate", "shift", "zoom", "brightness", "contrast", "blur", "noise"])
def test_a_greater_strength_changes_more(name, image):
    weak, strong = KINDS[name].strength / 4, KINDS[name].strength * 2
    changes = [
        np.mean([difference(picture, image) for picture in pictures(f"{name}={s}", image)]) for s in (weak, strong)
    ]
    assert changes[0] < changes[1]


# Kinds


@pytest.mark.parametrize(("name", "axis"), [("flip_horizontal", 1), ("flip_vertical", 0)])
def test_a_flip_mirrors_about_half_of_the_pictures(name, axis, image):
    made = pictures(name, image, 200)
    flipped = sum(np.array_equal(picture, np.flip(image, axis)) for picture in made)
    assert sum(np.array_equal(picture, image) for picture in made) == 200 - flipped
    assert 70 < flipped < 130


def test_a_flip_of_strength_1_mirrors_all(image):
    assert all(np.array_equal(picture, image[:, ::-1]) for picture in pictures("flip_horizontal=1", image))


def test_quarter_turns_are_those_three(image):
    wanted = {np.rot90(image, turns).tobytes() for turns in (1, 2, 3)}
    assert {picture.tobytes() for picture in pictures("quarter_turn=1", image)} == wanted


def test_a_rotation_turns_about_the_middle_by_up_to_the_angle(image):
    blank = np.zeros((41, 41, 3), np.uint8)
    blank[20, 32] = blank[20, 20] = 255  # the middle, and a point to its right
    angles = []
    for picture in pictures("rotate=30", blank, 100):
        assert picture[20, 20].min() > 200, "the middle stays"
        y, x = np.unravel_index(
            np.where(np.hypot(*np.mgrid[-20:21, -20:21]) > 6, picture[..., 0], 0).argmax(), (41, 41)
        )
        assert abs(np.hypot(y - 20, x - 20) - 12) < 1.5
        angles.append(np.degrees(np.arctan2(20 - y, x - 20)))
    assert -33 < min(angles) < -20 and 20 < max(angles) < 33


def test_brightness_adds_the_same_to_every_pixel(image):
    for picture in pictures("brightness=0.1", image):
        added = picture.astype(int) - image
        assert np.ptp(added) <= 1, "up to rounding"
        assert abs(added).max() <= 26  # a tenth of 255


def test_brightness_stops_at_black_and_white():
    image = np.full((8, 8, 3), 250, np.uint8)
    made = pictures("brightness=1", image)
    assert {int(np.ptp(picture)) for picture in made} == {0}
    assert max(int(picture.max()) for picture in made) == 255
    assert min(int(picture.min()) for picture in made) < 250


def test_contrast_keeps_the_mean_and_stretches_the_rest(image):
    for picture in pictures("contrast=0.1", image):
        assert abs(picture.mean() - image.mean()) < 0.5
        assert 0.88 < picture.std() / image.std() < 1.12


def test_blur_is_opencvs_gaussian_blur_of_some_sigma_up_to_the_strength(image):
    sharp = cv2.randu(np.zeros((40, 40, 3), np.uint8), 0, 255)
    most = cv2.GaussianBlur(sharp, (0, 0), 2).std()
    spreads = [picture.std() for picture in pictures("blur=2", sharp)]
    assert most - 1 < min(spreads) and max(spreads) <= sharp.std()
    assert np.ptp(spreads) > 10


def test_noise_has_the_asked_deviation_at_most():
    grey = np.full((100, 100, 3), 128, np.uint8)
    deviations = [picture.std() for picture in pictures("noise=10", grey)]
    assert 8 < max(deviations) < 10.5
    assert min(deviations) < 3


@pytest.mark.parametrize("name", ["rotate=180", "shift=0.5", "zoom=0.5"])
def test_no_black_border_comes_into_view(name):
    white = np.full((40, 40, 3), 200, np.uint8)
    assert all((picture == 200).all() for picture in pictures(name, white))


def test_several_are_applied_in_the_order_given(image):
    both = Augmentation(["flip_horizontal=1", "quarter_turn=1"], seed=0)
    made = {both(image, epoch, 0).tobytes() for epoch in range(40)}
    assert made == {np.rot90(image[:, ::-1], turns).tobytes() for turns in (1, 2, 3)}


# Errors


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (
            "flip_horizontel",
            r"unknown augmentation 'flip_horizontel' \(Train.augment\). Did you mean flip_horizontal\?",
        ),
        ("elastic", r"unknown augmentation 'elastic'.*There are flip_horizontal, .*noise"),
        ("rotate=far", r"strength of rotate must be a number above 0 and up to 180, not 'far'.*Write rotate=5"),
        ("rotate=", "strength of rotate"),
        ("rotate=0", "strength of rotate"),
        ("rotate=181", "strength of rotate"),
        ("blur=nan", "strength of blur"),
        ("flip_vertical=1.5", "strength of flip_vertical must be a number above 0 and up to 1"),
    ],
)
def test_a_wrong_name_or_strength_is_an_error_that_says_what_is_right(chosen, message):
    with pytest.raises(ConfigError, match=message):
        Augmentation([chosen], seed=0)
