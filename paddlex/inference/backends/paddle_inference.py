"""Paddle Inference: run modes ``paddle`` (its own kernels) and ``mkldnn`` (oneDNN, on a CPU)."""

from __future__ import annotations

import numpy as np

from paddlex.errors import ModelError
from paddlex.inference.model_folder import ModelFolder
from paddlex.utils.devices import Device
from paddlex.utils.paddle_environment import import_paddle, restore_threads, usable_cores

_GPU_MEMORY_POOL_MB = 256

#: How a .pdmodel begins: field 1 of a protobuf message. Given text instead (a Git LFS pointer, say), Paddle crashes.
_PDMODEL_START = b"\n"


class PaddleInference:
    """A static graph in Paddle's inference engine.

    Raises:
        ModelError: Paddle is not installed, or cannot load the graph.
    """

    def __init__(self, folder: ModelFolder, run_mode: str, device: Device) -> None:
        try:
            import_paddle()
        except ImportError as error:
            raise ModelError("PaddlePaddle is not installed", remedy="pip install paddlepaddle==3.2.2") from error
        from paddle import inference

        self.run_mode = run_mode
        self._graph = folder.graph
        if folder.graph.suffix == ".pdmodel" and folder.graph.read_bytes()[:1] != _PDMODEL_START:
            raise ModelError("the graph is damaged, or no graph", where=folder.graph, remedy="Export the model again")
        config = inference.Config(str(folder.graph), str(folder.params))
        config.disable_glog_info()
        config.enable_memory_optim()
        if folder.graph.suffix == ".json":  # PaddlePaddle 3's own format; paddle_environment prefers the older one
            config.enable_new_ir(True)
            config.enable_new_executor(True)
        if device.is_gpu:
            config.enable_use_gpu(_GPU_MEMORY_POOL_MB, device.index)
        else:
            config.disable_gpu()
            config.set_cpu_math_library_num_threads(usable_cores())
            if run_mode == "mkldnn":
                config.enable_mkldnn()
            else:
                config.disable_mkldnn()
        try:
            self._predictor = inference.create_predictor(config)
        except Exception as error:  # Paddle raises whatever its C++ side throws
            raise ModelError(
                f"the graph cannot be loaded: {_reason(error)}", where=folder.graph, remedy="Export the model again"
            ) from error
        self._input = self._predictor.get_input_handle(self._predictor.get_input_names()[0])
        names = self._predictor.get_output_names()
        self._outputs = [self._predictor.get_output_handle(name) for name in names]

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """float32 [N, 3, H, W] -> the graph's outputs, float32 [N, 1, H, W] each: the paper's raw map is the first."""
        self._input.reshape(batch.shape)
        self._input.copy_from_cpu(batch)
        try:
            self._predictor.run()
        except Exception as error:
            raise ModelError(
                f"the graph cannot run on an input of shape {list(batch.shape)}: {_reason(error)}",
                where=self._graph,
                remedy="Check Deploy.transforms in inference.yml, or export the model again",
            ) from error
        finally:
            restore_threads()
        return [output.copy_to_cpu() for output in self._outputs]


def _reason(error: Exception) -> str:
    """The line of Paddle's message that says what is wrong, such as ``(NotFound) …``; the last one, if none does."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if line.startswith("(")), lines[-1])
