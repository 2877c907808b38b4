"""Defects among the training images: they are found, listed and left out, whatever the model; the photos stay as they are."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.config import find_config, load_config
from paddlex.data.dataset import read_samples
from paddlex.engine import run_config
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.models.contract import Model
from paddlex.modules.image_anomaly_detection.training.gradient import trainer
from paddlex.modules.image_anomaly_detection.training.screening import find_suspects
from paddlex.modules.image_anomaly_detection.training.suspects import Suspect
from paddlex.utils.devices import Device

#: Names that a page and a table must not take for anything else.
NAMES = ["<b>&.png", "=1+1.png", "plain.png"]

#: Ways to learn: images are cross-fitted, or whole photos are looked at first.
WAYS = {
    "cross-fitted": ("PatchCore",),
    "in tiles": ("PaDiM", "Train.tiling.tile_size=64"),
}


#: Where each defect is, in pixels: x and y of its middle.
PLACES = {"<b>&.png": (22, 20), "=1+1.png": (72, 26), "plain.png": (26, 72), "bad.png": (70, 70)}


def photo(name: str, seed: int) -> np.ndarray:
    """A brushed plate with a bore; a defective one has a stain, a bright bar or a spot of rust."""
    random = np.random.default_rng(seed)
    grey = 120 + 30 * cv2.GaussianBlur(random.normal(size=(96, 96)), (0, 0), sigmaX=6, sigmaY=1)
    image = cv2.cvtColor(np.clip(grey, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    cv2.circle(image, (48, 48), 14, (60, 60, 60), cv2.FILLED)
    x, y = PLACES.get(name, (0, 0))
    if name == "=1+1.png":
        cv2.rectangle(image, (x - 10, y - 3), (x + 10, y + 3), (255, 255, 255), cv2.FILLED)
    elif name == "plain.png":
        cv2.circle(image, (x, y), 9, (20, 60, 200), cv2.FILLED)
    elif name in PLACES:
        cv2.circle(image, (x, y), 9, (0, 0, 0), cv2.FILLED)
    return image


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 good plates and 3 defective ones to train on, in between; 2 of each to validate. Do not change it."""
    folder = tmp_path_factory.mktemp("plates")
    names = [f"good {number}.png" for number in range(24)]
    for place, name in zip((3, 12, 20), NAMES, strict=True):
        names.insert(place, name)
    for number, name in enumerate([*names, "ok.png", "bad.png"]):
        cv2.imwrite(str(folder / name), photo(name, number))
    cv2.imwrite(str(folder / "mask.png"), np.full((96, 96), 255, np.uint8))
    (folder / "train.txt").write_text("".join(f"{name}\n" for name in names))
    (folder / "val.txt").write_text("ok.png\nbad.png mask.png\n")
    (folder.parent / "plates.json").write_text(json.dumps(_digests(folder)))
    return folder


