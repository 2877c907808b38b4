"""Every way of running the graph gives the same maps, and a graph that cannot run says so."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import yaml

from paddlex.errors import DeviceError, ModelError
from paddlex.inference.backends import AUTO_ORDER, RUN_MODES, RunMode, open_backend
from paddlex.inference.model_folder import open_model_folder
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.utils.devices import Device
from paddlex.utils.paddle_environment import has_cpu_flag

CPU = Device("cpu")
GPU = Device("gpu", (0,))
EXACT_MODES = ("paddle", "mkldnn", "onnx", "openvino")

#: Exports a model in PaddlePaddle 3's own format, as PaddleX's official archives are.
EXPORT_AS_JSON = """
import sys
import paddle
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMOptions
from paddlex.modules.image_anomaly_detection.model import load_network
network, card = load_network(sys.argv[1], "STFPM", STFPMOptions())
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
    return {mode: open_backend(folder, mode, CPU).run(batch) for mode in EXACT_MODES}


def test_the_graph_gives_the_papers_map_and_the_calibrated_map(maps: dict[str, list[np.ndarray]]) -> None:
    outputs = maps["paddle"]
    assert [(output.shape, output.dtype) for output in outputs] == [((5, 1, 128, 128), np.float32)] * 2
    assert outputs[0].min() >= 0  # a product of squared distances
    assert outputs[1].min() < 0  # z-scores


@pytest.mark.parametrize("mode", EXACT_MODES[1:])
@pytest.mark.parametrize("output", [0, 1])
def test_the_float32_run_modes_agree(maps: dict[str, list[np.ndarray]], mode: str, output: int) -> None:
    assert np.abs(maps["paddle"][output] - maps[mode][output]).max() < 1e-4
    assert np.ptp(maps["paddle"][output]) > 0.1


@pytest.mark.parametrize("mode", ["mkldnn_bf16", "openvino_bf16"])
def test_bfloat16_comes_near(trained: Path, batch: np.ndarray, maps: dict[str, list[np.ndarray]], mode: str) -> None:
    if not has_cpu_flag("avx512bw"):
        pytest.skip("this processor has no bfloat16")
    difference = np.abs(open_backend(open_model_folder(trained), mode, CPU).run(batch)[1] - maps["paddle"][1]).max()
    assert 0 < difference < 0.1 * np.abs(maps["paddle"][1]).max()


def test_bfloat16_on_a_processor_without_it_is_an_error(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paddlex.inference.backends.paddle_inference.has_cpu_flag", lambda flag: False)
    with pytest.raises(ModelError, match=r"bfloat16 needs a processor with AVX-512\. Use run_mode mkldnn\."):
        open_backend(open_model_folder(trained), "mkldnn_bf16", CPU)


def test_the_static_graph_agrees_with_the_network(
    trained: Path, batch: np.ndarray, maps: dict[str, list[np.ndarray]]
) -> None:
    import paddle

    from paddlex.modules.image_anomaly_detection.model import load_network
    from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMOptions

    network, _ = load_network(str(trained / "best_model" / "model.pdparams"), "STFPM", STFPMOptions())
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


def test_auto_takes_the_first_of_its_order(predictor: AnomalyPredictor) -> None:
    assert predictor.backend.run_mode == AUTO_ORDER["cpu"][0] == "onnx"


@pytest.mark.parametrize(
    ("missing", "chosen"), [(("onnxruntime",), "openvino"), (("onnxruntime", "openvino"), "mkldnn")]
)
def test_auto_passes_over_what_is_not_installed(
    trained: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...], chosen: str
) -> None:
    monkeypatch.setattr(RunMode, "is_installed", lambda mode: mode.package not in missing)
    assert open_backend(open_model_folder(trained), "auto", CPU).run_mode == chosen


def test_auto_passes_over_a_graph_that_is_not_there(damaged: Path) -> None:
    (damaged / "inference.onnx").unlink()
    assert open_backend(open_model_folder(damaged), "auto", CPU).run_mode == "mkldnn"


def test_auto_passes_over_a_damaged_graph_and_says_so(damaged: Path, caplog: pytest.LogCaptureFixture) -> None:
    (damaged / "inference.onnx").write_bytes(b"no graph")
    caplog.set_level(logging.INFO, "paddlex")
    assert open_backend(open_model_folder(damaged), "auto", CPU).run_mode == "mkldnn"
    assert "Run mode onnx cannot be used: the graph is damaged, or no graph" in caplog.text
    assert (
        "Run mode auto: mkldnn, the fastest that works here; passed over: onnx (fails), openvino (fails)."
        in caplog.text
    )


