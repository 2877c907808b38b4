"""From a photo to what the network sees, and its map back into the photo."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.preparation import Preparation
from paddlex.inference.view import View, inspected_positions


@dataclass(frozen=True)
class Steps(Preparation):
    """A preparation of steps that a test brings."""

    @property
    def steps(self) -> list[Callable[[View], View]]:
        return list(self.own)

    def __init__(self, *own: Callable[[View], View]) -> None:
        object.__setattr__(self, "own", own)


def left_half(view: View) -> View:
    """Only the left half is judged."""
    inspected = np.zeros(view.image.shape[:2], bool)
    inspected[:, : inspected.shape[1] // 2] = True
    return view.restricted(inspected)


def right_half(view: View) -> View:
    """Only the right half is judged."""
    return view.restricted(~left_half(view).inspected)


def mirrored(view: View) -> View:
    """The network sees the photo left for right."""
    width = view.image.shape[1]
    matrix = np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]])
    return View(np.ascontiguousarray(view.image[:, ::-1]), None, matrix)


@pytest.fixture
def photo(images: list[str]) -> np.ndarray:
    return cv2.imread(images[0])


def prepared(predictor: AnomalyPredictor, *steps: Callable[[View], View]) -> AnomalyPredictor:
    """The same model with another preparation."""
    other = copy(predictor)
    other.preparation = Steps(*steps)
    return other


def test_what_lies_outside_the_inspected_pixels_changes_no_verdict(predictor, photo):
    """The half in which the model finds most is not judged."""
    whole = predictor.anomaly_maps([photo])[0]
    peak_is_left = whole.max(axis=0).argmax() < whole.shape[1] // 2
    step = right_half if peak_is_left else left_half
    inspected = step(View(photo)).inspected
    (without,), (result,) = predictor.judge([photo]), prepared(predictor, step).judge([photo])
    assert result["raw_score"] == float(whole[inspected_positions(inspected, whole.shape)].max()) < without["raw_score"]
    assert without["pred"][0, ~inspected].any()
    assert not result["pred"][0, ~inspected].any()
    assert all(
        inspected[y, x] and inspected[y, x + width - 1] for x, y, width, _ in (r["bbox"] for r in result["regions"])
    )
    assert result["anomaly_map"][~inspected].min() == result["anomaly_map"].min()


def test_a_map_comes_back_to_where_it_was_in_the_photo(predictor, photo):
    (result,) = prepared(predictor, mirrored).judge([photo])
    (expected,) = predictor.judge([np.ascontiguousarray(photo[:, ::-1])])
    assert result["raw_score"] == expected["raw_score"]
    np.testing.assert_allclose(result["anomaly_map"], expected["anomaly_map"][:, ::-1], rtol=1e-4, atol=1e-4)
    assert (result["pred"] != expected["pred"][..., ::-1]).mean() < 0.001
    np.testing.assert_array_equal(result["input_img"], photo)  # people see their photo


def test_the_pixels_that_are_judged_come_back_to_the_photo_too(photo):
    view = left_half(mirrored(View(photo)))
    inspected = view.inspected_in_photo(*photo.shape[:2])
    half = photo.shape[1] // 2
    assert inspected[:, -half:].all()
    assert not inspected[:, :-half].any()


def test_the_map_alone_is_that_of_the_result(predictor, photo):
    model = prepared(predictor, mirrored, left_half)
    (alone,) = model.photo_maps([photo])
    np.testing.assert_array_equal(alone, model.judge([photo])[0]["anomaly_map"])
