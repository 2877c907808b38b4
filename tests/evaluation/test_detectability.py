"""Drawn defects are where the part is and as large as asked for, and a model that sees finds them."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from paddlex.data.dataset import TRAIN_LIST, read_samples
from paddlex.evaluation.detectability import KINDS, draw_defect, measure_detectability
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.tiling import Tiling

SIDE = 200
SIZE = 0.1


@pytest.fixture
def part() -> np.ndarray:
    """A dark, finely textured part in the middle of a plain bright background: uint8 [200, 200, 3]."""
    image = np.full((SIDE, SIDE, 3), 200, np.uint8)
    image[60:140, 60:140] = np.random.default_rng(0).integers(40, 80, size=(80, 80, 1))
    return image


def drawn(image: np.ndarray, kind: str, seed: int = 0, contrast: float = 64):
    return draw_defect(image, kind, size=SIZE, contrast=contrast, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_defect_and_another_one_another(part, kind):
    first, again, other = (drawn(part, kind, seed).image for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_photo_stays_as_it_is_and_only_what_the_defect_covers_changes(part, kind):
    before = part.copy()
    drawing = drawn(part, kind)
    np.testing.assert_array_equal(part, before)
    changed = (drawing.image != part).any(axis=2)
    near = cv2.dilate(drawing.mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert changed[drawing.mask].mean() > 0.9 and not changed[~near].any()


@pytest.mark.parametrize("kind", KINDS)
def test_defects_lie_on_the_part_and_seldom_on_what_is_behind_it(part, kind):
    centres = [np.argwhere(drawn(part, kind, seed).mask).mean(axis=0) for seed in range(40)]
    assert all(50 < row < 150 and 50 < column < 150 for row, column in centres)
    assert np.ptp(centres, axis=0).min() > 40  # and anywhere on it


def test_a_defect_is_not_cut_off_by_the_border_of_the_photo():
    texture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    for seed in range(40):
        rows, columns = np.nonzero(drawn(texture, "spot", seed).mask)
        assert min(rows.min(), columns.min()) > 0 and max(rows.max(), columns.max()) < SIDE - 1


def test_a_spot_is_as_wide_as_asked_for_on_photos_of_any_shape_and_number_of_pixels():
    for height, width in ((200, 200), (100, 400), (800, 800)):
        image = np.random.default_rng(0).integers(0, 100, (height, width, 3), dtype=np.uint8)
        diameter = SIZE * (height * width) ** 0.5
        assert drawn(image, "spot").mask.sum() == pytest.approx(np.pi / 4 * diameter**2, rel=0.1)


def test_a_scratch_is_three_times_as_long_and_a_sixth_as_wide():
    length = SIZE * SIDE
    (_, (height, width), _) = cv2.minAreaRect(np.argwhere(drawn(np.zeros((SIDE, SIDE, 3), np.uint8), "scratch").mask))
    assert max(height, width) == pytest.approx(3 * length, abs=6)
    assert min(height, width) == pytest.approx(length / 6, abs=2)


@pytest.mark.parametrize("kind", ["spot", "scratch"])
@pytest.mark.parametrize(("grey", "expected"), [(200, 136), (50, 114), (220, 156)])
def test_it_is_dark_where_the_part_is_bright_and_bright_where_it_is_dark(kind, grey, expected):
    drawing = drawn(np.full((SIDE, SIDE, 3), grey, np.uint8), kind)
    assert np.median(drawing.image[drawing.mask]) == expected


def test_a_patch_is_something_else_of_the_same_part(part):
    for seed in range(10):
        drawing = drawn(part, "patch", seed)
        assert set(np.unique(drawing.image[cv2.erode(drawing.mask.astype(np.uint8), np.ones((9, 9))) > 0])) <= set(
            range(40, 201)
        )
        assert np.abs(drawing.image[drawing.mask].astype(float) - part[drawing.mask]).mean() > 5


def looking_at(good: np.ndarray, threshold: float, tiling: Tiling | None = None) -> AnomalyPredictor:
    """A model that knows the good part by heart: its map is the difference from it, at a quarter of the size."""

    def anomaly_maps(images):
        differences = [
            np.abs(image.astype(np.float32) - good[: len(image), : image.shape[1]]).max(2) for image in images
        ]
        return np.stack([cv2.resize(one, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA) for one in differences])

    limits = SimpleNamespace(image=SimpleNamespace(threshold=threshold))
    return SimpleNamespace(anomaly_maps=anomaly_maps, limits=limits, tiling=tiling)


def test_a_model_that_sees_every_difference_finds_all_and_one_that_sees_none_finds_nothing(part):
    result = measure_detectability(looking_at(part, threshold=10), [part] * 5, size=SIZE)
    assert result.drawn == result.found == dict.fromkeys(KINDS, 5) and result.share == 1
    assert measure_detectability(looking_at(part, threshold=1000), [part] * 5, size=SIZE).share == 0


def test_fainter_defects_are_found_less_often(part):
    predictor = looking_at(part, threshold=40)
    shares = [
        measure_detectability(predictor, [part] * 4, size=SIZE, contrast=contrast, kinds=["spot"]).share
        for contrast in (20, 100)
    ]
    assert shares == [0, 1]


def test_an_alarm_elsewhere_finds_no_defect(part):
    good = part.copy()
    good[:20, :20] = 0  # what the model takes for normal there, and what no photo has
    kinds = ["spot", "scratch"]
    assert measure_detectability(looking_at(good, 100), [part], size=SIZE, contrast=20, kinds=kinds).share == 0


def test_of_a_photo_that_is_scanned_in_tiles_one_tile_is_judged():
    good = np.tile(np.random.default_rng(0).integers(0, 100, (64, 64, 3), dtype=np.uint8), (4, 4, 1))
    predictor = looking_at(good, threshold=30, tiling=Tiling(tile_size=64, overlap=0))
    sizes = []
    judge = predictor.anomaly_maps
    predictor.anomaly_maps = lambda images: sizes.append(images[0].shape) or judge(images)
    assert measure_detectability(predictor, [good] * 3, kinds=["spot"], size=0.2).share == 1
    assert sizes == [(64, 64, 3)] * 3


def test_a_trained_model_is_measured_at_its_own_threshold_in_the_same_way_each_time(trained, demo_dataset):
    predictor = AnomalyPredictor(trained / "best_model" / "inference", device="cpu", quiet=True)
    images = [sample.read() for sample in read_samples(demo_dataset, TRAIN_LIST)[:3]]
    first = measure_detectability(predictor, images)
    assert first == measure_detectability(predictor, images) and first.drawn == dict.fromkeys(KINDS, 3)
    everything = AnomalyPredictor(trained / "best_model" / "inference", device="cpu", quiet=True, threshold=1e-9)
    assert measure_detectability(everything, images).share == 1
