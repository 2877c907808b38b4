"""A calibration is checked whenever one is made, and reads what it has written."""

from __future__ import annotations

import math

import pytest

from paddlex.inference.calibration import Calibration, are_alike
from paddlex.inference.checked import Invalid


def made(**changes: object) -> Calibration:
    values: dict[str, object] = {
        "fusion": "product", "image_threshold": 2.0, "pixel_threshold": 1.0, "image_typical": 0.5, "pixel_typical": 0.1,
        "target_fpr": 0.05, "target_pixel_fpr": 0.001, "method": "by hand", "scores": [1.0, 1.5, 2.0],
    }  # fmt: skip
    return Calibration(**{**values, **changes})  # type: ignore[arg-type]


def test_it_reads_what_it_has_written_with_the_number_of_images() -> None:
    written = made(shrinkages=[0.5], best_f1_threshold=1.7).to_dict()
    assert written["images"] == 3
    assert Calibration.parse(written) == made(shrinkages=[0.5], best_f1_threshold=1.7)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"image_threshold": math.nan}, "image_threshold must be a finite number, not nan"),
        ({"fusion": "both"}, "fusion must be calibrated, product or paper, not 'both'"),
        ({"scores": [1.0, math.inf]}, "scores[1] must be a finite number, not inf"),
        ({"scores": [0.0, 0.0]}, "scores must not be all alike: no threshold can rest on them"),
    ],
)
def test_training_cannot_make_one_that_could_not_be_read(change: dict[str, object], problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        made(**change)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("scores", "alike"),
    [
        ([0, 0], True),
        ([3, 3, 3], True),
        ([30, 30.001], True),
        ([0.5, 0.501], False),
        ([-1, 1], False),
        ([0, 1e-6], False),
    ],
)
def test_scores_are_alike_where_only_rounding_could_tell_them_apart(scores: list[float], alike: bool) -> None:
    assert are_alike(scores) is alike


def test_its_limits_are_its_thresholds_above_what_is_typical() -> None:
    limits = made().limits
    assert (limits.image.threshold, limits.image.typical) == (2.0, 0.5)
    assert (limits.pixel.threshold, limits.pixel.typical) == (1.0, 0.1)


def test_an_image_threshold_below_what_is_typical_keeps_a_scale_of_scores() -> None:
    """As wide as that from the typical score to the highest calibration score, 2.0 - 1.5."""
    image = made(image_threshold=1.0, image_typical=1.5).limits.image
    assert image.normalise([0.5, 1.0, 1.5]).tolist() == [0.25, 0.5, 0.75]
