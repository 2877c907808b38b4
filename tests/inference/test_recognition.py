"""The nearest product is taken, if it is near and the next one is not as near; otherwise none is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from paddlex.errors import UnknownProductError
from paddlex.inference.recognition import Recognised, recognise

PHOTO = np.zeros((4, 4, 3), np.uint8)


@dataclass(frozen=True)
class At:
    """A signature from which every photo is as far as it says."""

    value: float

    def distance(self, photo: np.ndarray) -> float:
        return self.value


def test_the_nearest_is_taken() -> None:
    assert recognise(PHOTO, {"nut": At(0.9), "bolt": At(0.4), "ring": At(3.0)}) == Recognised("bolt", 0.4)


def test_a_single_product_is_recognised_too() -> None:
    assert recognise(PHOTO, {"bolt": At(0.4)}) == Recognised("bolt", 0.4)


def test_one_that_is_too_far_is_not() -> None:
    with pytest.raises(UnknownProductError) as raised:
        recognise(PHOTO, {"bolt": At(1.5), "nut": At(2.5)})
    assert str(raised.value) == (
        "the photo shows none of the products bolt, nut: the nearest is bolt at distance 1.50, and 1 is the farthest. "
        "Check the part and its place, or name the product."
    )


@pytest.mark.parametrize("second", [0.5, 0.54])
def test_neither_of_two_that_are_equally_near_is(second: float) -> None:
    with pytest.raises(
        UnknownProductError, match=r"may show bolt or nut: they are equally near, at distances 0\.50 and"
    ):
        recognise(PHOTO, {"nut": At(second), "bolt": At(0.5)})


def test_a_second_that_is_a_tenth_farther_does_not_disturb() -> None:
    assert recognise(PHOTO, {"nut": At(0.56), "bolt": At(0.5)}).product == "bolt"


def test_a_distance_that_is_no_number_is_not_near() -> None:
    with pytest.raises(UnknownProductError):
        recognise(PHOTO, {"bolt": At(float("nan"))})
