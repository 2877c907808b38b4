"""A model that sees finds defects that are plain to see, and one that does not finds none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from paddlex.data.dataset import TRAIN_LIST, read_samples
from paddlex.evaluation.analyses.drawing import Canvas
from paddlex.evaluation.analyses.quick_check import PLAIN_KINDS, draw_plain, quick_check
from paddlex.inference.inspection import Inspection
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.preparation import NOTHING, Preparation
from paddlex.inference.tiling import Tiling

SIDE = 200


@pytest.fixture
def part() -> np.ndarray:
    """A dark, finely textured part in the middle of a plain bright background: uint8 [200, 200, 3]."""
    image = np.full((SIDE, SIDE, 3), 200, np.uint8)
    image[60:140, 60:140] = np.random.default_rng(0).integers(40, 80, size=(80, 80, 1))
    return image


def looking_at(
    good: np.ndarray, threshold: float, tiling: Tiling | None = None, preparation: Preparation = NOTHING
) -> AnomalyPredictor:
    """A model that knows the good part by heart: its map is the difference from it."""

    def photo_maps(images):
        return [np.abs(image.astype(np.float32) - good[: len(image), : image.shape[1]]).max(2) for image in images]

    limits = SimpleNamespace(image=SimpleNamespace(threshold=threshold))
    return SimpleNamespace(photo_maps=photo_maps, limits=limits, tiling=tiling, preparation=preparation)


def test_a_model_that_sees_every_difference_finds_all_and_one_that_sees_none_finds_nothing(part: np.ndarray) -> None:
    result = quick_check(looking_at(part, threshold=8), [part] * 5, kinds=PLAIN_KINDS)
    assert result.drawn == result.found == dict.fromkeys(PLAIN_KINDS, 5) and result.share == 1
    assert quick_check(looking_at(part, threshold=1000), [part] * 5).share == 0


def test_an_alarm_elsewhere_finds_no_defect(part: np.ndarray) -> None:
    known = part.copy()
    known[:20, :20] = 0  # what the model takes for normal there, and what no photo has
    assert quick_check(looking_at(known, 130), [part]).share == 0


def test_of_a_photo_that_is_scanned_in_tiles_one_tile_is_judged() -> None:
    good = np.tile(np.random.default_rng(0).integers(0, 100, (64, 64, 3), dtype=np.uint8), (4, 4, 1))
    predictor = looking_at(good, threshold=30, tiling=Tiling(tile_size=64, overlap=0))
    sizes: list[tuple[int, ...]] = []
    judge = predictor.photo_maps
    predictor.photo_maps = lambda images: sizes.append(images[0].shape) or judge(images)
    assert quick_check(predictor, [good] * 3, kinds=["spot"]).share == 1
    assert sizes == [(64, 64, 3)] * 3


def test_of_a_part_that_is_inspected_in_one_corner_the_defects_are_drawn_there(part: np.ndarray) -> None:
    corner = Inspection((SIDE, SIDE), inspect=(((60, 60), (90, 60), (90, 90), (60, 90)),))
    predictor = looking_at(part, threshold=8, preparation=Preparation(regions=corner))
    judge, inspected = predictor.photo_maps, corner.pixels(SIDE, SIDE)
    predictor.photo_maps = lambda images: [np.where(inspected, one, 0) for one in judge(images)]
    assert quick_check(predictor, [part] * 5, kinds=PLAIN_KINDS).share == 1


def test_a_photo_that_is_prepared_is_judged_whole_though_it_is_scanned_in_tiles(part: np.ndarray) -> None:
    whole = Inspection((SIDE, SIDE), ignore=(((0, 0), (9, 0), (9, 9), (0, 9)),))
    predictor = looking_at(part, 8, Tiling(tile_size=64, overlap=0), Preparation(regions=whole))
    sizes: list[tuple[int, ...]] = []
    judge = predictor.photo_maps
    predictor.photo_maps = lambda images: sizes.append(images[0].shape) or judge(images)
    assert quick_check(predictor, [part] * 2, kinds=["spot"]).share == 1
    assert sizes == [(SIDE, SIDE, 3)] * 2


def test_they_are_as_large_and_as_plain_as_is_said() -> None:
    image = np.full((100, 400, 3), 30, np.uint8)  # of the area of a square of 200
    defect, drawn = draw_plain(Canvas(image), "spot", np.random.default_rng(0))
    assert defect.covered(image).sum() == pytest.approx(np.pi / 4 * 12**2, rel=0.15)
    assert drawn[defect.covered(image)].max() == 30 + 128
    scratch, _ = draw_plain(Canvas(image), "scratch", np.random.default_rng(0))
    assert scratch.size == 24


def test_a_trained_model_is_measured_at_its_own_threshold_in_the_same_way_each_time(
    trained: Path, demo_dataset: Path
) -> None:
    predictor = AnomalyPredictor(trained / "best_model" / "inference", device="cpu", quiet=True)
    images = [sample.read() for sample in read_samples(demo_dataset, TRAIN_LIST)[:3]]
    first = quick_check(predictor, images, kinds=PLAIN_KINDS)
    assert first == quick_check(predictor, images, kinds=PLAIN_KINDS) and first.drawn == dict.fromkeys(PLAIN_KINDS, 3)
    everything = AnomalyPredictor(trained / "best_model" / "inference", device="cpu", quiet=True, threshold=1e-9)
    assert quick_check(everything, images).share == 1
