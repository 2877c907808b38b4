"""How bright and how sharp a photo is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from paddlex.data.demo.dataset import make_demo_dataset
from paddlex.inference.appearance import appearance_of


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    folder = make_demo_dataset(tmp_path_factory.mktemp("grid"), train=12, val_normal=1, val_anomalous=1)
    return [cv2.imread(str(path)) for path in sorted(folder.glob("images/train/**/*.jpg"))]


def waves(size: int, period: float, strength: float = 60) -> np.ndarray:
    """A photo of upright waves of a period in pixels."""
    row = 128 + strength * np.sin(2 * np.pi * np.arange(size) / period)
    return np.repeat(np.repeat(row.round().astype(np.uint8)[None, :, None], size, 0), 3, 2)


def test_brightness_is_the_mean_grey_value_of_what_is_inspected() -> None:
    photo = np.full((60, 80, 3), 200, np.uint8)
    photo[:, :40] = 100
    left = np.zeros((60, 80), bool)
    left[:, :40] = True

    assert appearance_of(photo).brightness == 150
    assert appearance_of(photo, left).brightness == 100
    assert appearance_of(photo, np.zeros((60, 80), bool)).brightness == 150  # nothing is inspected: all is looked at


def test_details_twice_as_coarse_are_one_less_sharp() -> None:
    fine, coarse = appearance_of(waves(480, 8)).sharpness, appearance_of(waves(480, 16)).sharpness

    assert fine - coarse == pytest.approx(1, abs=0.1)


def test_a_blurred_photo_is_less_sharp_and_a_dark_one_is_not(photos: list[np.ndarray]) -> None:
    usual = np.array([appearance_of(photo).sharpness for photo in photos])
    dark = np.array([appearance_of((photo * 0.8).astype(np.uint8)).sharpness for photo in photos])
    blurred = np.array([appearance_of(cv2.GaussianBlur(photo, (0, 0), 1)).sharpness for photo in photos])
    spread = usual.std(ddof=1)

    assert np.abs(dark - usual).max() < spread / 2
    assert np.median(blurred - usual) < -5 * spread
    assert blurred.max() < usual.min()


def test_the_same_scene_by_a_camera_of_more_pixels_is_as_bright_and_as_sharp() -> None:
    few, many = appearance_of(waves(1000, 40)), appearance_of(waves(3000, 120))

    assert many.brightness == pytest.approx(few.brightness, abs=1)
    assert many.sharpness == pytest.approx(few.sharpness, abs=0.1)


def test_what_is_not_inspected_does_not_count_as_sharp_or_not() -> None:
    photo = waves(400, 40)
    inspected = np.zeros((400, 400), bool)
    inspected[:200] = True
    changed = photo.copy()
    changed[210:] = np.random.default_rng(0).integers(0, 255, (190, 400, 3))

    assert appearance_of(changed, inspected) == appearance_of(photo, inspected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 2)])
def test_a_photo_of_any_shape_has_finite_figures(shape: tuple[int, int]) -> None:
    found = appearance_of(np.full((*shape, 3), 77, np.uint8))

    assert found.brightness == 77
    assert found.sharpness == 0
