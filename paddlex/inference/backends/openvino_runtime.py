"""OpenVINO: run modes ``openvino``, ``openvino_bf16`` and ``openvino_int8``, on a CPU."""

from __future__ import annotations

import threading

import numpy as np

from paddlex.inference.backends.failures import cannot_load, cannot_run
from paddlex.inference.backends.graph_check import check_onnx_graph
from paddlex.inference.model_folder import INT8_NAME, ONNX_NAME, ModelFolder
from paddlex.utils.devices import Device
from paddlex.utils.paddle_environment import default_threads
from paddlex.utils.private_imports import import_openvino

openvino = import_openvino()


class OpenVINO:
    """A compiled model with one infer request for each thread that runs it.

    Raises:
        ModelError: the graph cannot be loaded.
    """

    is_concurrent = True

    def __init__(
        self, folder: ModelFolder, run_mode: str, device: Device, threads: int | None, concurrency: int
    ) -> None:
        self.run_mode = run_mode
        self._graph = folder.path / (INT8_NAME if run_mode == "openvino_int8" else ONNX_NAME)
        check_onnx_graph(self._graph)
        settings = {
            # bfloat16 only where it is asked for: OpenVINO takes it by itself on processors that have it
            "INFERENCE_PRECISION_HINT": "bf16" if run_mode == "openvino_bf16" else "f32",
            "INFERENCE_NUM_THREADS": (threads or max(1, default_threads() // concurrency)) * concurrency,
            "NUM_STREAMS": concurrency,
        }
        try:
            core = openvino.Core()
            self._compiled = core.compile_model(core.read_model(self._graph), "CPU", settings)
        except Exception as error:  # whatever its C++ side throws
            raise cannot_load(self._graph, _reason(error)) from error
        self._local = threading.local()
        # Its Python side makes a table when it is first used. Two threads that come to it at once wait for each other for
        # ever, one with Python's lock and one with the table's: so it is used here, before there are several.
        self._compiled.inputs[0].get_element_type().to_dtype()

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """float32 [N, 3, H, W] -> the graph's outputs, float32 [N, 1, H, W] each: the paper's raw map is the first."""
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        try:
            outputs = self._local.request.infer([batch], share_inputs=True)
        except Exception as error:
            raise cannot_run(self._graph, batch, _reason(error)) from error
        return [np.array(outputs[number]) for number in range(len(self._compiled.outputs))]


def _reason(error: Exception) -> str:
    """The last line of OpenVINO's message; the first ones name its source files."""
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
