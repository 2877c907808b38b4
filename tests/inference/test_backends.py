"""Every way of running the graph gives the same maps, and a graph that cannot run says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from paddlex.errors import ModelError
from paddlex.inference.backends import RUN_MODES, open_backend
from paddlex.inference.model_folder import open_model_folder
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.utils.devices import Device

CPU = Device("cpu")

#: Exports a model in PaddlePaddle 3's own format, as PaddleX's official archives are.
EXPORT_AS_JSON = """
import sys
import paddle
from paddlex.config_schema import TrainSection
from paddlex.modules.image_anomaly_detection.model import load_network
network, card = load_network(sys.argv[1], "STFPM", TrainSection())
spec = paddle.static.InputSpec([None, 3, card.image_size, card.image_size], "float32", name="x")
paddle.jit.save(network, sys.argv[2], input_spec=[spec])
"""


@pytest.fixture
def damaged(trained: Path, tmp_path: Path) -> Path:
    """A copy of the inference folder, to be damaged."""
    return Path(shutil.copytree(trained / "best_model" / "inference", tmp_path / "inference"))


@pytest.fixture(scope="module")
def batch(predictor: AnomalyPredictor, images: list[str]) -> np.ndarray:
    from paddlex.inference.inputs import read_image

    return predictor.folder.transform([read_image(image) for image in images])


@pytest.fixture(scope="module")
def maps(trained: Path, batch: np.ndarray) -> dict[str, list[np.ndarray]]:
    folder = open_model_folder(trained)
    return {mode: open_backend(folder, mode, CPU).run(batch) for mode in ("paddle", "mkldnn")}


def test_the_graph_gives_the_papers_map_and_the_calibrated_map(maps: dict[str, list[np.ndarray]]) -> None:
    outputs = maps["paddle"]
    assert [(output.shape, output.dtype) for output in outputs] == [((5, 1, 128, 128), np.float32)] * 2
    assert outputs[0].min() >= 0  # a product of squared distances
    assert outputs[1].min() < 0  # z-scores


@pytest.mark.parametrize("output", [0, 1])
def test_the_run_modes_agree(maps: dict[str, list[np.ndarray]], output: int) -> None:
    assert np.abs(maps["paddle"][output] - maps["mkldnn"][output]).max() < 1e-4
    assert np.ptp(maps["paddle"][output]) > 0.1


def test_the_static_graph_agrees_with_the_network(
    trained: Path, batch: np.ndarray, maps: dict[str, list[np.ndarray]]
) -> None:
    import paddle

    from paddlex.config_schema import TrainSection
    from paddlex.modules.image_anomaly_detection.model import load_network

    network, _ = load_network(str(trained / "best_model" / "model.pdparams"), "STFPM", TrainSection())
    with paddle.no_grad():
        outputs = [output.numpy() for output in network(paddle.to_tensor(batch))]
    for dynamic, static in zip(outputs, maps["paddle"], strict=True):
        assert np.abs(dynamic - static).max() < 1e-4


def test_the_new_graph_format_runs_in_every_mode(
    trained: Path, tmp_path: Path, batch: np.ndarray, maps: dict[str, list[np.ndarray]]
) -> None:
    weights = trained / "best_model" / "model.pdparams"
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", EXPORT_AS_JSON, str(weights), str(tmp_path / "inference")],
        env={**os.environ, "FLAGS_enable_pir_api": "1", "PYTHONPATH": str(root)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shutil.copy(trained / "best_model" / "inference" / "inference.yml", tmp_path)
    folder = open_model_folder(tmp_path)
    assert folder.graph.name == "inference.json"
    for mode in ("paddle", "mkldnn"):
        for new, old in zip(open_backend(folder, mode, CPU).run(batch), maps[mode], strict=True):
            assert np.abs(new - old).max() < 1e-4


def test_auto_is_mkldnn_on_a_cpu(predictor: AnomalyPredictor) -> None:
    assert predictor.backend.run_mode == "mkldnn"


def test_an_unknown_run_mode_is_refused_with_those_that_exist(trained: Path) -> None:
    with pytest.raises(ModelError) as caught:
        open_backend(open_model_folder(trained), "fast", CPU)
    assert str(caught.value) == f"unknown run mode 'fast'. It is one of {', '.join(RUN_MODES)}."


def test_mkldnn_on_a_gpu_is_refused(trained: Path) -> None:
    with pytest.raises(ModelError) as caught:
        open_backend(open_model_folder(trained), "mkldnn", Device("gpu", (0,)))
    assert str(caught.value) == "the run mode mkldnn is for CPUs (gpu:0). Use paddle, or device=cpu."


@pytest.mark.parametrize("name", ["inference.pdmodel", "inference.pdiparams"])
def test_a_truncated_file_is_an_error_that_says_what_to_do(damaged: Path, name: str) -> None:
    content = (damaged / name).read_bytes()
    (damaged / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError) as caught:
        open_backend(open_model_folder(damaged), "paddle", CPU)
    message = str(caught.value)
    assert message.startswith("the graph cannot be loaded: ")
    assert message.endswith(f"({damaged / 'inference.pdmodel'}). Export the model again.")
    assert "\n" not in message


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"])
def test_a_graph_that_is_none_is_an_error_and_no_crash(damaged: Path, content: bytes) -> None:
    (damaged / "inference.pdmodel").write_bytes(content)
    with pytest.raises(ModelError, match="the graph is damaged, or no graph"):
        open_backend(open_model_folder(damaged), "paddle", CPU)


def test_a_graph_of_another_input_size_is_an_error_that_names_the_shape(damaged: Path) -> None:
    backend = open_backend(open_model_folder(damaged), "paddle", CPU)
    with pytest.raises(ModelError) as caught:
        backend.run(np.zeros((1, 3, 64, 64), np.float32))
    assert str(caught.value).startswith("the graph cannot run on an input of shape [1, 3, 64, 64]: (")
