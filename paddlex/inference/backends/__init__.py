"""One small class for each way to run the network; importing one never imports another."""

from __future__ import annotations

import importlib
from typing import Protocol

import numpy as np

from paddlex.errors import ModelError
from paddlex.inference.model_folder import ModelFolder
from paddlex.utils.devices import Device


class Backend(Protocol):
    """A network that is ready to run."""

    #: The run mode that it was made with.
    run_mode: str

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """float32 [N, 3, H, W] -> the graph's outputs, float32 [N, 1, H, W] each: the paper's raw map is the first."""
        ...


#: ``Predict.kernel_option.run_mode`` -> the module and class that carry it out.
BACKENDS = {
    "paddle": ("paddlex.inference.backends.paddle_inference", "PaddleInference"),
    "mkldnn": ("paddlex.inference.backends.paddle_inference", "PaddleInference"),
}
RUN_MODES = ("auto", *BACKENDS)


def open_backend(folder: ModelFolder, run_mode: str, device: Device) -> Backend:
    """Load the network of a folder.

    Args:
        folder: the model.
        run_mode: one of ``RUN_MODES``; ``auto`` is oneDNN on a CPU and plain Paddle Inference on a GPU.
        device: where to run.

    Raises:
        ModelError: an unknown run mode, one that the device cannot carry out, or a graph that cannot be loaded.
    """
    if run_mode == "auto":
        run_mode = "paddle" if device.is_gpu else "mkldnn"
    if run_mode not in BACKENDS:
        raise ModelError(f"unknown run mode {run_mode!r}", remedy=f"It is one of {', '.join(RUN_MODES)}")
    if run_mode == "mkldnn" and device.is_gpu:
        raise ModelError("the run mode mkldnn is for CPUs", where=str(device), remedy="Use paddle, or device=cpu")
    module_name, class_name = BACKENDS[run_mode]
    backend: Backend = getattr(importlib.import_module(module_name), class_name)(folder, run_mode, device)
    return backend
