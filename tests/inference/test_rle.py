"""Masks as COCO's run lengths, by hand: columns from the left, each from the top, the zeros first."""

from __future__ import annotations

import numpy as np
import pytest

from paddlex.inference.rle import mask_to_rle, rle_to_mask


@pytest.mark.parametrize(
    ("mask", "counts"),
    [
        ([[0, 0, 0], [0, 0, 0]], [6]),
        ([[255, 255, 255], [255, 255, 255]], [0, 6]),
        ([[0, 0, 0], [255, 0, 0]], [1, 1, 4]),
        ([[255, 0, 0], [0, 0, 255]], [0, 1, 4, 1]),
        ([[0, 255, 0], [0, 255, 255]], [2, 2, 1, 1]),
    ],
)
def test_run_lengths_go_down_the_columns(mask: list[list[int]], counts: list[int]) -> None:
    array = np.array(mask, np.uint8)
    rle = mask_to_rle(array)
    assert rle == {"size": [2, 3], "counts": counts}
    assert np.array_equal(rle_to_mask(rle), array)
    assert rle_to_mask(rle).dtype == np.uint8


@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (70, 1), (33, 64)])
def test_any_mask_comes_back_as_it_was(shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).integers(0, 2, shape, np.uint8) * 255
    assert np.array_equal(rle_to_mask(mask_to_rle(mask)), mask)


def test_counts_of_another_size_are_an_error() -> None:
    with pytest.raises(ValueError, match="reshape"):
        rle_to_mask({"size": [2, 3], "counts": [5]})
