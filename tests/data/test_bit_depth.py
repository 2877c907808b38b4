"""A camera of 12 bits: its depth is found once from all training images, kept with the model, and used wherever it judges."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex import create_model
from paddlex.data.bit_depth import find_bit_depth, find_reading
from paddlex.data.dataset import TRAIN_LIST, read_samples
from paddlex.data.dataset_checker import check_dataset
from paddlex.errors import ImageReadError
from paddlex.inference.reading import Reading


def twelve_bits(picture: np.ndarray) -> np.ndarray:
    """An 8-bit picture as a camera of 12 bits would have taken it."""
    return np.round(picture / 255 * 4095).astype(np.uint16)


def write_data_set(root: Path, largest_values: list[int | None]) -> Path:
    """Training images of 16 bits that reach these values, or of 8 bits for None; one validation image."""
    random = np.random.default_rng(0)
    for number, largest in enumerate([*largest_values, None]):
        picture = random.integers(100, 256, (32, 32)).astype(np.uint8)
        deep = picture if largest is None else np.round(picture / picture.max() * largest).astype(np.uint16)
        (root / "good").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "good" / f"{number}.png"), deep)
    count = len(largest_values)
    (root / "train.txt").write_text("".join(f"good/{number}.png\n" for number in range(count)))
    (root / "val.txt").write_text(f"good/{count}.png\n")
    return root


@pytest.mark.parametrize(
    ("largest", "depth"),
    [
        ([None, None], 8),
        ([1023, 900], 10),
        ([900, 4000, 700], 12),
        ([None, 3000], 12),
        ([16383], 14),
        ([4000, 65535], 16),
    ],
)
def test_the_depth_is_the_smallest_that_holds_the_largest_value_of_all_images(
    tmp_path: Path, largest: list[int | None], depth: int
) -> None:
    root = write_data_set(tmp_path, largest)
    assert find_bit_depth(read_samples(root, TRAIN_LIST)) == depth
    assert find_reading(Reading(), root).bit_depth == depth


def test_a_depth_that_is_given_is_not_looked_for(tmp_path: Path) -> None:
    root = write_data_set(tmp_path, [900])
    assert find_reading(Reading(12), root) == Reading(12)


def test_check_dataset_reports_the_depth_and_reads_the_pictures_with_it(tmp_path: Path) -> None:
    root = write_data_set(tmp_path / "data", [4000, 3900, 3800, 3700, 3600, None])
    found = check_dataset(root, tmp_path / "output")
    assert found["attributes"]["bit_depth"] == 12
    assert found["analysis"]["statistics"]["train"]["brightness"]["mean"] > 100


def test_check_dataset_refuses_a_validation_image_beyond_the_depth(tmp_path: Path) -> None:
    root = write_data_set(tmp_path / "data", [4000, 3900, 3800, 3700, 3600])
    cv2.imwrite(str(root / "good" / "5.png"), np.full((32, 32), 5000, np.uint16))
    with pytest.raises(Exception, match="the picture holds the value 5000, but the model is for pictures of 12 bits"):
        check_dataset(root, tmp_path / "output")


@pytest.fixture(scope="module")
def deep_data(demo_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration data set with every second image as of a camera of 12 bits."""
    root = Path(shutil.copytree(demo_dataset, tmp_path_factory.mktemp("deep") / "data"))
    for name in ("train.txt", "val.txt"):
        lines = [line.split("\t")[0].split(" ")[0] for line in (root / name).read_text().splitlines()]
        for image in lines[::2]:
            renamed = image.rsplit(".", 1)[0] + ".png"
            cv2.imwrite(str(root / renamed), twelve_bits(cv2.imread(str(root / image))))
            text = (root / name).read_text().replace(image, renamed)
            (root / name).write_text(text)
    return root


@pytest.fixture(scope="module")
def deep_model(deep_data: Path, main_runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("deep_model")
    done = main_runner(
        "Global.mode=train", f"Global.dataset_dir={deep_data}", f"Global.output={output}", "Global.device=cpu",
        "Train.image_size=64", "Train.epochs_iters=1", "Train.batch_size=4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "pictures of 12 bits a channel" in done.stderr
    return output


def test_a_part_has_the_same_score_in_eight_and_in_twelve_bits(
    deep_model: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    model = create_model("STFPM", deep_model, device="cpu")
    assert model.reading.bit_depth == 12
    line = (demo_dataset / "val.txt").read_text().splitlines()[-1]
    picture = cv2.imread(str(demo_dataset / line.split("\t")[0].split(" ")[0]))
    cv2.imwrite(str(tmp_path / "8.png"), picture)
    cv2.imwrite(str(tmp_path / "12.png"), twelve_bits(picture))
    cv2.imwrite(str(tmp_path / "12.tif"), twelve_bits(picture))
    sources = [str(tmp_path / name) for name in ("8.png", "12.png", "12.tif")]
    scores = [result["score"] for result in model.predict([*sources, picture, twelve_bits(picture)])]
    assert scores == pytest.approx([scores[0]] * 5, abs=0.01)


def test_a_picture_beyond_the_models_range_is_that_images_error(deep_model: Path, tmp_path: Path) -> None:
    model = create_model("STFPM", deep_model, device="cpu")
    errors = []
    bright, dark = np.full((64, 64), 4096, np.uint16), np.full((64, 64), 2000, np.uint16)
    results = list(model.predict([bright, dark], on_error=lambda source, error: errors.append(error)))
    assert len(results) == len(errors) == 1
    with pytest.raises(ImageReadError, match="the value 4096, but the model is for pictures of 12 bits"):
        raise errors[0]
    wider = create_model("STFPM", deep_model, device="cpu", bit_depth=16)
    assert len(list(wider.predict([bright, dark]))) == 2


def test_the_other_modes_read_with_the_depth_of_the_model(deep_model: Path, deep_data: Path, main_runner) -> None:
    common = f"Global.dataset_dir={deep_data}", f"Global.output={deep_model}", "Global.device=cpu"
    for mode in ("evaluate", "export", "predict"):
        done = main_runner(f"Global.mode={mode}", *common, f"Predict.input={deep_data}")
        assert done.returncode == 0, done.stderr
    results = json.loads((deep_model / "predict_result.json").read_text(encoding="utf-8"))
    assert results["failed_images"] == 0


def test_a_model_of_eight_bits_never_takes_a_picture_of_twelve_for_a_dark_one(trained: Path) -> None:
    model = create_model("STFPM", trained, device="cpu")
    assert model.reading.bit_depth == 8
    with pytest.raises(ImageReadError, match="Set bit_depth to that of the camera"):
        list(model.predict(np.full((64, 64), 2000, np.uint16)))
