"""Paddle Inference with its own kernels (``paddle``), oneDNN (``mkldnn…``) or TensorRT (``trt_…``)."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from paddlex.errors import ModelError
from paddlex.inference.backends.failures import cannot_load, cannot_run
from paddlex.inference.backends.graph_check import check_paddle_graph
from paddlex.inference.model_folder import ModelFolder
from paddlex.utils.devices import Device
from paddlex.utils.paddle_environment import default_threads, has_cpu_flag, import_paddle, restore_threads

_GPU_MEMORY_POOL_MB = 256
_TENSORRT_BATCH = 8


class PaddleInference:
    """A static graph in Paddle's inference engine; threads that run it at once take turns.

    Raises:
        ModelError: Paddle cannot load the graph, or cannot run it in this way on this machine.
    """

    is_concurrent = False

    def __init__(
        self, folder: ModelFolder, run_mode: str, device: Device, threads: int | None, concurrency: int
    ) -> None:
        check_paddle_graph(folder.graph)
        import_paddle()
        from paddle import inference

        self.run_mode = run_mode
        self._turn = threading.Lock()
        self._graph = folder.graph
        config = inference.Config(str(folder.graph), str(folder.params))
        config.disable_glog_info()
        config.enable_memory_optim()
        if folder.graph.suffix == ".json":  # PaddlePaddle 3's own format; paddle_environment prefers the older one
            config.enable_new_ir(True)
            config.enable_new_executor(True)
        if device.is_gpu:
            config.enable_use_gpu(_GPU_MEMORY_POOL_MB, device.index)
            if run_mode.startswith("trt"):
                _use_tensorrt(config, inference, run_mode, folder.transform.size)
        else:
            config.disable_gpu()
            config.set_cpu_math_library_num_threads(threads or default_threads())
            _use_onednn(config, run_mode)
        try:
            self._predictor = inference.create_predictor(config)
        except Exception as error:  # Paddle raises whatever its C++ side throws
            raise cannot_load(folder.graph, _reason(error)) from error
        self._input = self._predictor.get_input_handle(self._predictor.get_input_names()[0])
        names = self._predictor.get_output_names()
        self._outputs = [self._predictor.get_output_handle(name) for name in names]

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """float32 [N, 3, H, W] -> the graph's outputs, float32 [N, 1, H, W] each: the paper's raw map is the first."""
        with self._turn:
            self._input.reshape(batch.shape)
            self._input.copy_from_cpu(batch)
            try:
                self._predictor.run()
            except Exception as error:
                raise cannot_run(self._graph, batch, _reason(error)) from error
            finally:
                restore_threads()
            return [output.copy_to_cpu() for output in self._outputs]


def _use_onednn(config: Any, run_mode: str) -> None:
    """Set oneDNN's kernels, in float32 or bfloat16, or Paddle's own."""
    if run_mode == "paddle":
        config.disable_mkldnn()
        return
    config.enable_mkldnn()
    if run_mode == "mkldnn_bf16":
        if not has_cpu_flag("avx512bw"):  # Paddle would go on in float32 without a word
            raise ModelError("bfloat16 needs a processor with AVX-512", remedy="Use run_mode mkldnn")
        config.enable_mkldnn_bfloat16()


def _use_tensorrt(config: Any, inference: Any, run_mode: str, size: tuple[int, int]) -> None:
    """Let TensorRT run what it can of the graph, for batches of 1 to ``_TENSORRT_BATCH``."""
    if not any(inference.get_trt_compile_version()):
        raise ModelError("this Paddle was built without TensorRT", remedy="Use run_mode paddle or onnx")
    precision = inference.PrecisionType.Half if run_mode == "trt_fp16" else inference.PrecisionType.Float32
    config.enable_tensorrt_engine(
        workspace_size=1 << 30, max_batch_size=_TENSORRT_BATCH, min_subgraph_size=3, precision_mode=precision,
        use_static=False, use_calib_mode=False,
    )  # fmt: skip
    width, height = size
    smallest, largest = {"x": [1, 3, height, width]}, {"x": [_TENSORRT_BATCH, 3, height, width]}
    config.set_trt_dynamic_shape_info(smallest, largest, smallest)


def _reason(error: Exception) -> str:
    """The line of Paddle's message that says what is wrong, such as ``(NotFound) …``; the last one, if none does."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if line.startswith("(")), lines[-1])
