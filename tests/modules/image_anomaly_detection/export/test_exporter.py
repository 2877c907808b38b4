"""The exported graph is the network, and an export is whole or not there."""

from pathlib import Path

import numpy as np
import paddle
import pytest
import yaml

from paddlex.data.dataset import read_samples
from paddlex.inference.backends import open_backend
from paddlex.inference.inputs import read_image
from paddlex.inference.model_folder import open_model_folder
from paddlex.modules.image_anomaly_detection.export.exporter import add_onnx, export
from paddlex.modules.image_anomaly_detection.model import build_network, load_network
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMOptions
from paddlex.utils.devices import Device


@pytest.fixture(scope="module")
def model(trained):
    """(network, card) of the trained model."""
    return load_network(str(trained / "best_model" / "model.pdparams"), "STFPM", STFPMOptions())


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "inference"
    export(*model, folder)
    add_onnx(folder)
    return folder


@pytest.fixture(scope="module")
def batch(model, demo_dataset) -> np.ndarray:
    """Three validation images as the network takes them."""
    samples = read_samples(demo_dataset, "val.txt")[::5]
    return model[1].transform([read_image(sample.image_path) for sample in samples])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("backbone", ["wide_resnet50_2", "efficientnet_lite0"])
def test_the_static_graph_agrees_with_the_dynamic_one_for_other_backbones(backbone, tmp_path):
    paddle.seed(0)
    card = ModelCard(model_name="STFPM", backbone=backbone, layers=("layer1", "layer2"), image_size=64)
    network = build_network(card)
    network.eval()
    export(network, card, tmp_path / "inference")
    add_onnx(tmp_path / "inference")
    x = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    with paddle.no_grad():
        _, calibrated = (output.numpy() for output in network(paddle.to_tensor(x)))
    for run_mode in ("paddle", "onnx"):
        outputs = open_backend(open_model_folder(tmp_path / "inference"), run_mode, Device("cpu")).run(x)
        np.testing.assert_allclose(outputs[1], calibrated, rtol=1e-3, atol=1e-4)


def test_the_config_holds_the_calibration_and_where_the_teacher_is_from(model, folder):
    own = yaml.safe_load((folder / "inference.yml").read_text(encoding="utf-8"))["AnomalyDetection"]
    assert own["calibration"] == model[1].calibration.to_dict()
    assert own["teacher_weights"] == model[1].teacher_weights
    assert own["backbone"] == "resnet18"


def test_a_network_in_training_is_exported_as_it_will_judge_and_goes_on_training(model, batch, tmp_path):
    network, card = model
    with paddle.no_grad():
        expected = network(paddle.to_tensor(batch))[0].numpy()
    network.train()
    try:
        export(network, card, tmp_path / "inference")
        assert network.training and network.student.bn1.training and not network.teacher.bn1.training
    finally:
        network.eval()
    outputs = open_backend(open_model_folder(tmp_path / "inference"), "paddle", Device("cpu")).run(batch)
    np.testing.assert_allclose(outputs[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_an_interrupted_export_leaves_the_old_folder_as_it_was(model, tmp_path, monkeypatch, error):
    folder = tmp_path / "inference"
    export(*model, folder)
    before = contents(folder)

    def half_written(layer, path, **options):
        Path(f"{path}.pdmodel").write_bytes(b"half")
        raise error

    monkeypatch.setattr(paddle.jit, "save", half_written)
    with pytest.raises(type(error)):
        export(*model, folder)
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["inference"]


def test_an_interrupted_first_export_leaves_nothing(model, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError("no space left on device")

    monkeypatch.setattr(paddle.jit, "save", fail)
    with pytest.raises(OSError):
        export(*model, tmp_path / "inference")
    assert list(tmp_path.iterdir()) == []
