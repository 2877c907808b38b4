"""A photo in other light than those of training is brought to theirs, and one in their light stays as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paddlex.data.dataset import VAL_LIST, read_samples
from paddlex.errors import ConfigError
from paddlex.inference.checked import Invalid
from paddlex.inference.light import Light
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.preparation import Preparation
from paddlex.inference.view import View


def ramp(gain: float = 1.0, highest: int = 200) -> np.ndarray:
    """Grey values from 0 to ``highest`` times a gain, as many of each: the percentiles are known."""
    values = np.clip(np.rint(np.linspace(0, highest, 256) * gain), 0, 255)
    return np.repeat(np.repeat(values[None, :, None], 3, axis=2), 100, axis=0).astype(np.uint8)


def view(gain: float = 1.0) -> View:
    return View(ramp(gain))


MEDIAN = Light(50, 90, 110)  # the ramp's is 100


@pytest.mark.parametrize("gain", [0.9, 1.0, 1.1])
def test_a_photo_within_the_range_of_the_training_photos_stays_as_it_is(gain: float) -> None:
    photo = view(gain)
    assert MEDIAN(photo) is photo


@pytest.mark.parametrize(("gain", "expected"), [(0.5, 90), (0.25, 90), (2.0, 110), (0.1, 40)])
def test_a_photo_in_other_light_is_brought_to_the_nearest_of_them_by_at_most_four_times(
    gain: float, expected: float
) -> None:
    photo = view(gain)
    before = photo.image.copy()
    found = MEDIAN(photo)
    assert np.median(found.image) == pytest.approx(expected, abs=2)
    np.testing.assert_array_equal(photo.image, before)


def test_what_was_darker_by_a_known_factor_is_as_it_was() -> None:
    found = Light(50, 100, 100)(view(0.5)).image
    assert np.abs(found.astype(int) - ramp()).max() <= 2


def test_pure_white_stays_pure_white_where_values_are_reduced() -> None:
    bright = view(2.0)
    found = Light(25, 50, 50)(bright).image
    white = bright.image == 255
    assert white.any() and (found[white] == 255).all() and found[~white].max() <= 128


def test_only_inspected_pixels_tell_how_much_light_there_is() -> None:
    photo = ramp()
    photo[50:] = 255  # not inspected: a lamp
    inspected = np.zeros(photo.shape[:2], bool)
    inspected[:50] = True
    dark = View(photo, inspected)
    assert MEDIAN(dark) is dark
    assert MEDIAN(View(photo)) is not dark


def test_the_percentile_that_good_parts_agree_upon_best_tells_it() -> None:
    """A background of 180 behind parts that are darker and brighter: it is seven eighths of each photo."""
    views = []
    for grey in range(40, 140, 5):
        photo = np.full((80, 100, 3), 180, np.uint8)
        photo[:10] = grey
        views.append(View(photo))
    assert Light.of(views) == Light(25, 180, 180)


def test_the_range_is_that_of_nearly_all_training_photos_and_one_that_is_far_off_does_not_count() -> None:
    views = [view(gain) for gain in (*np.linspace(0.9, 1.1, 200), 0.1)]
    light = Light.of(views)
    centre = 2 * light.percentile
    assert (light.darkest, light.brightest) == (pytest.approx(0.9 * centre, abs=2), pytest.approx(1.1 * centre, abs=2))


def test_photos_that_are_nearly_black_are_one_clear_error() -> None:
    with pytest.raises(ConfigError, match=r"nearly black.*Train\.light.*Set it to none"):
        Light.of([View(np.full((8, 8, 3), 10, np.uint8))] * 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"percentile": 50, "darkest": 120, "brightest": 100}, "darkest must not be above brightest"),
        ({"percentile": 101, "darkest": 90, "brightest": 100}, "percentile must be from 0 to 100"),
        ({"percentile": 50, "darkest": 0, "brightest": 100}, "darkest must be from 1 to 255"),
        ({"percentile": 50, "darkest": 90}, "brightest is missing"),
    ],
)
def test_values_that_cannot_be_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        Light.parse(values)


def test_it_says_for_the_log_what_it_measured() -> None:
    assert str(Light(25, 168.6, 194)) == (
        "25 % of a photo's inspected pixels are no brighter than 169 to 194 of 255 grey values; a photo out of this range is "
        "brought to it"
    )


def test_it_stands_in_the_preparation_as_plain_values() -> None:
    preparation = Preparation(light=MEDIAN)
    values = preparation.to_dict()
    assert values["light"] == {"percentile": 50.0, "darkest": 90.0, "brightest": 110.0}
    assert Preparation.parse(values) == preparation


def test_a_model_judges_a_photo_in_half_the_light_as_the_photo_itself(patchcore: Path, demo_dataset: Path) -> None:
    predictor = AnomalyPredictor(patchcore / "best_model" / "inference", quiet=True, device="cpu")
    sample = next(one for one in read_samples(demo_dataset, VAL_LIST) if one.mask is None)
    photo = sample.read()
    dark = np.rint(photo * 0.5).astype(np.uint8)
    as_it_is, without = (predictor.judge([image])[0]["raw_score"] for image in (photo, dark))
    predictor.preparation = Preparation(light=Light.of([View(photo)]))
    lit = predictor.judge([dark])[0]["raw_score"]
    assert abs(lit - as_it_is) < 0.2 * abs(without - as_it_is)
