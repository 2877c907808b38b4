"""Every model trained otherwise than by default: on tiles of large photos, with the paper's fusion, aligned, resumed."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from paddlex import create_model
from paddlex.data.dataset import read_mask, read_samples
from paddlex.data.demo.part import draw_part, moved
from paddlex.data.demo.surface import make_surface_dataset
from paddlex.engine import run_config
from paddlex.errors import PhotoError
from paddlex.inference.preparation import NOTHING
from paddlex.inference.tiling import Tiling
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.utils.tensor_files import read_arrays

pytestmark = pytest.mark.slow

#: Those whose training can be gone on with.
RESUMABLE = [name for name, model in MODELS.items() if "resume_path" in model.options.model_fields]


@pytest.fixture(scope="session")
def train(once: Callable[..., Path]) -> Callable[..., Path]:
    """(what, model, config, data, overrides) -> the output folder of a short training. Do not change it."""

    def trained(what: str, model: str, config: Path, data: Path, *overrides: str) -> Path:
        short = ["Train.epochs_iters=3"] if "epochs_iters" in MODELS[model].options.model_fields else []

        def fill(output: Path) -> None:
            common = ["Global.mode=train", f"Global.dataset_dir={data}", f"Global.output={output}", "Global.device=cpu"]
            assert run_config(str(config), [*common, "Train.image_size=64", *short, *overrides]) == 0

        return once(f"{what} {model}", fill)

    return trained


# Tiles


@pytest.fixture(scope="session")
def surfaces(once: Callable[..., Path]) -> Path:
    """12 photos without a scratch to train on, 2 without and 2 with one to validate."""
    return once(
        "surfaces",
        lambda folder: make_surface_dataset(folder, train=12, val_normal=2, val_anomalous=2, size=(300, 400)),
    )


@pytest.fixture(scope="session")
def tiled_model(train: Callable[..., Path], model_name: str, shipped: Path, surfaces: Path) -> Path:
    overrides = ["Train.batch_size=8", "Train.tiling.tile_size=64", "Train.tiling.max_tiles=98"]
    return train("tiled", model_name, shipped, surfaces, *overrides)


def test_a_tiled_model_says_so_in_a_block_of_its_own(tiled_model: Path) -> None:
    written = yaml.safe_load((tiled_model / "best_model/inference/inference.yml").read_text(encoding="utf-8"))
    assert written["AnomalyDetection"]["tiling"] == {"tile_size": 64, "overlap": 0.25}
    assert set(written["Deploy"]) == {"model", "params", "input_shape", "transforms"}


def test_a_tiled_model_finds_a_scratch_two_pixels_wide_in_its_place(tiled_model: Path, surfaces: Path, caplog) -> None:
    model = create_model(model_dir=tiled_model, device="cpu")
    assert model.tiling == Tiling(64, 0.25)
    assert "The model was made for" not in caplog.text
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


# The paper's fusion, and the threshold of the best F1


@pytest.fixture(scope="session")
def paper_model(train: Callable[..., Path], model_name: str, shipped: Path, demo_dataset: Path) -> Path:
    calibration = MODELS[model_name].options.model_fields["calibration"].annotation
    (other,) = {*typing.get_args(calibration.model_fields["fusion"].annotation)} - {"calibrated"}
    overrides = [f"Train.calibration.fusion={other}", "Train.calibration.rule=best_f1"]
    return train("paper", model_name, shipped, demo_dataset, *overrides)


def test_with_the_papers_fusion_the_first_output_of_the_graph_judges(paper_model: Path, demo_dataset: Path) -> None:
    model = create_model(model_dir=paper_model, device="cpu")
    sample = read_samples(demo_dataset, "val.txt")[0]
    raw_map = model.backend.run(model.folder.transform([sample.read()]))[0]
    assert raw_map.max() == pytest.approx(next(model.predict(sample.image_path))["raw_score"], rel=1e-5)


def test_with_best_f1_the_image_threshold_is_that_of_the_validation_images(
    paper_model: Path, demo_dataset: Path
) -> None:
    """No other threshold on the scores of val.txt has a higher F1, by counting."""
    model = create_model(model_dir=paper_model, device="cpu")
    samples = read_samples(demo_dataset, "val.txt")
    scores = np.array([result["raw_score"] for result in model.predict([sample.image_path for sample in samples])])
    is_bad = np.array([sample.mask is not None for sample in samples])

    def f1(called: np.ndarray) -> float:
        return 2 * (called & is_bad).sum() / (called.sum() + is_bad.sum())

    block = yaml.safe_load((paper_model / "best_model/inference/inference.yml").read_text(encoding="utf-8"))
    calibration = block["AnomalyDetection"]["calibration"]
    assert calibration["image_threshold"] == calibration["best_f1_threshold"]
    assert "highest F1 on the validation images" in calibration["method"]
    limits = calibration["image_threshold"] * np.array([1 - 1e-5, 1 + 1e-5])  # a score at it may be on either side
    assert max(f1(scores > limit) for limit in limits) == max(f1(scores > limit) for limit in [0, *scores])


# The light of the training photos


def test_a_model_that_knows_the_light_of_its_training_judges_a_photo_in_half_of_it_alike(
    train: Callable[..., Path], model_name: str, shipped: Path, demo_dataset: Path
) -> None:
    folder = train("light", model_name, shipped, demo_dataset, "Train.light=brightness")
    block = yaml.safe_load((folder / "best_model/inference/inference.yml").read_text(encoding="utf-8"))
    assert set(block["AnomalyDetection"]["preparation"]["light"]) == {"percentile", "darkest", "brightest"}
    model = create_model(model_dir=folder, device="cpu")
    photos = [sample.read() for sample in read_samples(demo_dataset, "val.txt")]
    dark = [np.rint(photo * 0.5).astype(np.uint8) for photo in photos]
    as_they_are, in_half = ([result["raw_score"] for result in model.predict(some)] for some in (photos, dark))
    model.preparation = NOTHING
    without = [result["raw_score"] for result in model.predict(dark)]
    as_they_are, in_half, without = map(np.array, (as_they_are, in_half, without))
    assert np.abs(in_half - as_they_are).mean() < 0.25 * np.abs(without - as_they_are).mean()


# Resuming


@pytest.mark.parametrize("name", RESUMABLE)
def test_a_training_that_goes_on_from_a_checkpoint_ends_as_one_that_was_not_interrupted(
    name: str, trained_models: Callable[[str], Path], tmp_path: Path
) -> None:
    whole = trained_models(name)
    first, *_ = sorted(path for path in (whole / "checkpoints").iterdir() if path.is_dir())
    options = [f"Train.resume_path={first}", f"Global.output={tmp_path / 'resumed'}", "Global.mode=train"]
    assert run_config(str(whole / "config.yaml"), options) == 0
    one, other = (read_arrays(output / "best_model" / "model.pdparams") for output in (whole, tmp_path / "resumed"))
    assert one.keys() == other.keys()
    for key, value in one.items():
        np.testing.assert_array_equal(value, other[key], err_msg=key)
    history = [
        json.loads((output / "train_result.json").read_text())["history"] for output in (whole, tmp_path / "resumed")
    ]
    assert [entry["epoch"] for entry in history[0]] == [entry["epoch"] for entry in history[1]]


# Alignment


@pytest.fixture(scope="session")
def parts(once: Callable[..., Path]) -> Path:
    """12 photos of a part that is moved and turned in each."""

    def fill(folder: Path) -> None:
        folder.mkdir()
        places = [((-1) ** n * 3 * n, 2 * (n % 5) - 4, 2 * n - 11) for n in range(12)]
        for number, (right, down, angle) in enumerate(places):
            cv2.imwrite(str(folder / f"{number}.png"), moved(draw_part(0, 192, 256), right, down, angle)[0])
        (folder / "train.txt").write_text("".join(f"{n}.png\n" for n in range(12)), encoding="utf-8")

    return once("parts", fill)


@pytest.fixture(scope="session")
def aligned_model(train: Callable[..., Path], model_name: str, shipped: Path, parts: Path) -> Path:
    return train("aligned", model_name, shipped, parts, "Train.alignment.enable=True")


def test_an_aligned_model_finds_the_part_where_it_lies_and_calls_no_other_good(
    aligned_model: Path, parts: Path
) -> None:
    model = create_model(model_dir=aligned_model, device="cpu")
    zero, moved_again = model.judge([draw_part(0, 192, 256), moved(draw_part(0, 192, 256), 20, -10, 5)[0]])
    assert zero["position"]["found"]
    difference = np.subtract(moved_again["position"]["shift"], zero["position"]["shift"])
    assert difference == pytest.approx([20, -10], abs=3)  # both are turned against the reference
    assert moved_again["position"]["angle"] - zero["position"]["angle"] == pytest.approx(5, abs=0.5)
    for seed in range(1, 6):
        (wrong,) = model.judge([draw_part(seed, 192, 256)])
        assert (wrong["position"]["found"], wrong["is_anomalous"], wrong["score"]) == (False, True, 1.0)


def test_an_aligned_model_judges_after_another_export_as_before(aligned_model: Path, parts: Path) -> None:
    options = ["Global.mode=export", f"Global.output={aligned_model}", f"Global.dataset_dir={parts}"]
    assert run_config(str(aligned_model / "config.yaml"), options) == 0
    photo = moved(draw_part(0, 192, 256), 12, 6, -4)[0]
    once, again = (create_model(model_dir=aligned_model / path, device="cpu") for path in ("best_model", "inference"))
    (one,), (other,) = once.judge([photo]), again.judge([photo])
    assert one["position"] == other["position"]
    assert one["raw_score"] == pytest.approx(other["raw_score"], rel=1e-4)


# Regions


@pytest.fixture(scope="session")
def regional_model(train: Callable[..., Path], model_name: str, shipped: Path, demo_dataset: Path) -> Path:
    """The right quarter is not inspected, and the upper half of the rest is a zone."""
    ignore = "Train.regions.ignore=[[[96,0],[128,0],[128,128],[96,128]]]"
    zones = "Train.regions.zones=[{name: above, polygon: [[0,0],[96,0],[96,64],[0,64]], factor: 1.5}]"
    return train("regional", model_name, shipped, demo_dataset, ignore, zones)


def test_a_model_of_regions_is_made_and_judges_in_them_alone(regional_model: Path, demo_dataset: Path) -> None:
    written = yaml.safe_load((regional_model / "best_model/inference/inference.yml").read_text(encoding="utf-8"))
    assert written["AnomalyDetection"]["preparation"]["regions"]["size"] == [128, 128]
    (scale,) = written["AnomalyDetection"]["calibration"]["zones"]
    assert (scale["name"], scale["slope"] > 0) == ("above", True)
    model = create_model(model_dir=regional_model, device="cpu")
    rng = np.random.default_rng(0)
    zones = set()
    for sample in read_samples(demo_dataset, "val.txt"):
        photo = sample.read()
        other = photo.copy()
        other[:, 96:] = rng.integers(0, 256, (128, 32, 3))
        (one,), (changed,) = model.predict(photo), model.predict(other)
        assert one.record() == changed.record()
        assert one["inspected_area"] == 0.75
        assert not one["pred"][0, :, 96:].any()
        for region in one["regions"]:
            zones.add(region["zone"])
            _, y, _, height = region["bbox"]
            assert region["zone"] == ("above" if y + height <= 64 else region["zone"] if y < 64 else None)
    assert zones <= {"above", None}
    with pytest.raises(PhotoError, match="another shape"):
        next(model.predict(np.zeros((128, 96, 3), np.uint8)))