def test_auto_passes_over_a_graph_with_other_answers_than_when_it_was_exported(
    damaged: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import onnx

    model = onnx.load(damaged / "inference.onnx")
    kernel = next(tensor for tensor in model.graph.initializer if list(tensor.dims)[2:] == [7, 7])
    changed = onnx.numpy_helper.to_array(kernel) * np.float32(1.01)
    kernel.CopyFrom(onnx.numpy_helper.from_array(changed, kernel.name))
    onnx.save(model, damaged / "inference.onnx")
    assert open_backend(open_model_folder(damaged), "auto", CPU).run_mode == "mkldnn"
    assert "Run mode onnx is passed over: its answer to the self-check is off by" in caplog.text


def test_nothing_that_works_is_an_error_with_the_commands_that_help(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunMode, "is_installed", lambda mode: False)
    with pytest.raises(ModelError) as caught:
        open_backend(open_model_folder(trained), "auto", CPU)
    assert "no run mode works on cpu: onnx (onnxruntime is not installed)" in str(caught.value)
    assert "Try pip install onnxruntime or pip install openvino" in str(caught.value)


@pytest.mark.parametrize(
    ("mode", "package"), [("onnx", "onnxruntime"), ("openvino", "openvino"), ("mkldnn", "paddlepaddle==3.2.2")]
)
def test_a_missing_package_is_named_with_the_command_that_adds_it(
    trained: Path, monkeypatch: pytest.MonkeyPatch, mode: str, package: str
) -> None:
    monkeypatch.setattr(RunMode, "is_installed", lambda mode: False)
    with pytest.raises(ModelError, match=rf"the run mode {mode} needs .*\. pip install {package}\."):
        open_backend(open_model_folder(trained), mode, CPU)


@pytest.mark.parametrize("mode", EXACT_MODES)
def test_a_mode_that_is_named_must_pass_the_self_check_too(damaged: Path, mode: str) -> None:
    config = damaged / "inference.yml"
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    content["AnomalyDetection"]["self_check"]["values"][1][3] += 1.0
    config.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(
        ModelError, match=rf"{mode} does not compute what the model did when it was exported: .* is off by "
    ):
        open_backend(open_model_folder(damaged), mode, CPU)


def test_an_unknown_run_mode_is_refused_with_those_that_exist(trained: Path) -> None:
    with pytest.raises(ModelError) as caught:
        open_backend(open_model_folder(trained), "fast", CPU)
    assert str(caught.value) == f"unknown run mode 'fast'. It is one of auto, {', '.join(RUN_MODES)}."


@pytest.mark.parametrize(("mode", "device"), [("mkldnn", GPU), ("openvino", GPU), ("trt_fp16", CPU)])
def test_a_run_mode_of_another_device_is_refused(trained: Path, mode: str, device: Device) -> None:
    with pytest.raises(ModelError, match=rf"the run mode {mode} is for .*, not for {device}\. Use one of "):
        open_backend(open_model_folder(trained), mode, device)


def test_int8_without_its_graph_says_how_to_export_it(trained: Path) -> None:
    with pytest.raises(
        ModelError, match=r"no inference_int8.onnx .* Export the model again with -o Export\.precision=int8\."
    ):
        open_backend(open_model_folder(trained), "onnx_int8", CPU)


def test_onnx_runtime_without_cuda_does_not_fall_back_to_the_cpu(trained: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(DeviceError, match=r"no CUDA provider \(gpu:0\)\. pip install onnxruntime-gpu\."):
        open_backend(open_model_folder(trained), "onnx", GPU)


@pytest.mark.parametrize("mode", EXACT_MODES)
def test_threads_that_run_one_backend_at_once_get_their_own_answers(
    trained: Path, batch: np.ndarray, mode: str
) -> None:
    backend = open_backend(open_model_folder(trained), mode, CPU, 1, 3)
    alone = [backend.run(image[None])[1] for image in batch]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda number: backend.run(batch[number % 5][None])[1], range(30)))
    for number, outputs in enumerate(together):
        np.testing.assert_allclose(outputs, alone[number % 5], atol=1e-5)


@pytest.mark.parametrize("mode", ["onnx", "openvino"])
def test_a_truncated_onnx_file_is_an_error_that_says_what_to_do(damaged: Path, mode: str) -> None:
    path = damaged / "inference.onnx"
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ModelError, match=r"the graph is damaged, or no graph .* Export the model again\."):
        open_backend(open_model_folder(damaged), mode, CPU)


@pytest.mark.parametrize("mode", ["onnx", "openvino"])
def test_an_onnx_graph_of_another_input_size_is_an_error_that_names_the_shape(damaged: Path, mode: str) -> None:
    backend = open_backend(open_model_folder(damaged), mode, CPU)
    with pytest.raises(ModelError, match=r"the graph cannot run on an input of shape \[1, 3, 64, 64\]: "):
        backend.run(np.zeros((1, 3, 64, 64), np.float32))


@pytest.mark.parametrize("name", ["inference.pdmodel", "inference.pdiparams"])
def test_a_truncated_file_is_an_error_that_says_what_to_do(damaged: Path, name: str) -> None:
    content = (damaged / name).read_bytes()
    (damaged / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError) as caught:
        open_backend(open_model_folder(damaged), "paddle", CPU)
    message = str(caught.value)
    assert message.startswith(("the graph cannot be loaded: ", "the graph is damaged, or no graph"))
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


#: Opens OpenVINO, and lets many threads run it for the first time at one moment, with Python changing threads all the time.
TOGETHER = """
import os, sys, threading
import numpy as np
from paddlex.inference.backends import open_backend
from paddlex.inference.model_folder import open_model_folder
from paddlex.utils.devices import Device
backend = open_backend(open_model_folder(sys.argv[1]), "openvino", Device("cpu"))
sys.setswitchinterval(1e-6)
together, done = threading.Barrier(16), []
def run():
    together.wait()
    done.append(backend.run(np.zeros((1, 3, 128, 128), np.float32)))
threads = [threading.Thread(target=run, daemon=True) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join(60)
print(len(done), flush=True)
os._exit(0)
"""


def test_threads_that_run_openvino_for_the_first_time_at_once_all_come_back(trained: Path) -> None:
    """Its Python side can let two of them wait for each other for ever, about once in four starts."""
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", TOGETHER, str(trained)], capture_output=True, text=True, timeout=200
        )
        assert done.stdout.split() == ["16"], done.stderr
