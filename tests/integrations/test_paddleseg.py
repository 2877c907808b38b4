"""STFPM in PaddleSeg, whose PyPI release needs NumPy 1 and an old OpenCV: in a virtual environment of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
import yaml

from paddlex.config import schema_for
from paddlex.modules.image_anomaly_detection.model import load_network

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "paddlex" / "configs" / "paddleseg" / "stfpm.yml"
SCRIPT = Path(__file__).with_name("paddleseg_script.py")
SIZE, ITERATIONS = 128, 12


def documented_requirements() -> list[str]:
    """What docs/paddleseg.md tells to install."""
    text = (ROOT / "docs" / "paddleseg.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^seg/bin/pip install (.*paddleseg.*)$", text, re.MULTILINE)
    return [requirement.strip('"') for requirement in line.split()]


@pytest.fixture(scope="module")
def python(request: pytest.FixtureRequest) -> Path:
    """The interpreter of PaddleSeg's environment, kept in pytest's cache folder."""
    folder = Path(request.config.cache.mkdir("paddleseg"))  # type: ignore[union-attr]
    requirements, done, interpreter = documented_requirements(), folder / "installed.json", folder / "bin" / "python"
    wanted = json.dumps([sys.version, requirements])
    if done.is_file() and done.read_text(encoding="utf-8") == wanted:
        return interpreter
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    command = [str(interpreter), "-m", "pip", "install", "--quiet", *requirements]
    installed = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    if "(from versions: none)" in installed.stderr or "Failed to establish a new connection" in installed.stderr:
        pytest.skip(f"pip reaches no index with PaddleSeg: {installed.stderr.strip().splitlines()[-1]}")
    assert installed.returncode == 0, installed.stderr
    done.write_text(wanted, encoding="utf-8")
    return interpreter


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 3, SIZE, SIZE)).astype(np.float32)


@pytest.fixture(scope="module")
def paddleseg(python: Path, images: np.ndarray, trained: Path, demo_dataset: Path, tmp_path_factory):
    """The folder that PaddleSeg trained into, and what the script found."""
    folder = tmp_path_factory.mktemp("paddleseg")
    np.save(folder / "images.npy", images)
    config = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    for key in ("train_dataset", "val_dataset"):
        config[key]["dataset_root"] = str(demo_dataset)
        config[key]["transforms"][0]["target_size"] = [SIZE, SIZE]
    config["model"]["image_size"] = SIZE
    config.update(iters=ITERATIONS, batch_size=4)
    config["lr_scheduler"].update(T_max=ITERATIONS * 3 // 4, warmup_iters=ITERATIONS // 4)
    (folder / "stfpm.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    arguments = [folder / "stfpm.yml", folder / "output", folder / "images.npy", trained / "best_model/model.pdparams"]
    done = subprocess.run(
        [str(python), str(SCRIPT), *map(str, arguments)],
        capture_output=True, text=True, timeout=600, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder / "output", json.loads(done.stdout.splitlines()[-1])


def raw_map_of(weights: Path, images: np.ndarray) -> np.ndarray:
    """The paper's map of our own network with these weights, in our own environment."""
    config = schema_for("STFPM")()
    config.Train.image_size = SIZE
    network, _ = load_network(str(weights), "STFPM", config.Train)
    with paddle.no_grad():
        return network(paddle.to_tensor(images))[0].numpy()


def raw_map_in(logits: np.ndarray) -> np.ndarray:
    """The raw map that PaddleSeg's logits stand for: 0 and log(map / 0.01)."""
    assert not logits[:, 0].any()
    return 0.01 * np.exp(logits[:, 1:])


@pytest.mark.slow  # an environment with a second Paddle
def test_paddleseg_trains_the_student(paddleseg) -> None:
    losses = paddleseg[1]["losses"]
    assert len(losses) == ITERATIONS
    assert np.mean(losses[-3:]) < 0.8 * losses[0]


@pytest.mark.slow
def test_weights_that_paddleseg_saved_are_ours(paddleseg, images: np.ndarray) -> None:
    output = paddleseg[0]
    ours = raw_map_of(output / f"iter_{ITERATIONS}" / "model.pdparams", images)
    theirs = raw_map_in(np.load(output / "logits.npz")["saved"])
    np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_our_weights_are_paddlesegs(paddleseg, images: np.ndarray, trained: Path) -> None:
    ours = raw_map_of(trained / "best_model" / "model.pdparams", images)
    theirs = raw_map_in(np.load(paddleseg[0] / "logits.npz")["ours"])
    np.testing.assert_allclose(theirs, ours, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_evaluate_and_export_take_what_paddleseg_saved(
    paddleseg, main_runner, demo_dataset: Path, tmp_path: Path
) -> None:
    weights = paddleseg[0] / f"iter_{ITERATIONS}" / "model.pdparams"
    shared = (f"Global.output={tmp_path}", "Global.device=cpu", f"Train.image_size={SIZE}")
    data = f"Global.dataset_dir={demo_dataset}"
    done = main_runner("Global.mode=evaluate", data, f"Evaluate.weight_path={weights}", "Evaluate.analyses=[]", *shared)
    assert done.returncode == 0, done.stderr
    pixel_auroc = json.loads((tmp_path / "evaluate_result.json").read_text(encoding="utf-8"))["metrics"]["pixel_auroc"]
    # PaddleSeg enlarges the logarithm of the map, we the map itself
    assert paddleseg[1]["pixel_auroc"] == pytest.approx(pixel_auroc, abs=0.02)
    done = main_runner("Global.mode=export", f"Export.weight_path={weights}", *shared)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "inference" / "inference.yml").is_file()


@pytest.mark.slow
def test_the_data_set_gives_what_paddleseg_expects(paddleseg) -> None:
    found = paddleseg[1]
    assert found["image"] == [[3, SIZE, SIZE], "float32"]
    assert found["labels"] == [[1, 128, 128], [SIZE, SIZE]]


@pytest.mark.slow
def test_areas_count_the_pixels_of_each_class_and_no_ignored_one(paddleseg) -> None:
    right, predicted, actual = paddleseg[1]["areas"]  # of [0, 1, 1, 1] against [0, 1, 0, ignored]
    assert (right, predicted, actual) == ([1, 1], [1, 2], [2, 1])


@pytest.mark.skipif(importlib.util.find_spec("paddleseg") is not None, reason="PaddleSeg is installed here")
def test_without_paddleseg_the_import_says_what_it_needs() -> None:
    with pytest.raises(
        ImportError, match=r"^PaddleSeg cannot be imported: .* environment of its own, with paddleseg==2\.8\.0$"
    ):
        importlib.import_module("paddlex.integrations.paddleseg")


def test_the_shipped_recipe_is_that_of_our_own_config() -> None:
    theirs, ours = yaml.safe_load(SHIPPED.read_text(encoding="utf-8")), schema_for("STFPM")().Train
    assert (theirs["model"]["arch"], theirs["model"]["layers"]) == (ours.backbone, ours.layers)
    assert theirs["model"]["image_size"] == ours.image_size
    assert theirs["batch_size"] == ours.batch_size
    assert theirs["lr_scheduler"]["learning_rate"] == ours.learning_rate
    optimiser = theirs["optimizer"]
    assert (optimiser["momentum"], optimiser["use_nesterov"]) == (ours.momentum, ours.nesterov)
    assert optimiser["weight_decay"] == ours.weight_decay
    schedule = theirs["lr_scheduler"]
    assert schedule["warmup_iters"] + schedule["T_max"] == theirs["iters"]
