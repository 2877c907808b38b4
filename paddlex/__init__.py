"""Image anomaly detection in the manner of PaddleX: train on good parts, find the bad ones.

Nothing heavy is imported until it is used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["__version__", "create_model"]

if TYPE_CHECKING:
    from paddlex.inference.predictor import AnomalyPredictor


def create_model(
    model_name: str = "STFPM",
    model_dir: str | os.PathLike[str] | None = None,
    device: str | None = None,
    *,
    backend: str = "auto",
    threads: int | None = None,
    threshold: float | None = None,
    target_fpr: float | None = None,
    min_area: float | None = None,
) -> AnomalyPredictor:
    """Load a model that is ready to judge images.

    Args:
        model_name: what the model must be, such as ``STFPM``.
        model_dir: an inference folder, an exported .tar, or the output folder of a training run; None fetches PaddleX's
            official model once and keeps it in the cache.
        device: ``auto`` (None), ``cpu``, ``gpu`` or ``gpu:0``.
        backend: what runs the network, one of the names of ``Predict.kernel_option.run_mode``: ``auto`` (the fastest that is
            installed), ``onnx``, ``openvino``, ``mkldnn``, ``paddle`` and others.
        threads: CPU threads to use; None for all cores.
        threshold: another limit for the raw image score than the model's own.
        target_fpr: instead of a threshold, the share of good parts that may be called anomalous.
        min_area: share of the image below which an anomalous region is left out.

    Returns:
        A predictor; its ``predict(input, batch_size=1)`` yields results.

    Raises:
        ModelError: the folder cannot be used, or holds another model.
        DownloadError: the official model cannot be fetched.
        DeviceError: the device is not there.
    """
    from paddlex.inference.official_models import official_model_folder
    from paddlex.inference.predictor import AnomalyPredictor

    folder = official_model_folder(model_name) if model_dir is None else model_dir
    return AnomalyPredictor(
        folder,
        model_name=model_name,
        device=device,
        run_mode=backend,
        threads=threads,
        threshold=threshold,
        target_fpr=target_fpr,
        min_area=min_area,
    )
