"""ONNX Runtime: run modes ``onnx`` and ``onnx_int8``."""

from __future__ import annotations

import numpy as np

from paddlex.errors import DeviceError
from paddlex.inference.backends.failures import cannot_load, cannot_run
from paddlex.inference.backends.graph_check import check_onnx_graph
from paddlex.inference.model_folder import INT8_NAME, ONNX_NAME, ModelFolder
from paddlex.utils.devices import Device
from paddlex.utils.paddle_environment import default_threads
from paddlex.utils.private_imports import import_onnxruntime

onnxruntime = import_onnxruntime()


class OnnxRuntime:
    """A session; any number of threads may run it at once.

    Raises:
        ModelError: the graph cannot be loaded.
        DeviceError: a GPU is asked for and this ONNX Runtime has no CUDA provider, or it does not start.
    """

    is_concurrent = True

    def __init__(
        self, folder: ModelFolder, run_mode: str, device: Device, threads: int | None, concurrency: int
    ) -> None:
        self.run_mode = run_mode
        self._graph = folder.path / (INT8_NAME if run_mode == "onnx_int8" else ONNX_NAME)
        check_onnx_graph(self._graph)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; its warnings are about things that no user can change
        options.intra_op_num_threads = threads or max(1, default_threads() // concurrency)
        options.inter_op_num_threads = 1
        if concurrency > 1:  # threads that wait in a busy loop would take the cores from the other runs
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = _providers(device)
        try:
            self._session = onnxruntime.InferenceSession(self._graph, options, providers=providers)
        except Exception as error:  # whatever its C++ side throws
            raise cannot_load(self._graph, error) from error
        if device.is_gpu and "CUDAExecutionProvider" not in self._session.get_providers():
            raise DeviceError(
                "ONNX Runtime could not start on the GPU", remedy="Check CUDA and cuDNN, or use device=cpu"
            )
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """float32 [N, 3, H, W] -> the graph's outputs, float32 [N, 1, H, W] each: the paper's raw map is the first."""
        try:
            return list(self._session.run(None, {self._input: batch}))
        except Exception as error:
            raise cannot_run(self._graph, batch, error) from error


def _providers(device: Device) -> list[str | tuple[str, dict[str, int]]]:
    if not device.is_gpu:
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise DeviceError(
            "this ONNX Runtime has no CUDA provider", where=str(device), remedy="pip install onnxruntime-gpu"
        )
    return [("CUDAExecutionProvider", {"device_id": device.index})]
