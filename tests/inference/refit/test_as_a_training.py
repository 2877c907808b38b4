"""A refit to other pictures is a training on these: banks and Gaussians, copies, weighting, regions and zones and all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from paddlex.config import find_config
from paddlex.engine import run_config
from paddlex.inference.model_folder import ONNX_NAME, open_model_folder
from paddlex.inference.refit import refit
from paddlex.inference.refit.onnx_graph import OnnxGraph

OPTIONS = (
    "Global.device=cpu", "Train.image_size=128", "Train.robust=off", "Train.seed=3", "Train.bank_size=60",
    "Train.sampled_patches=5000", "Train.reweighting=True", "Train.copies=[half_turn, flip_horizontal]",
    "Train.batch_size=5", "Train.regions.ignore=[[[0, 0], [128, 0], [128, 20], [0, 20]]]",
    "Train.regions.zones=[{name: left, polygon: [[0, 40], [60, 40], [60, 128], [0, 128]], factor: 2}]",
    "Train.calibration.target_fpr=0.2", "Train.calibration.min_area=0.001",
)  # fmt: skip


@pytest.fixture(scope="module")
def lines(demo_dataset: Path) -> list[str]:
    return (demo_dataset / "train.txt").read_text(encoding="utf-8").splitlines()


def train(root: Path, demo_dataset: Path, lines: list[str], false_alarms: list[str], output: Path) -> Path:
    root.mkdir()
    (root / "images").symlink_to(demo_dataset / "images")
    (root / "train.txt").write_text("\n".join(lines), encoding="utf-8")
    (root / "false_alarms.txt").write_text("\n".join(false_alarms), encoding="utf-8")
    (root / "val.txt").write_text((demo_dataset / "val.txt").read_text(encoding="utf-8"), encoding="utf-8")
    for name in os.listdir(demo_dataset):
        if not (root / name).exists():
            (root / name).symlink_to(demo_dataset / name)
    overrides = ["Global.mode=train", f"Global.dataset_dir={root}", f"Global.output={output}", *OPTIONS]
    assert run_config(str(find_config("configs/image_anomaly_detection/PatchCorePaDiM.yaml")), overrides) == 0
    return output / "best_model" / "inference"


def test_what_comes_of_other_pictures_is_what_a_training_makes_of_them(demo_dataset, lines, tmp_path) -> None:
    """There and back: the second refit knows nothing of the training's pictures but by what it is given."""
    trained = train(tmp_path / "data", demo_dataset, lines[9:], lines[:3], tmp_path / "output")
    first, alarms, others = (
        [demo_dataset / line.split()[0] for line in some] for some in (lines[9:], lines[:3], lines[:14])
    )
    refit(trained, others, tmp_path / "other", run_mode="onnx")
    refit(tmp_path / "other", first, tmp_path / "back", false_alarms=alarms, run_mode="onnx")
    expected, between, found = (
        open_model_folder(folder).own.to_dict() for folder in (trained, tmp_path / "other", tmp_path / "back")
    )
    for own in (expected, found):
        del own["self_check"], own["calibration"]["best_f1_threshold"]
    assert found == expected
    assert between["calibration"]["scores"] != expected["calibration"]["scores"]
    graphs = [OnnxGraph((folder / ONNX_NAME).read_bytes()) for folder in (trained, tmp_path / "back")]
    for name in ("parts.0.patches", "parts.0.surroundings", "parts.3.whitening", "fusion.mean_1", "fusion.deviation_3"):
        np.testing.assert_array_equal(*(graph.array(name) for graph in graphs))
