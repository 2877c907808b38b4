"""The ONNX files of every model: what they hold, what they answer, and what INT8 costs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from paddlex import create_model
from paddlex.data.dataset import read_samples
from paddlex.inference.model_folder import open_model_folder
from paddlex.modules.image_anomaly_detection.export.export_check import EXACT

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def result(used_model: Path) -> dict:
    return json.loads((used_model / "export_result.json").read_text(encoding="utf-8"))


def test_the_graph_has_a_free_batch_size_and_names_that_mean_something(used_model: Path) -> None:
    graph = onnx.load(used_model / "inference" / "inference.onnx").graph
    ends = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert ends == {"x": ["N", 3, 128, 128], "raw_map": ["N", 1, 128, 128], "calibrated_map": ["N", 1, 128, 128]}


def test_the_opset_is_the_one_that_is_stated(used_model: Path, result: dict) -> None:
    model = onnx.load(used_model / "inference" / "inference.onnx")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", result["onnx_opset"])]


def test_batch_normalisation_is_merged_into_the_convolutions(used_model: Path) -> None:
    operators = {node.op_type for node in onnx.load(used_model / "inference" / "inference.onnx").graph.node}
    assert "BatchNormalization" not in operators


def test_the_result_names_the_files_and_how_far_each_graph_is_off(used_model: Path, result: dict) -> None:
    assert set(result["files"]) == {path.name for path in (used_model / "inference").iterdir()}
    assert {"inference.onnx", "inference_int8.onnx", "inference.pdmodel"} < set(result["files"])
    assert (result["checked_images"], result["calibrated"]) == (14, True)
    assert {"mkldnn", "onnx", "onnx_int8", "openvino", "openvino_int8"} == result["checks"].keys()
    for name in ("mkldnn", "onnx", "openvino"):
        assert result["checks"][name]["largest_difference"] < EXACT * result["checks"][name]["largest_value"]
    assert result["checks"]["onnx_int8"]["largest_difference"] > EXACT
    assert abs(result["checks"]["onnx"]["image_auroc_change"]) < 1e-5
    assert abs(result["checks"]["onnx"]["pixel_auroc_change"]) < 1e-5


def test_int8_is_smaller(used_model: Path) -> None:
    sizes = [(used_model / "inference" / name).stat().st_size for name in ("inference_int8.onnx", "inference.onnx")]
    assert sizes[0] < sizes[1]


def test_the_stated_change_of_auroc_by_int8_is_that_of_scikit_learn(
    used_model: Path, demo_dataset: Path, result: dict
) -> None:
    from sklearn.metrics import roc_auc_score

    samples = read_samples(demo_dataset, "val.txt")
    labels = [sample.mask is not None for sample in samples]
    auroc = {}
    for backend in ("onnx", "onnx_int8"):
        model = create_model(model_dir=used_model / "inference", device="cpu", backend=backend)
        auroc[backend] = roc_auc_score(
            labels, [item["raw_score"] for item in model.predict([sample.image_path for sample in samples])]
        )
    change = result["checks"]["onnx_int8"]["image_auroc_change"]
    assert change == pytest.approx(auroc["onnx_int8"] - auroc["onnx"], abs=1e-9)


@pytest.mark.parametrize("backend", ["onnx_int8", "openvino_int8"])
def test_int8_models_judge(used_model: Path, demo_dataset: Path, backend: str) -> None:
    folder = str(demo_dataset / "images" / "val")
    int8, exact = (
        [
            item["raw_score"]
            for item in create_model(None, used_model / "inference", "cpu", backend=name).predict(folder)
        ]
        for name in (backend, "onnx")
    )
    assert np.corrcoef(int8, exact)[0, 1] > 0.9
    assert int8 != exact


def test_the_archive_holds_the_same_model(
    used_model: Path, model_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADDLEX_HOME", str(tmp_path))
    unpacked = open_model_folder(used_model / f"{model_name}.tar").path
    for path in (used_model / "inference").iterdir():
        assert (unpacked / path.name).read_bytes() == path.read_bytes()
