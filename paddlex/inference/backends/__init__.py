"""One small class for each way to run the network; importing one never imports another."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from paddlex.errors import ModelError
from paddlex.inference.model_folder import INT8_NAME, ONNX_NAME, ModelFolder
from paddlex.inference.self_check import difference, probe
from paddlex.utils.devices import Device
from paddlex.utils.logging import logger

_HERE = "paddlex.inference.backends"
_PADDLE = (f"{_HERE}.paddle_inference", "PaddleInference", "paddle", "paddlepaddle==3.2.2")
_ONNX_RUNTIME = (f"{_HERE}.onnx_runtime", "OnnxRuntime", "onnxruntime", "onnxruntime")
_OPENVINO = (f"{_HERE}.openvino_runtime", "OpenVINO", "openvino", "openvino")


class Backend(Protocol):
    """A network that is ready to run.

    Attributes:
        run_mode: the run mode that it was made with.
        is_concurrent: whether it can serve several threads at once; else they take turns.
    """

    run_mode: str
    is_concurrent: bool

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """float32 [N, 3, H, W] -> the graph's outputs, float32 [N, 1, H, W] each: the paper's raw map is the first."""
        ...


@dataclass(frozen=True)
class RunMode:
    """What ``Predict.kernel_option.run_mode`` can be.

    Attributes:
        module, class_name: who carries it out.
        package: the Python package that it needs, and what pip calls it in ``pip_name``.
        graph: the file of the inference folder that it runs; None for Paddle's graph, which has two possible names.
        devices: where it can run: ``cpu``, ``gpu``.
        is_exact: whether its maps equal the float32 network's to 1e-4 (facts of the arithmetic, not of a model).
    """

    module: str
    class_name: str
    package: str
    pip_name: str
    graph: str | None = None
    devices: tuple[str, ...] = ("cpu",)
    is_exact: bool = True

    def is_installed(self) -> bool:
        try:
            return importlib.util.find_spec(self.package) is not None
        except ImportError:
            return False

    def has_graph(self, folder: ModelFolder) -> bool:
        return folder.has_paddle_graph if self.graph is None else (folder.path / self.graph).is_file()


RUN_MODES = {
    "paddle": RunMode(*_PADDLE, devices=("cpu", "gpu")),
    "mkldnn": RunMode(*_PADDLE),
    "mkldnn_bf16": RunMode(*_PADDLE, is_exact=False),
    "trt_fp32": RunMode(*_PADDLE, devices=("gpu",)),
    "trt_fp16": RunMode(*_PADDLE, devices=("gpu",), is_exact=False),
    "onnx": RunMode(*_ONNX_RUNTIME, graph=ONNX_NAME, devices=("cpu", "gpu")),
    "onnx_int8": RunMode(*_ONNX_RUNTIME, graph=INT8_NAME, is_exact=False),
    "openvino": RunMode(*_OPENVINO, graph=ONNX_NAME),
    "openvino_bf16": RunMode(*_OPENVINO, graph=ONNX_NAME, is_exact=False),
    "openvino_int8": RunMode(*_OPENVINO, graph=INT8_NAME, is_exact=False),
}

#: What ``auto`` tries, the fastest first, as measured by benchmarks/inference.py; docs/inference.md has the figures. A fixed
#: order, not a race at every start: a line must not change its arithmetic because the machine was busy.
AUTO_ORDER = {"cpu": ("onnx", "openvino", "mkldnn", "paddle"), "gpu": ("paddle", "onnx")}


def open_backend(
    folder: ModelFolder,
    run_mode: str,
    device: Device,
    threads: int | None = None,
    concurrency: int = 1,
    *,
    quiet: bool = False,
) -> Backend:
    """Load the network of a folder.

    Args:
        folder: the model.
        run_mode: one of ``RUN_MODES``, or ``auto``: the fastest that is installed, has its graph and passes a self-check.
        device: where to run.
        threads: CPU threads for one run; None for ``OMP_NUM_THREADS``, or all cores, divided by ``concurrency``.
        concurrency: how many threads will call ``run`` at once; with a backend that is not concurrent they take turns.
        quiet: do not log what ``auto`` chose.

    Raises:
        ModelError: an unknown run mode, one that the device cannot carry out, a package that is missing, a graph that
            cannot be loaded, or one whose answer to the self-check is not finite or, in an exact mode, another one than
            when the model was exported.
    """
    if run_mode == "auto":
        return _fastest(folder, device, threads, concurrency, quiet)
    backend = _open(folder, run_mode, device, threads, concurrency)
    off_by = difference(folder.own.self_check if RUN_MODES[run_mode].is_exact else None, _answer(backend, folder))
    if off_by is not None:
        raise ModelError(
            f"{run_mode} does not compute what the model did when it was exported: its answer to the self-check is off "
            f"by {off_by:.2g}",
            where=folder.path,
            remedy="Export the model again, or use another run mode",
        )
    return backend


def _answer(backend: Backend, folder: ModelFolder) -> list[np.ndarray]:
    return backend.run(probe(folder.transform.size))


def _open(folder: ModelFolder, run_mode: str, device: Device, threads: int | None, concurrency: int) -> Backend:
    if run_mode not in RUN_MODES:
        raise ModelError(f"unknown run mode {run_mode!r}", remedy=f"It is one of auto, {', '.join(RUN_MODES)}")
    mode = RUN_MODES[run_mode]
    if device.kind not in mode.devices:
        able = [name for name, other in RUN_MODES.items() if device.kind in other.devices]
        raise ModelError(
            f"the run mode {run_mode} is for {' and '.join(mode.devices)}, not for {device}",
            remedy=f"Use one of {', '.join(able)}, or another device",
        )
    if not mode.is_installed():
        raise ModelError(f"the run mode {run_mode} needs {mode.package}", remedy=f"pip install {mode.pip_name}")
    if not mode.has_graph(folder):
        how = " with -o Export.precision=int8" if mode.graph == INT8_NAME else ""
        missing = mode.graph or "graph of Paddle"
        raise ModelError(f"the folder has no {missing}", where=folder.path, remedy=f"Export the model again{how}")
    made = getattr(importlib.import_module(mode.module), mode.class_name)
    backend: Backend = made(folder, run_mode, device, threads, concurrency)
    return backend


def _fastest(folder: ModelFolder, device: Device, threads: int | None, concurrency: int, quiet: bool) -> Backend:
    """The first of ``AUTO_ORDER`` that works; what was passed over is logged."""
    passed_over = []
    last: ModelError | None = None
    for name in AUTO_ORDER[device.kind]:
        mode = RUN_MODES[name]
        if not mode.is_installed():
            passed_over.append(f"{name} ({mode.package} is not installed)")
        elif not mode.has_graph(folder):
            passed_over.append(f"{name} (the model has no {mode.graph or 'graph of Paddle'})")
        else:
            try:
                backend = _open(folder, name, device, threads, concurrency)
                off_by = difference(folder.own.self_check, _answer(backend, folder))
            except ModelError as error:
                logger.warning("Run mode %s cannot be used: %s", name, error)
                passed_over.append(f"{name} (fails)")
                last = error
                continue
            if off_by is None:
                reason = f"; passed over: {', '.join(passed_over)}" if passed_over else ""
                if not quiet:
                    logger.info("Run mode auto: %s, the fastest that works here%s.", name, reason)
                return backend
            logger.warning("Run mode %s is passed over: its answer to the self-check is off by %.2g.", name, off_by)
            passed_over.append(f"{name} (failed the self-check)")
    if last is not None:  # the reason, and not a package that would be in vain
        raise ModelError(
            f"no run mode works on {device}: {'; '.join(passed_over)}; the last because {last.what}",
            where=last.where or folder.path,
            remedy=last.remedy,
        ) from last
    commands = " or ".join(f"pip install {RUN_MODES[name].pip_name}" for name in AUTO_ORDER[device.kind])
    raise ModelError(
        f"no run mode works on {device}: {'; '.join(passed_over)}", where=folder.path, remedy=f"Try {commands}"
    )
