"""The rule by which photos are enough, and its words. 5 % ± 2 % takes 219 scores, as ``metrics.threshold_certainty`` has it."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from paddlex.errors import ModelError
from paddlex.evaluation.analyses.learning_curve import LearningCurve, analyse, learning_curve
from paddlex.evaluation.analyses.learning_curve.words import about
from paddlex.evaluation.numbers import rate
from paddlex.inference.calibration import Calibration
from paddlex.inference.thresholds import image_threshold


def calibration_of(scores: int) -> Calibration:
    """That of a model with so many calibration scores."""
    drawn = np.sort(np.random.default_rng(4).lognormal(0, 0.3, scores)).tolist()
    threshold, method = image_threshold(drawn, 0.05)
    return Calibration("calibrated", threshold, 1.0, 1.0, 0.5, 0.05, 0.001, method, drawn)


def curve_of(model, scores: int | None = None) -> LearningCurve:
    return learning_curve(calibration_of(scores or model.photos), model.photos, model)


def words_of(curve: LearningCurve) -> str:
    return " ".join(curve.words()).replace("\N{NO-BREAK SPACE}", " ")


def test_enough_photos_that_find_no_more_are_enough(known_model) -> None:
    curve = curve_of(known_model(250))
    assert curve.is_enough and (curve.photos_for_rate, curve.gain) == (219, "little")
    assert curve.words()[0] == (
        "Enough: from about 220 photos of good parts on hardly anything changes any more, and there are 250."
    )


def test_too_few_for_the_threshold_are_told_how_many_more(known_model) -> None:
    curve = curve_of(known_model(120))
    assert not curve.is_enough and curve.photos_needed == 219
    assert curve.words()[0].startswith("Not yet: about 100 more photos of good parts are needed, 220 in all;")
    assert "from about 220 photos on it should stay within 5 % ± 2 %" in words_of(curve)


def test_more_photos_are_asked_for_where_more_would_surely_be_found(known_model) -> None:
    """The gain of doubling, (1 - sqrt(1/2)) slope / sqrt(n), falls to 0.03 at (9.76 slope)^2 = 858 photos for a slope of 3."""
    curve = curve_of(known_model(240, limit=0.95, slope=3.0))
    assert curve.gain == "yes" and curve.photos_for_finding == pytest.approx(858, rel=0.25)  # 36 drawings a fit
    assert curve.photos_needed == curve.photos_for_finding and not curve.is_enough
    assert "so more photos are worth it" in words_of(curve)


def test_the_law_is_not_believed_beyond_four_times_the_photos(known_model) -> None:
    curve = curve_of(known_model(100, limit=1.0, slope=4.0))
    assert curve.photos_for_finding > 400 == curve.photos_needed
    assert curve.words()[0].startswith("Not yet: more than 300 more photos of good parts are needed, 400 in all;")


def test_what_the_curve_leaves_open_is_not_claimed(known_model) -> None:
    curve = curve_of(known_model(250))
    open_one = replace(curve, law=replace(curve.law, slope=2.0, slope_interval=(0.0, 4.0)))
    assert (open_one.gain, open_one.photos_for_finding) == ("open", None)
    assert open_one.is_enough and open_one.words()[0].startswith("Enough for the threshold:")
    assert "leaves open whether more photos would find more" in words_of(open_one)


def test_a_model_that_finds_next_to_nothing_does_not_show_that_more_photos_are_of_no_use(known_model) -> None:
    assert curve_of(known_model(250, limit=0.06)).gain == "open"


def test_photos_that_differ_more_than_chance_explains_are_no_question_of_number(known_model) -> None:
    curve = curve_of(known_model(250, shift=0.5))
    assert not curve.is_alike and not curve.is_enough
    assert curve.words()[0].startswith("It cannot be said whether 250 photos of good parts are enough")


@pytest.mark.parametrize("photos", [5, 6, 8, 10, 16])
def test_few_photos_have_an_answer_with_wide_intervals(known_model, photos: int) -> None:
    curve = curve_of(known_model(photos))
    assert not curve.is_enough and curve.points
    low, high = curve.whole.false_alarms
    assert high - low > 0.08
    assert curve.words()[0].startswith("Not yet: about ")
    if photos == 5:
        assert "there are too few to leave some out" in words_of(curve)


def test_four_photos_are_judged_by_their_calibration_scores_alone(known_model) -> None:
    curve = curve_of(known_model(4))
    assert curve.points == () and "takes 4 photos to fit to" in words_of(curve)


def test_a_model_that_is_not_fitted_again_needs_as_many_scores_and_more_photos() -> None:
    """20 of 100 photos were held out: 219 scores take 1,095 photos."""
    curve = learning_curve(calibration_of(20), 100, "to train it several times takes too long")
    assert (curve.photos, curve.whole.scores, curve.photos_needed) == (100, 20, 1095)
    words = words_of(curve)
    assert "the 20 of 100 photos that were held out" in words
    assert (
        "Whether more photos would find more is not known, because to train it several times takes too long." in words
    )


def test_without_anything_to_fit_the_calibration_scores_alone_are_asked() -> None:
    subject = SimpleNamespace(predictor=SimpleNamespace(folder=SimpleNamespace(calibration=calibration_of(300))))
    assert analyse(subject).is_enough
    subject.predictor.folder.calibration = None
    with pytest.raises(ModelError, match="not calibrated"):
        analyse(subject)


def test_a_threshold_that_was_set_in_another_way_is_told_apart(known_model) -> None:
    calibration = calibration_of(30)
    assert "another way" not in words_of(learning_curve(calibration, 30, known_model(30)))
    moved = replace(calibration, image_threshold=calibration.image_threshold * 1.2)
    assert "another way" in words_of(learning_curve(moved, 30, known_model(30)))


def test_the_result_is_plain_json(known_model) -> None:
    values = json.loads(json.dumps(curve_of(known_model(50)).to_dict(), allow_nan=False))
    assert values["photos"] == 50 and values["is_enough"] is False and values["not_fitted_again"] is None
    assert [point["certainty"]["photos"] for point in values["points"]] == [5, 10, 20, 40]


@pytest.mark.parametrize(("photos", "rounded"), [(3, 5), (49, 50), (51, 60), (219, 220), (1095, 1100)])
def test_numbers_of_photos_are_rounded_up(photos: int, rounded: int) -> None:
    assert about(photos) == rounded


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 %"), (0.0001, "less than 0.1 %"), (0.0318, "3.2 %"), (0.114, "11 %"), (0.9996, "99.9 %"), (1, "100 %")],
)
def test_a_share_is_never_none_or_all_where_it_is_neither(value: float, text: str) -> None:
    assert rate(value).replace("\N{NO-BREAK SPACE}", " ") == text