@pytest.fixture(scope="module")
def train(plates: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """(model, overrides) -> the output folder of a short training, each trained once. Do not change it."""
    done: dict[tuple[str, ...], Path] = {}

    def run(model: str, *overrides: str, output: Path | None = None) -> Path:
        settings = (model, *overrides)
        if output is None and settings in done:
            return done[settings]
        output = output or done.setdefault(settings, tmp_path_factory.mktemp("output"))
        config = find_config(f"configs/image_anomaly_detection/{model}.yaml")
        common = ["Global.mode=train", f"Global.dataset_dir={plates}", f"Global.output={output}", "Global.device=cpu"]
        assert run_config(str(config), [*common, "Train.image_size=96", *overrides]) == 0
        return output

    return run


def result_of(output: Path) -> dict:
    return json.loads((output / "train_result.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=list(WAYS))
def left_out(request: pytest.FixtureRequest, train: Callable[..., Path]) -> Path:
    """What a training has left that left suspects out, as all do by default."""
    return train(*WAYS[request.param])


def test_the_defects_are_listed_with_their_lines_and_the_reason(left_out):
    suspects = {one["image"]: one for one in result_of(left_out)["suspects"]}
    assert set(NAMES) <= suspects.keys() and len(suspects) <= len(NAMES) + 2
    assert [suspects[name]["line"] for name in NAMES] == [4, 13, 21]
    for name in NAMES:
        assert suspects[name]["spreads"] > suspects[name]["limit"]
        assert suspects[name]["why"].startswith("its score is ")


def test_the_ring_is_in_the_quarter_of_the_picture_where_the_defect_is(left_out):
    suspects = {one["image"]: one for one in result_of(left_out)["suspects"]}
    for name in NAMES:
        assert [share > 0.5 for share in suspects[name]["place"]] == [pixel > 48 for pixel in PLACES[name]]


def test_the_page_and_the_table_show_names_as_text(left_out):
    page = (left_out / "suspects" / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;.png" in page and "<b>&" not in page
    assert page.count("data:image/jpeg") == len(result_of(left_out)["suspects"])
    with (left_out / "suspects" / "suspects.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert rows["<b>&.png"]["line"] == "4" and "'=1+1.png" in rows


def test_the_log_and_the_warnings_name_them(left_out):
    assert "training images may show a defect, and nothing was learnt from them" in (left_out / "train.log").read_text()
    assert any("suspects/report.html" in warning for warning in result_of(left_out)["warnings"])


def test_suspects_that_were_left_out_are_not_counted_among_what_was_learnt_from(left_out):
    result = result_of(left_out)
    assert result["images"] + result["held_out_images"] == 27 - len(result["suspects"])


def test_no_photo_and_no_list_is_changed(plates, left_out):
    assert _digests(plates) == json.loads((plates.parent / "plates.json").read_text())


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def _calibration(output: Path) -> dict:
    return json.loads((output / "best_model" / "model.pdstates").read_text(encoding="utf-8"))["calibration"]


def test_without_the_defects_the_threshold_is_that_of_the_good_parts(train):
    """Listed alone they are learnt from: they stand among the scores that the thresholds rest on, and one may hide another."""
    left, listed = train(*WAYS["cross-fitted"]), train("PatchCore", "Train.robust=list")
    assert set(NAMES) & {one["image"] for one in result_of(listed)["suspects"]}
    left, listed = _calibration(left), _calibration(listed)
    assert len(listed["scores"]) == 27 and 22 <= len(left["scores"]) <= 24
    assert left["image_threshold"] < 0.8 * listed["image_threshold"]


def test_a_training_that_does_not_look_says_nothing_and_leaves_no_list_of_an_earlier_one(train, tmp_path):
    output = Path(shutil.copytree(train(*WAYS["cross-fitted"]), tmp_path / "again"))
    train("PatchCore", "Train.robust=off", output=output)
    assert result_of(output)["suspects"] == [] and not (output / "suspects").exists()
    assert len(_calibration(output)["scores"]) == 27


def test_a_model_that_learns_by_gradients_neither_learns_from_suspects_nor_rests_on_them(plates, tmp_path, monkeypatch):
    def some(photos, config, device):
        return [Suspect(photo, 9.0, 5.0, 3.4, (0.5, 0.5)) for photo in photos if photo.image in NAMES]

    monkeypatch.setattr(trainer, "find_suspects", some)
    overrides = [f"Global.dataset_dir={plates}", f"Global.output={tmp_path}", "Train.image_size=64"]
    run = trainer.Trainer(load_config(find_config("configs/image_anomaly_detection/STFPM.yaml"), overrides), "cpu")
    used = {sample.image for sample in (*run.fit_samples, *run.held_out_samples)}
    assert len(used) == 24 and not used & set(NAMES)
    assert [one.sample.image for one in run.suspects] == NAMES
    assert (tmp_path / "suspects" / "report.html").is_file() and "nothing was learnt from them" in run.warnings[0]


def test_whoever_cannot_judge_its_own_photos_has_another_model_look_at_them(plates, monkeypatch):
    asked = []
    monkeypatch.setattr(Model, "suspects", lambda self, config, device, photos: asked.append(config) or [])
    photos = read_samples(plates, "train.txt")
    for size in (128, 512):
        schema = load_config(find_config("configs/image_anomaly_detection/STFPM.yaml"), [f"Train.image_size={size}"])
        assert find_suspects(photos, schema, Device("cpu")) == []
    assert [MODELS[config.Global.model].screen is not None for config in asked] == [True, True]
    assert [(config.Train.backbone, config.Train.image_size) for config in asked] == [
        ("resnet18", 128),
        ("resnet18", 320),
    ]
    assert find_suspects(photos[:9], schema, Device("cpu")) == [] and len(asked) == 2


@pytest.mark.slow
@pytest.mark.parametrize("model", [name for name, model in MODELS.items() if model.screen is not None])
def test_every_model_that_judges_its_own_photos_leaves_the_defects_out(model, train):
    result = result_of(train(model))
    assert set(NAMES) <= {one["image"] for one in result["suspects"]}
