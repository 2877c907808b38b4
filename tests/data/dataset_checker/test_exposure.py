"""Most of the training images nearly black, or without any contrast, is worth a warning; a few of them are not."""

from __future__ import annotations

import numpy as np
import pytest

from paddlex.data.dataset_checker.descriptors import describe
from paddlex.data.dataset_checker.exposure import find_poor_exposure


def photo(low: int, high: int) -> np.ndarray:
    """A photo whose grey levels are spread evenly between two."""
    grey = np.linspace(low, high, 128 * 128).reshape(128, 128).astype(np.uint8)
    return np.dstack([grey] * 3)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0, 12, "nearly black"), (0, 0, "nearly black"), (120, 123, "flat"), (255, 255, "flat")],
)
def test_dark_and_flat_images_are_warned_of(low: int, high: int, words: str) -> None:
    ((what, remedy),) = find_poor_exposure([describe(photo(low, high))] * 3 + [describe(photo(0, 255))])
    assert what.startswith("3 of 4 training images are ")
    assert words in what
    assert ("Global.bit_depth" in remedy) == (words == "nearly black")


@pytest.mark.parametrize(("low", "high"), [(0, 255), (0, 40), (100, 120), (200, 255)])
def test_usual_images_are_not(low: int, high: int) -> None:
    assert find_poor_exposure([describe(photo(low, high))] * 3) == []


def test_a_few_dark_images_among_others_are_not() -> None:
    assert find_poor_exposure([describe(photo(0, 12)), describe(photo(0, 255))]) == []


def test_bright_parts_on_a_black_ground_are_not_dark() -> None:
    picture = np.zeros((128, 128, 3), np.uint8)
    picture[60:70, 60:70] = 255
    assert find_poor_exposure([describe(picture)]) == []
