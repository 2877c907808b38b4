"""The self-check tells a backend that computes something else from one that rounds otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from paddlex.inference.self_check import TOLERANCE, difference, probe, summarise


@pytest.fixture
def outputs() -> list[np.ndarray]:
    maps = np.random.default_rng(0).normal(5, 3, (2, 1, 1, 20, 30)).astype(np.float32)
    return [maps[0], maps[1]]


def test_the_probe_is_a_picture_within_the_range_of_normalised_images() -> None:
    picture = probe((30, 20))
    assert (picture.shape, picture.dtype) == ((1, 3, 20, 30), np.float32)
    assert np.abs(picture).max() <= 2
    assert all(np.ptp(channel) > 1 for channel in picture[0])
    expected = np.sin(0.11 * 2 * 7) + np.cos(0.07 * 11 + 1)  # channel 1, row 7, column 11
    assert picture[0, 1, 7, 11] == pytest.approx(expected, abs=1e-6)


def test_the_same_answer_passes(outputs: list[np.ndarray]) -> None:
    assert difference(summarise(outputs), outputs) is None


def test_other_rounding_passes(outputs: list[np.ndarray]) -> None:
    scale = max(float(np.abs(output).max()) for output in outputs)
    assert difference(summarise(outputs), [output + 0.1 * TOLERANCE * scale for output in outputs]) is None


@pytest.mark.parametrize("wrong", [0, 1])
def test_another_answer_of_either_output_does_not(outputs: list[np.ndarray], wrong: int) -> None:
    expected = summarise(outputs)
    largest = outputs[wrong].max()
    outputs[wrong] = outputs[wrong] * np.float32(1.01)
    assert difference(expected, outputs) == pytest.approx(0.01 * largest / largest, rel=0.05)


def test_a_model_made_elsewhere_must_only_give_finite_numbers(outputs: list[np.ndarray]) -> None:
    assert difference(None, outputs) is None
    outputs[1][0, 0, 3, 3] = np.nan
    assert difference(None, outputs) == float("inf")
