"""AnomalyDINO.yaml: PatchCore on DINOv2, trained from a weight file as it is published."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import yaml

from paddlex.config import find_config, load_config, schema_for
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES, build_backbone
from paddlex.modules.image_anomaly_detection.backbones.state_dicts import translated

CONFIG = find_config("paddlex/configs/image_anomaly_detection/AnomalyDINO.yaml")


def published_weights(path: Path) -> Path:
    """A file in the layout of Meta's dinov2_vits14_pretrain.pth, of random numbers."""
    network = build_backbone("dinov2_vits14", ["block12"], **BACKBONES["dinov2_vits14"].published_options)
    random = np.random.default_rng(0)
    arrays = {
        name: 0.05 * random.standard_normal(tensor.shape, np.float32) for name, tensor in network.state_dict().items()
    }
    theirs = translated("dinov2_vits14", arrays)  # which turns the matrices, and back
    theirs = {name: np.ascontiguousarray(array) for name, array in theirs.items()}
    path.write_bytes(safetensors.numpy.save({**theirs, "mask_token": np.zeros((1, 384), np.float32)}))
    return path


def test_it_is_patchcores_config_but_for_what_it_says() -> None:
    written, defaults = yaml.safe_load(CONFIG.read_text(encoding="utf-8")), schema_for("PatchCore")().model_dump()
    assert written["Global"]["model"] == "PatchCore"
    assert all(defaults["Train"][key] != value for key, value in written["Train"].items())
    assert load_config(CONFIG).Train.bank_size == written["Train"]["bank_size"]


@pytest.fixture
def train(main_runner, demo_dataset: Path, tmp_path: Path):
    """Train by the config, with an image size; the finished process, and the output folder."""
    weights = published_weights(tmp_path / "dinov2.safetensors")

    def train(size: str):
        return main_runner(
            "Global.mode=train", f"Global.dataset_dir={demo_dataset}", f"Global.output={tmp_path / 'output'}",
            "Global.device=cpu", f"Train.pretrain_weight_path={weights}", f"Train.image_size={size}", config=CONFIG,
        ), tmp_path / "output"  # fmt: skip

    return train


def test_it_trains_on_photos_of_any_shape(train) -> None:
    done, output = train("[56, 70]")
    assert done.returncode == 0, done.stderr
    result = json.loads((output / "train_result.json").read_text(encoding="utf-8"))
    # 4 x 5 patches of each of 24 photos, which are fewer than the bank could hold
    assert result["architecture"] == {"banks": {"block12": 24 * 20}}
    assert result["teacher_weights"]["source"].endswith("dinov2.safetensors")


def test_too_small_an_image_is_an_error_that_names_the_key(train) -> None:
    done, output = train("[42, 56]")
    assert done.returncode == 1
    assert "(3, 4) positions, too few to smooth" in done.stderr
    assert "Change Train.image_size" in done.stderr
    assert not (output / "best_model").exists()
