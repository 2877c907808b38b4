"""Where photos are inspected, by hand-made regions, and that nothing elsewhere changes a verdict."""

from __future__ import annotations

from copy import copy

import cv2
import numpy as np
import pytest

from paddlex.errors import PhotoError
from paddlex.inference.checked import Invalid
from paddlex.inference.inspection import Inspection, Runs
from paddlex.inference.preparation import Preparation
from paddlex.inference.rle import mask_to_rle


def rectangle(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


ZONE = {"name": "a", "polygon": rectangle(0, 0, 2, 4)}


def inspected(height: int = 4, width: int = 6, **regions) -> list[list[int]]:
    return Inspection.parse({"size": [6, 4], **regions}).pixels(height, width).astype(int).tolist()


def test_only_what_is_to_be_inspected_is():
    found = inspected(inspect=[rectangle(0, 0, 2, 2), rectangle(1, 1, 4, 2.9)])
    assert found == [[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]]


def test_what_is_ignored_is_taken_from_it_and_from_the_mask():
    mask = np.ones((4, 6), bool)
    mask[3] = False
    found = inspected(mask=mask_to_rle(mask), inspect=[rectangle(0, 0, 3, 4)], ignore=[rectangle(1, 1, 5, 5 - 1)])
    assert found == [[1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]


def test_a_photo_of_another_size_and_the_same_shape_is_inspected_in_the_same_places():
    small = np.array(inspected(ignore=[rectangle(2, 0, 4, 2)]))
    large = inspected(40, 60, ignore=[rectangle(2, 0, 4, 2)])
    assert large == np.kron(small, np.ones((10, 10), int)).tolist()


@pytest.mark.parametrize("shape", [(6, 4), (4, 4), (40, 62)])
def test_a_photo_of_another_shape_is_not_judged(shape):
    inspection = Inspection.parse({"size": [6, 4] if shape[0] < 10 else [600, 400], "ignore": [rectangle(2, 0, 4, 2)]})
    with pytest.raises(PhotoError, match="another shape"):
        inspection.pixels(*shape)


@pytest.mark.parametrize("size", [[6, 4], [1001, 667], [4000, 100]])
def test_there_is_an_example_of_a_photo_of_about_any_size(size):
    preparation = Preparation.parse({"regions": {"size": size, "ignore": [[[0, 0], [1, 0], [0, 1]]]}})
    example = preparation.example(256, 256)
    assert preparation(example).image.shape == example.shape
    assert 0.95 < example.shape[0] * example.shape[1] / 256**2 < 1.05


def test_rounding_to_whole_pixels_is_no_other_shape():
    inspection = Inspection.parse({"size": [1000, 667], "ignore": [rectangle(2, 0, 400, 200)]})
    assert inspection.pixels(167, 250).shape == (167, 250)


@pytest.mark.parametrize(
    ("regions", "said"),
    [
        ({"ignore": [rectangle(0, 0, 6, 4)]}, "leave nothing to inspect"),
        ({"inspect": [rectangle(0, 0, 2, 2)], "ignore": [rectangle(0, 0, 5, 3)]}, "leave nothing to inspect"),
        ({"ignore": [rectangle(0, 0, 2, 2), rectangle(5, 0, 7, 2)]}, r"ignore\[1\] leaves the picture.*7 x 0.*6 x 4"),
        ({"inspect": [[[0, 0], [2, 2], [4, 4]]]}, r"inspect\[0\] encloses no area"),
        ({"inspect": [[[0, 0], [2, 2]]]}, r"inspect\[0\] must be a list of 3 or more values"),
        ({"mask": {"size": [4, 6], "counts": [5, 5]}}, "mask.counts must add up to the number of pixels"),
        ({"mask": {"size": [4, 6], "counts": [-1, 25]}}, r"mask.counts\[0\] must be a whole number"),
        ({"mask": {"size": [9999, 9999], "counts": [1]}}, "mask.size must not be more than 512"),
        ({"size": [0, 4]}, r"size\[0\] must be a whole number"),
        ({"zones": [ZONE, {**ZONE, "name": "b"}]}, r"zones\[1\] \(b\) overlaps another"),
        ({"zones": [ZONE, {**ZONE, "polygon": rectangle(2, 0, 5, 4)}]}, r"zones\[1\] has the name of another, a"),
        ({"zones": [ZONE], "ignore": [rectangle(0, 0, 3, 4)]}, r"zones\[0\] \(a\) lies where nothing is inspected"),
        ({"zones": [{**ZONE, "polygon": rectangle(2, 0, 7, 4)}]}, r"zones\[0\].polygon leaves the picture"),
        ({"zones": [{**ZONE, "name": ""}]}, r"zones\[0\].name must be text"),
        ({"zones": [{**ZONE, "factor": 0}]}, r"zones\[0\].factor must be more than 0"),
        ({"zones": [{**ZONE, "target_fpr": 1}]}, r"zones\[0\].target_fpr must be between 0 and 1"),
        ({"zones": [{"polygon": rectangle(0, 0, 2, 4)}]}, r"zones\[0\].name is missing"),
        ({"outside": []}, "'outside' is not known"),
    ],
)
def test_regions_that_cannot_be_are_refused(regions, said):
    with pytest.raises(Invalid, match=said):
        Inspection.parse({"size": [6, 4], **regions})


def test_each_place_is_in_the_zone_that_it_lies_in_at_any_size():
    right = {"name": "b", "polygon": rectangle(2, 2, 6, 4), "factor": 2}
    inspection = Inspection.parse({"size": [6, 4], "zones": [ZONE, right]})
    numbers = inspection.zones_at(4, 6)
    assert numbers.tolist() == [[1, 1, 0, 0, 0, 0]] * 2 + [[1, 1, 2, 2, 2, 2]] * 2
    np.testing.assert_array_equal(inspection.zones_at(40, 30), np.kron(numbers, np.ones((10, 5), np.uint8)))
    assert [inspection.zone_of(*place) for place in ((0.1, 0.9), (0.5, 0.1), (1.0, 1.0))] == ["a", None, "b"]
    assert Inspection.parse(inspection.to_dict()) == inspection


def test_they_are_stored_and_read_again():
    mask = np.zeros((300, 900), bool)
    mask[20:200, 30:800] = True
    before = Inspection.parse(
        {"size": [900, 300], "mask": mask_to_rle(mask[::3, ::3]), "ignore": [rectangle(100, 50, 200.5, 80)]}
    )
    after = Inspection.parse(before.to_dict())
    assert after == before
    np.testing.assert_array_equal(after.pixels(300, 900), before.pixels(300, 900))


def test_a_large_mask_is_stored_coarsely_and_means_the_same_to_a_few_pixels():
    mask = np.zeros((2000, 3000), np.uint8)
    cv2.circle(mask, (1500, 900), 800, 1, cv2.FILLED)
    runs = Runs.of(mask > 0)
    assert max(runs.size) <= 512
    back = Inspection(size=(3000, 2000), mask=runs).pixels(2000, 3000)
    band = cv2.dilate(mask, np.ones((13, 13))) - cv2.erode(mask, np.ones((13, 13)))
    assert not ((back != (mask > 0)) & (band == 0)).any()


def test_what_is_not_inspected_is_one_colour_and_the_photo_itself_stays_as_it_is():
    photo = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    before = photo.copy()
    view = Preparation.parse({"regions": {"size": [6, 4], "ignore": [rectangle(0, 0, 3, 4)]}})(photo)
    assert len(np.unique(view.image[:, :3].reshape(-1, 3), axis=0)) == 1
    np.testing.assert_array_equal(view.image[:, 3:], photo[:, 3:])
    np.testing.assert_array_equal(photo, before)
    assert view.inspected.tolist() == [[False] * 3 + [True] * 3] * 4


def test_whatever_happens_in_an_ignored_region_the_result_is_the_same(predictor, images):
    """Not nearly the same: every figure of it."""
    photo = cv2.imread(images[0])
    height, width = photo.shape[:2]
    model = copy(predictor)
    ignored = [[0, 0], [width / 2, 0], [width / 3, height / 2], [0, height]]
    model.preparation = Preparation(regions=Inspection.parse({"size": [width, height], "ignore": [ignored]}))
    elsewhere = photo.copy()
    outside = ~model.preparation.regions.pixels(height, width)
    elsewhere[outside] = np.random.default_rng(1).integers(0, 256, (outside.sum(), 3))
    (one,), (other,) = model.judge([photo]), model.judge([elsewhere])
    assert {**one.record(), "input_img": None} == {**other.record(), "input_img": None}
    np.testing.assert_array_equal(one["anomaly_map"], other["anomaly_map"])
    assert predictor.judge([photo])[0]["raw_score"] != predictor.judge([elsewhere])[0]["raw_score"]
