"""Training on tiles of large photos: what is drawn, what the thresholds are of, and what it is for."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from paddlex import create_model
from paddlex.config import schema_for
from paddlex.config_schema import Config
from paddlex.data.dataset import Sample, read_mask, read_samples
from paddlex.data.demo.surface import draw_surface, make_surface_dataset
from paddlex.data.tiles import draw_tiles, image_size, into_tiles, photos_of
from paddlex.errors import ImageReadError, ModelError
from paddlex.inference.tiling import TileGrid, Tiling
from paddlex.inference.transforms import Transform
from paddlex.modules.image_anomaly_detection.export.export_images import ExportImages
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMOptions
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint_completion import CheckpointCompletion
from paddlex.modules.image_anomaly_detection.training.gradient.trainer import Trainer

SIZE = (300, 400)
TILING = Tiling(64, 0.25)


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory) -> Path:
    """12 photos without a scratch to train on, 2 without and 2 with one to validate."""
    folder = tmp_path_factory.mktemp("surfaces") / "data"
    return make_surface_dataset(folder, train=12, val_normal=2, val_anomalous=2, size=SIZE)


@pytest.fixture(scope="module")
def photos(surfaces) -> list[Sample]:
    return read_samples(surfaces, "train.txt")


def config_of(surfaces: Path, output: Path, **train: object) -> Config:
    options = {"image_size": 64, "batch_size": 8, "calibration": {"holdout_percent": 40}, **train}
    return schema_for("STFPM").model_validate(
        {"Global": {"dataset_dir": str(surfaces), "output": str(output), "device": "cpu"}, "Train": options}
    )


@pytest.fixture(scope="module")
def tiled_run(surfaces, tmp_path_factory) -> Trainer:
    """A real, short training on tiles."""
    tiling = {"tile_size": 64, "overlap": 0.25, "max_tiles": 98}
    config = config_of(surfaces, tmp_path_factory.mktemp("tiled"), epochs_iters=3, tiling=tiling)
    trainer = Trainer(config, "cpu")
    trainer.train()
    return trainer


@pytest.fixture(scope="module")
def whole_run(surfaces, tmp_path_factory) -> Trainer:
    """The same on whole photos, as without ``Train.tiling``."""
    trainer = Trainer(config_of(surfaces, tmp_path_factory.mktemp("whole"), epochs_iters=10), "cpu")
    trainer.train()
    return trainer


# What is drawn


def test_a_tile_is_cut_from_its_photo(photos):
    for tile in draw_tiles(photos[:1], TILING, 5, seed=0):
        row, column = divmod(tile.number, len(tile.grid.lefts))
        top, left = tile.grid.tops[row], tile.grid.lefts[column]
        whole = cv2.imread(str(photos[0].image_path))
        np.testing.assert_array_equal(tile.view().image, whole[top : top + 64, left : left + 64])


def test_the_grid_is_that_of_predict(photos):
    assert draw_tiles(photos[:1], TILING, 1, seed=0)[0].grid == TileGrid.over(*SIZE, TILING)


def test_together_the_photos_show_every_place_about_equally_often(photos):
    tiles = draw_tiles(photos, TILING, 10, seed=0)
    assert len(set(tiles)) == len(tiles) == 120
    counts = np.bincount([tile.number for tile in tiles], minlength=len(tiles[0].grid))
    assert np.ptp(counts) <= 1


def test_without_a_limit_all_tiles_are_drawn(photos):
    tiles = draw_tiles(photos[:2], TILING, None, seed=0)
    assert sorted(tile.number for tile in tiles) == sorted(2 * list(range(len(tiles[0].grid))))


def test_the_seed_decides_which_tiles(photos):
    assert draw_tiles(photos, TILING, 3, seed=1) == draw_tiles(photos, TILING, 3, seed=1)
    assert draw_tiles(photos, TILING, 3, seed=1) != draw_tiles(photos, TILING, 3, seed=2)


def test_the_limit_is_of_all_tiles_to_train_on(photos):
    options = STFPMOptions.model_validate({"tiling": {"tile_size": 64, "max_tiles": 70}})
    fit, held_out = into_tiles(photos[:10], photos[10:], options)
    assert (len(fit), len(held_out)) == (70, 14)


def test_without_tiling_photos_stay_whole(photos):
    assert into_tiles(photos[:10], photos[10:], STFPMOptions()) == (photos[:10], photos[10:])


def test_each_tile_knows_its_photo(photos):
    tiles = draw_tiles(photos[:3], TILING, 4, seed=0)
    first, numbers = photos_of(tiles)
    assert [tile.sample for tile in first] == photos[:3]
    assert numbers.tolist() == [0] * 4 + [1] * 4 + [2] * 4


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_size_is_that_of_the_upright_photo(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    sample = Sample(tmp_path, "a.jpg", None, "train.txt", 1)
    assert image_size(sample) == sample.read().shape[:2]


def test_a_photo_that_is_none_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(ImageReadError, match=r"a\.jpg"):
        image_size(Sample(tmp_path, "a.jpg", None, "train.txt", 1))


def test_a_tile_that_is_too_small_is_refused_before_anything_is_written(surfaces, tmp_path):
    with pytest.raises(ModelError, match="a tile of 3 pixels is too small"):
        Trainer(config_of(surfaces, tmp_path / "output", tiling={"tile_size": 3}), "cpu")
    assert not (tmp_path / "output").exists()


def test_an_int8_model_is_quantised_with_tiles(photos):
    """As many as there are of whole images for another model, from all photos alike."""
    transform = Transform((64, 64))
    batches = list(ExportImages(train=photos).batches(transform, TILING))
    tiles = draw_tiles(photos, TILING, 100 // len(photos), seed=0)
    assert len(batches) == len(tiles) == 96
    np.testing.assert_array_equal(batches[50], transform([tiles[50].view().image]))


# What it makes


def test_the_model_says_how_it_was_made_in_a_block_of_its_own(tiled_run):
    written = yaml.safe_load((tiled_run.output / "best_model/inference/inference.yml").read_text(encoding="utf-8"))
    assert written["AnomalyDetection"]["tiling"] == {"tile_size": 64, "overlap": 0.25}
    assert set(written["Deploy"]) == {"model", "params", "input_shape", "transforms"}


def test_predict_scans_as_the_model_was_made_without_a_warning(tiled_run, caplog):
    assert create_model("STFPM", tiled_run.output, device="cpu").tiling == TILING
    assert "WARNING" not in caplog.text


@pytest.mark.parametrize("other", [{"tile_size": 64, "overlap": 0.5}, 128, 0])
def test_another_tiling_than_the_model_s_warns(tiled_run, caplog, other):
    assert create_model("STFPM", tiled_run.output, device="cpu", tiling=other).tiling == Tiling.of(other)
    assert "The model was made for tiles of 64 pixels that overlap by 0.25" in caplog.text


def test_a_scratch_two_pixels_wide_is_found_in_its_place(tiled_run, surfaces):
    """So much every short training gives: how it is rounded decides how high the scores are, and how wide the regions."""
    model = create_model("STFPM", tiled_run.output, device="cpu")
    normal, scratched = [], []
    for sample in read_samples(surfaces, "val.txt"):
        result = next(model.predict(sample.image_path))
        if sample.mask_path is None:
            normal.append(result["raw_score"])
            continue
        scratched.append(result["raw_score"])
        distance = cv2.distanceTransform(1 - read_mask(sample.mask_path).astype(np.uint8), cv2.DIST_L2, 5)
        assert distance.ravel()[result["anomaly_map"].argmax()] < 16  # pixels, a quarter of a tile
    assert min(scratched) > max(normal)


def test_without_tiling_its_place_is_lost(tiled_run, whole_run, surfaces):
    """Whether the photo is called anomalous or not: the mask, where there is one, is mostly of other places."""
    shares = []
    for run in (tiled_run, whole_run):
        model = create_model("STFPM", run.output, device="cpu")
        scratched = [sample for sample in read_samples(surfaces, "val.txt") if sample.mask_path is not None]
        masks = [next(model.predict(sample.image_path))["pred"][0] > 0 for sample in scratched]
        scratches = [read_mask(sample.mask_path) for sample in scratched]
        shares.append([(m & s).sum() / max(1, m.sum()) for m, s in zip(masks, scratches, strict=True)])
    assert min(shares[0]) > 3 * max(shares[1])


def test_the_scores_of_the_thresholds_are_those_that_predict_gives(tiled_run, surfaces, tmp_path):
    """With the product nothing is cross-fitted: the scores must be those of the held-out photos."""
    folder = tmp_path / "best_model"
    config = tiled_run.options.model_copy(deep=True)
    config.calibration.fusion = "product"
    whole = schema_for("STFPM").model_validate({"Global": {"dataset_dir": str(surfaces)}, "Train": config.model_dump()})
    calibration = CheckpointCompletion(whole, "cpu", tiled_run.held_out, "loss").complete(
        tiled_run.run.network, tiled_run.output / "best_model", folder
    )
    held_out = {str(tile.image_path) for tile in tiled_run.held_out_samples}
    results = list(create_model("STFPM", folder / "inference", device="cpu").predict(sorted(held_out)))
    np.testing.assert_allclose(calibration.scores, sorted(result["raw_score"] for result in results), rtol=1e-3)
    pixels = np.sort(np.concatenate([result["anomaly_map"].ravel() for result in results]))
    assert calibration.pixel_threshold == pytest.approx(pixels[-1 - int(0.001 * pixels.size)], rel=1e-3)


def test_a_scratch_is_two_pixels_wide():
    """Its area over its length, which is that of the diagonal of its box."""
    for seed in range(5):
        _, mask = draw_surface(np.random.default_rng(seed), 400, 400, scratched=True)
        rows, columns = np.nonzero(mask)
        length = np.hypot(np.ptp(rows) + 1, np.ptp(columns) + 1)
        assert rows.size / length == pytest.approx(2, abs=0.35)
