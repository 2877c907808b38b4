"""The ONNX files: what they hold, what they answer, and that nothing wrong is called done."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from paddlex.data.dataset import read_samples
from paddlex.errors import ModelError
from paddlex.inference.backends.onnx_runtime import OnnxRuntime
from paddlex.inference.inputs import read_image
from paddlex.inference.model_folder import open_model_folder
from paddlex.inference.self_check import probe
from paddlex.modules.image_anomaly_detection.export import export_check, onnx_export
from paddlex.modules.image_anomaly_detection.export.export_check import check_export
from paddlex.modules.image_anomaly_detection.export.onnx_export import convert_to_onnx, quantise
from paddlex.modules.image_anomaly_detection.model import load_network
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMOptions

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def exported(used: Path) -> Path:
    """The output of mode export with everything that it can write."""
    return used


@pytest.fixture(scope="module")
def network(trained: Path):
    return load_network(str(trained / "best_model" / "model.pdparams"), "STFPM", STFPMOptions())[0]


def test_batch_normalisation_is_merged_into_the_convolutions(exported: Path) -> None:
    operators = [node.op_type for node in onnx.load(exported / "inference" / "inference.onnx").graph.node]
    assert "BatchNormalization" not in operators
    assert operators.count("Conv") == 2 * 15 + 2  # ResNet-18 to layer3 twice, and the two halves of the Gaussian


def test_int8_quantises_the_networks_and_not_what_compares_them(exported: Path) -> None:
    model = onnx.load(exported / "inference" / "inference_int8.onnx")
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    producers = {output: node for node in model.graph.node for output in node.output}
    kinds = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            source = producers.get(node.input[1])
            is_int8 = source is not None and source.op_type == "DequantizeLinear"
            if is_int8:
                assert weights[source.input[0]].data_type == onnx.TensorProto.INT8
                scales = onnx.numpy_helper.to_array(weights[source.input[1]])
                assert len(scales) == weights[source.input[0]].dims[0]  # one for each output channel
            kinds.append(is_int8)
    assert (kinds.count(True), kinds.count(False)) == (30, 2)


def test_int8_is_about_a_quarter_of_the_size(exported: Path) -> None:
    sizes = [(exported / "inference" / name).stat().st_size for name in ("inference_int8.onnx", "inference.onnx")]
    assert sizes[0] < 0.3 * sizes[1]


def test_int8_without_a_data_set_is_an_error_and_leaves_nothing(main_runner, trained: Path, tmp_path: Path) -> None:
    done = main_runner(
        "Global.mode=export", f"Global.output={tmp_path}", "Export.precision=int8", "Global.dataset_dir=null",
        f"Export.weight_path={trained / 'best_model' / 'model.pdparams'}",
    )  # fmt: skip
    assert done.returncode == 1
    assert "INT8 needs normal images, and no data set is named (Global.dataset_dir). Set it." in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["export_result.json"]


def test_an_int8_model_that_loses_too_much_is_refused_unless_forced(
    exported: Path, demo_dataset: Path, network, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = read_samples(demo_dataset, "val.txt")
    monkeypatch.setattr(export_check, "MOST_AUROC_LOST", -2.0)  # whatever it loses is too much
    with pytest.raises(ModelError, match=r"the INT8 model loses .* of AUROC.*set Export\.force=True"):
        check_export(network, exported / "inference", samples, has_labels=True, force=False)
    assert "onnx_int8" in check_export(network, exported / "inference", samples, has_labels=True, force=True)


def test_a_map_that_is_not_finite_is_never_called_equal(
    exported: Path, demo_dataset: Path, network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NaN is not larger than any tolerance."""
    run = OnnxRuntime.run

    def spoilt(backend: OnnxRuntime, batch: np.ndarray) -> list[np.ndarray]:
        outputs = run(backend, batch)
        if not np.array_equal(batch, probe((batch.shape[3], batch.shape[2]))):
            outputs[1][0, 0, 0, 0] = np.nan
        return outputs

    monkeypatch.setattr(OnnxRuntime, "run", spoilt)
    samples = read_samples(demo_dataset, "val.txt")
    with pytest.raises(ModelError, match="the exported graph is wrong: by onnx its map is off by nan"):
        check_export(network, exported / "inference", samples, has_labels=False, force=True)


def test_a_graph_with_other_maps_than_the_network_is_not_called_done(exported: Path, network, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(exported / "inference", tmp_path / "inference"))
    model = onnx.load(folder / "inference.onnx")
    kernel = next(tensor for tensor in model.graph.initializer if list(tensor.dims)[2:] == [7, 7])
    kernel.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(kernel) * np.float32(1.001), kernel.name))
    onnx.save(model, folder / "inference.onnx")
    with pytest.raises(ModelError, match="onnx does not compute what the model did when it was exported"):
        check_export(network, folder, [], has_labels=False, force=False)


def test_the_ranges_of_int8_come_from_the_images_that_are_given(
    exported: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    folder = open_model_folder(exported)
    image = folder.transform([read_image(read_samples(demo_dataset, "train.txt")[0].image_path)])
    for name, batches in (("one", [image]), ("same", [image]), ("other", [image * 0.5])):
        quantise(exported / "inference" / "inference.onnx", tmp_path / f"{name}.onnx", iter(batches))
    contents = {path.stem: path.read_bytes() for path in tmp_path.glob("*.onnx")}
    assert contents["one"] == contents["same"] != contents["other"]


def test_a_missing_converter_is_named_with_the_command_that_adds_it(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: None if name == "paddle2onnx" else True)
    folder = trained / "best_model" / "inference"
    with pytest.raises(ModelError, match=r"needs paddle2onnx\. pip install paddle2onnx\."):
        convert_to_onnx(folder / "inference.pdmodel", folder / "inference.pdiparams", tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


def test_a_graph_that_is_none_cannot_be_converted(tmp_path: Path) -> None:
    (tmp_path / "a.pdmodel").write_bytes(b"")
    (tmp_path / "a.pdiparams").write_bytes(b"")
    with pytest.raises(ModelError, match="the graph cannot be converted to ONNX: "):
        convert_to_onnx(tmp_path / "a.pdmodel", tmp_path / "a.pdiparams", tmp_path / "x.onnx")
