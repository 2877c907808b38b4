"""CONTRIBUTING.md adds a model in five steps; here they are taken as they stand."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from paddlex import create_model
from paddlex.config import load_config
from paddlex.data.dataset import read_samples
from paddlex.engine import main
from paddlex.errors import ConfigError
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.modules.image_anomaly_detection.export.export_check import EXACT, DynamicGraph
from paddlex.modules.image_anomaly_detection.model import load_network
from paddlex.modules.image_anomaly_detection.models import MODELS

ROOT = Path(__file__).parent.parent
FILE = re.compile(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory):
    """A folder with the files of the page, whose model is registered."""
    folder = tmp_path_factory.mktemp("five steps")
    files = dict(FILE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    assert len(files) == 5
    known = dict(MODELS)
    sys.path.insert(0, str(folder))
    exec(compile(files["register.py"], "register.py", "exec"), {})
    assert set(MODELS) - set(known) == {"MeanColour"}
    yield folder
    sys.path.remove(str(folder))
    MODELS.clear()
    MODELS.update(known)
    for module in [name for name in sys.modules if name.partition(".")[0] == "mean_colour"]:
        del sys.modules[module]


def run(project: Path, mode: str, *overrides: str) -> dict:
    """A mode by main.py's own entrance, and what its result says."""
    wanted = [f"Global.mode={mode}", f"Global.output={project / 'output'}", "Global.device=cpu", *overrides]
    status = main(["-c", str(project / "MeanColour.yaml"), *(part for one in wanted for part in ("-o", one))])
    result = json.loads((project / "output" / f"{mode}_result.json").read_text(encoding="utf-8"))
    assert status == 0, result
    return result


@pytest.fixture(scope="module")
def trained(project: Path, demo_dataset: Path) -> dict:
    return run(project, "train", f"Global.dataset_dir={demo_dataset}", "Train.image_size=auto:96")


def test_training_leaves_a_model_with_its_thresholds(project: Path, trained: dict) -> None:
    assert trained["model_name"] == "MeanColour"
    assert all((project / "output" / path).is_file() for path in trained["models"]["best"].values())
    card = json.loads((project / "output" / "best_model" / "model.pdstates").read_text(encoding="utf-8"))
    assert card["architecture"] == {"stride": 8}
    assert card["calibration"]["image_threshold"] > 0
    assert not {"backbone", "layers"} & card.keys()


def test_what_has_been_learnt_is_the_mean_of_the_training_images(project: Path, trained: dict, demo_dataset) -> None:
    network, card = load_network(
        str(project / "output" / "best_model" / "model.pdparams"), "MeanColour", MODELS["MeanColour"].options()
    )
    images = np.concatenate([card.transform([one.read()]) for one in read_samples(demo_dataset, "train.txt")])
    means = images.reshape(len(images), 3, 12, 8, 12, 8).mean(axis=(3, 5))
    # a fifth of the images is held out; the mean of the rest is near that of all, compared with how they differ
    assert np.abs(network.mean.numpy()[0] - means.mean(axis=0)).max() < means.std(axis=0).max()


def test_it_is_evaluated(project: Path, trained: dict, demo_dataset: Path) -> None:
    metrics = run(project, "evaluate", f"Global.dataset_dir={demo_dataset}")["metrics"]
    assert 0 <= metrics["image_auroc"] <= 1
    assert {"IoU", "Precision", "Recall"} <= metrics.keys()


def test_it_is_exported_and_every_engine_agrees_with_the_network(
    project: Path, trained: dict, demo_dataset: Path
) -> None:
    result = run(project, "export", f"Global.dataset_dir={demo_dataset}")
    assert {"mkldnn", "onnx"} <= result["checks"].keys()
    for check in result["checks"].values():
        assert check["largest_difference"] <= EXACT * max(1.0, check["largest_value"])


def test_it_predicts_in_a_folder_and_by_create_model_alike(project: Path, trained: dict, demo_dataset: Path) -> None:
    sample = read_samples(demo_dataset, "val.txt")[0]
    result = run(project, "predict", f"Predict.input={sample.image_path}")
    assert result["done_flag"]
    (report,) = (project / "output" / "predict").glob("*_res.json")
    (judged,) = create_model("MeanColour", model_dir=project / "output", device="cpu").predict(str(sample.image_path))
    assert json.loads(report.read_text(encoding="utf-8"))["raw_score"] == pytest.approx(judged["raw_score"], rel=1e-5)
    network, _ = load_network(
        str(project / "output" / "best_model" / "model.pdparams"), "MeanColour", MODELS["MeanColour"].options()
    )
    itself = AnomalyPredictor(project / "output", device="cpu", quiet=True)
    itself.backend = DynamicGraph(network)
    (wanted,) = itself.predict(str(sample.image_path))
    np.testing.assert_allclose(judged["anomaly_map"], wanted["anomaly_map"], atol=1e-3)


def test_its_own_keys_are_known_and_no_others(project: Path) -> None:
    config = str(project / "MeanColour.yaml")
    assert load_config(config, ["Train.stride=4"]).Train.stride == 4
    with pytest.raises(ConfigError, match=r"unknown key Train\.strid .*Did you mean Train\.stride\?"):
        load_config(config, ["Train.strid=4"])
    with pytest.raises(ConfigError, match=r"unknown key Train\.backbone, which is .* means nothing for MeanColour"):
        load_config(config, ["Train.backbone=resnet18"])


def test_a_network_that_cannot_be_is_one_line(project: Path, demo_dataset: Path) -> None:
    output = project / "too small"
    status = main(["-c", str(project / "MeanColour.yaml"), "-o", "Global.mode=train", "-o", f"Global.output={output}",
                   "-o", f"Global.dataset_dir={demo_dataset}", "-o", "Train.image_size=32", "-o", "Global.device=cpu",
                   "-o", "Train.stride=32"])  # fmt: skip
    result = json.loads((output / "train_result.json").read_text(encoding="utf-8"))
    assert status == 1
    assert "the image is too small" in result["err_msg"]
    assert not (output / "best_model").exists()
