"""A part is found where it was put by construction, and brought to where the reference has it; else it is not OK."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml

from paddlex.data.demo.part import draw_part, moved
from paddlex.errors import PartNotFoundError
from paddlex.inference.alignment import Alignment
from paddlex.inference.checked import Invalid
from paddlex.inference.inspection import Inspection
from paddlex.inference.position import NOT_FOUND_SCORE
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.preparation import Preparation
from paddlex.inference.view import View

OPTIONS = {
    "motion": "rigid", "max_shift": 0.15, "max_angle": 20, "least_quality": 0.6, "min_seen": 0.75, "not_found": "ng",
}  # fmt: skip


@pytest.fixture(scope="module")
def part() -> np.ndarray:
    return draw_part(0)


@pytest.fixture(scope="module")
def alignment(part) -> Alignment:
    return Alignment.to(part, **OPTIONS)


def corners(photo: np.ndarray) -> np.ndarray:
    """float64 [3, 4]: (x, y, 1) of the corners."""
    height, width = photo.shape[:2]
    return np.array([[x, y, 1] for x in (0, width - 1) for y in (0, height - 1)], float).T


@pytest.mark.parametrize(
    ("motion", "move"),
    [
        ("translation", {"right": 30.3, "down": -17.8}),
        ("rigid", {"right": -30.5, "down": 12.25, "angle": 13.0}),
        ("rigid", {"right": 5.5, "down": 20.0, "angle": -18.5, "light": 0.6}),
        ("similarity", {"right": 14.2, "down": -9.7, "angle": -8.0, "scale": 1.1}),
        ("similarity", {"right": -20.0, "down": -9.7, "angle": 15.0, "scale": 0.91}),
    ],
)
def test_a_part_is_found_within_a_pixel_of_where_it_was_put(part, motion, move):
    alignment = Alignment.to(part, **{**OPTIONS, "motion": motion})
    photo, to_photo = moved(part, **move)
    view = alignment(View(photo))
    assert view.position.found
    found = view.matrix @ np.vstack([to_photo @ corners(part), np.ones(4)])
    assert np.abs(found - corners(part)[:2]).max() < 1
    assert view.position.shift == pytest.approx((move["right"], move["down"]), abs=1)
    assert view.position.angle == pytest.approx(move.get("angle", 0), abs=0.3)
    assert view.position.scale == pytest.approx(move.get("scale", 1), abs=0.01)


def test_the_view_is_the_reference_again_where_it_is_judged(part, alignment):
    photo, _ = moved(part, 30.5, -20.25, 12)
    view = alignment(View(photo))
    assert view.image.shape == part.shape
    difference = np.abs(view.image.astype(float) - part)[view.inspected]
    assert difference.mean() < 4  # the noise is of 3
    assert np.abs(photo.astype(float) - part).mean() > 15


def test_what_the_photo_does_not_show_is_not_judged(part, alignment):
    photo, _ = moved(part, right=32)  # the reference's right tenth has left the picture
    inspected = alignment(View(photo)).inspected
    width = part.shape[1]
    assert not inspected[:, width - 32 :].any()
    assert inspected[:, : width - 32 - 12].all()


def test_turned_by_any_angle_where_that_is_allowed():
    square = draw_part(1, 256, 256)
    alignment = Alignment.to(square, **{**OPTIONS, "max_angle": 180})
    for angle in (-170, -90, 65, 180):
        position = alignment(View(moved(square, 4, -3, angle)[0])).position
        assert position.found
        assert abs((position.angle - angle + 180) % 360 - 180) < 0.5


def test_the_same_photo_gives_the_same_view_on_any_thread(part, alignment):
    photos = [moved(part, right, -right / 2, right / 2)[0] for right in range(-24, 25, 8)] * 2
    alone = [alignment(View(photo)) for photo in photos]
    fresh = replace(alignment)  # whose registration no thread has made yet
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda photo: fresh(View(photo)), photos))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.matrix, other.matrix)


def test_a_photo_at_another_resolution_comes_to_the_frame_of_the_reference(part, alignment):
    photo, to_photo = moved(part, 20, 10, 5)
    twice = cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    view = alignment(View(twice))
    assert view.image.shape == part.shape
    assert view.position.shift == pytest.approx((40, 20), abs=2)
    there = 2 * (to_photo @ corners(part)) + 0.5  # pixel centres
    assert np.abs(view.matrix @ np.vstack([there, np.ones(4)]) - corners(part)[:2]).max() < 1


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (draw_part(5), "the correlation with the reference is"),
        (np.full((240, 320, 3), 90, np.uint8), "the correlation with the reference is"),
        (moved(draw_part(0), right=60)[0], "it is moved by 19% of the picture, more than 15%"),
        (moved(draw_part(0), angle=27)[0], "it is turned by 27 degrees, more than 20"),
        (moved(draw_part(0), right=47, down=36, angle=21)[0], "of the reference's frame, less than 75%"),
        (cv2.resize(draw_part(0), (240, 240)), "the photo, 240 x 240, has another shape than the reference, 320 x 240"),
    ],
)
def test_the_wrong_part_and_the_wrong_position_are_not_found(alignment, photo, reason):
    position = alignment(View(photo)).position
    assert not position.found
    assert reason in position.reason


def test_what_stands_in_a_file_gives_the_same_alignment_again(alignment):
    preparation = Preparation(alignment=alignment)
    text = yaml.safe_dump(preparation.to_dict())
    assert Preparation.parse(yaml.safe_load(text)) == preparation


def png(height: int, width: int) -> str:
    return base64.b64encode(cv2.imencode(".png", np.zeros((height, width, 3), np.uint8))[1].tobytes()).decode()


@pytest.mark.parametrize("reference", ["%%%", base64.b64encode(b"no picture").decode(), png(1000, 1000), "\xe9"])
def test_a_reference_that_is_no_small_picture_is_named(alignment, reference):
    with pytest.raises(Invalid, match=r"^reference must be a small picture as base64 text$"):
        replace(alignment, reference=reference)


def test_a_reference_of_another_size_than_is_said_is_named(alignment):
    with pytest.raises(Invalid, match=r"^reference must have the size that height and width lead to$"):
        replace(alignment, reference=png(200, 200))


# With a model


@pytest.fixture(scope="module")
def good(demo_dataset) -> np.ndarray:
    return cv2.imread(str(demo_dataset / "images/val/good/000.jpg"))


def aligned(predictor: AnomalyPredictor, photo: np.ndarray, **options: object) -> AnomalyPredictor:
    """The same model, which aligns photos to this one."""
    other = copy(predictor)
    other.preparation = Preparation(alignment=Alignment.to(photo, **{**OPTIONS, **options}))
    return other


def test_the_map_of_a_moved_photo_is_that_of_the_photo_moved(predictor, good):
    model = aligned(predictor, good)
    (still,), (result,) = model.judge([good]), model.judge([np.roll(good, 9, axis=1)])
    assert result["position"]["found"]
    assert result["anomaly_map"].shape == good.shape[:2]
    place = np.s_[20:-20, 20:-40]
    shifted = result["anomaly_map"][:, 9:][place]
    assert np.corrcoef(shifted.ravel(), still["anomaly_map"][:, :-9][place].ravel())[0, 1] > 0.8


def test_a_part_that_is_not_found_is_anomalous_everywhere_whatever_the_threshold(predictor, good):
    model = aligned(predictor, good)
    wrong = draw_part(3, *good.shape[:2])
    for result in model.judge([wrong, good, wrong])[::2]:
        assert result["is_anomalous"] is True
        assert result["score"] == 1.0
        assert np.isfinite(result["raw_score"])
        assert result["raw_score"] == result["anomaly_map"].max() > result["threshold"]
        assert result["pred"].all()
        assert result["anomalous_area"] == 1.0
        assert result["position"]["found"] is False
        assert "correlation" in result["position"]["reason"]
        json.dumps(result.json, allow_nan=False)
    model.limits = replace(model.limits, image=model.limits.image.moved_to(1e30))
    assert model.judge([wrong])[0]["is_anomalous"] is True
    assert next(model.photo_maps([wrong])).min() > result["threshold"]


@pytest.mark.parametrize("slope", [1e-30, 1e30])
def test_no_scale_of_a_zone_changes_what_is_said_of_a_part_that_is_not_found(predictor, good, slope):
    model = aligned(predictor, good)
    height, width = good.shape[:2]
    zone = {"name": "all", "polygon": [[0, 0], [width, 0], [width, height], [0, height]]}
    regions = Inspection.parse({"size": [width, height], "zones": [zone]})
    model.preparation = replace(model.preparation, regions=regions)
    calibration = replace(predictor.folder.calibration, zones=[{"name": "all", "slope": slope, "shift": 0.0}])
    own = replace(predictor.folder.own, calibration=calibration, preparation=model.preparation)
    model.folder = replace(predictor.folder, own=own)
    (result,) = model.judge([draw_part(3, height, width)])
    assert (result["is_anomalous"], result["score"], result["raw_score"]) == (True, 1.0, NOT_FOUND_SCORE)


def test_a_part_that_is_not_found_changes_nothing_for_the_others_of_its_batch(predictor, good):
    model = aligned(predictor, good)
    (alone,) = model.judge([good])
    together = model.judge([draw_part(3, *good.shape[:2]), good])[1]
    np.testing.assert_allclose(together["anomaly_map"], alone["anomaly_map"], rtol=1e-4)
    assert together["position"] == alone["position"]


def test_or_it_is_an_error_as_of_an_image_that_cannot_be_read(predictor, good, tmp_path):
    model = aligned(predictor, good, not_found="error")
    path = str(tmp_path / "wrong.png")
    cv2.imwrite(path, draw_part(3, *good.shape[:2]))
    with pytest.raises(PartNotFoundError, match=r"^not found: wrong part or position \(the correlation") as caught:
        list(model.predict(path))
    assert caught.value.where == path
    errors = []
    results = list(model.predict([path, good], on_error=lambda source, error: errors.append(source)))
    assert errors == [path]
    assert len(results) == 1


def test_the_picture_says_so(predictor, good, monkeypatch):
    from paddlex.inference import pictures

    (result,) = aligned(predictor, good).judge([draw_part(3, *good.shape[:2])])
    written = []
    monkeypatch.setattr(pictures, "_write", lambda canvas, text, *more: written.append(text))
    pictures.draw_result(result, predictor.limits.pixel)
    assert written[0] == "NOT FOUND: WRONG PART OR POSITION"


def test_the_summary_says_so(predictor, good, tmp_path):
    import csv

    from paddlex.inference.batch_job import predict_to_folder

    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in/wrong.png"), draw_part(3, *good.shape[:2]))
    cv2.imwrite(str(tmp_path / "in/good.png"), good)
    done = predict_to_folder(aligned(predictor, good), str(tmp_path / "in"), tmp_path / "out", 2)
    with (tmp_path / "out/summary.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["input_path"].rpartition("/")[2]: row for row in csv.DictReader(file)}
    assert done["images"] == 2
    assert rows["wrong.png"]["position"].startswith("not found: wrong part or position (the correlation")
    assert rows["wrong.png"]["is_anomalous"] == "True"
    assert rows["good.png"]["position"].startswith("found, moved ")
    record = json.loads((tmp_path / "out/wrong_res.json").read_text(encoding="utf-8"))
    assert record["position"]["found"] is False


def test_the_service_calls_it_anomalous_whatever_threshold_a_request_asks_for(predictor, good):
    from paddlex.inference.serving.answers import decision
    from paddlex.inference.serving.batching import Judgement

    model = aligned(predictor, good)
    (result,) = model.judge([draw_part(3, *good.shape[:2])])
    for threshold in (None, 1e30):
        answer = decision(Judgement(result, model), threshold)
        assert answer["isAnomalous"] is True
        assert answer["position"]["found"] is False


# With regions


def test_regions_are_of_the_reference_and_enough_of_them_must_be_seen(part, alignment):
    """The left fifth is to be inspected: it leaves the picture long before the rest does."""
    corner = ((0, 0), (64, 0), (64, 240), (0, 240))
    prepared = Preparation(alignment=alignment, regions=Inspection((320, 240), inspect=(corner,)))
    view = prepared(moved(part, right=20)[0])
    assert view.position.found
    assert not view.inspected[:, 65:].any()
    in_photo = view.inspected_in_photo(240, 320)
    assert in_photo[100, 20 + 32]
    assert not in_photo[:, 20 + 66 :].any()
    assert alignment(View(moved(part, right=-30)[0])).position.found
    position = prepared(moved(part, right=-30)[0]).position
    assert not position.found
    assert "of what is to be inspected" in position.reason
