"""Image anomaly detection in the manner of PaddleX: train on good parts, find the bad ones.

Nothing heavy is imported until it is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "create_model", "create_pipeline"]

if TYPE_CHECKING:
    from paddlex.inference.pipelines import create_pipeline
    from paddlex.inference.predictor import AnomalyPredictor
    from paddlex.inference.tiling import Tiling


def __getattr__(name: str) -> Any:
    """``create_pipeline`` is imported when it is asked for."""
    if name == "create_pipeline":
        from paddlex.inference.pipelines import create_pipeline

        return create_pipeline
    raise AttributeError(f"module 'paddlex' has no attribute {name!r}")


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
    tiling: Tiling | Mapping[str, Any] | int | None = None,
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
        min_area: share of the image (of a tile, with tiling) below which an anomalous region is left out.
        tiling: scan large images in tiles, ``{"tile_size": 256, "overlap": 0.25}`` or the tile size alone; None as the model
            was made, 0 not at all. A model should be trained with it, see docs/large_images.md.

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
        tiling=tiling,
    )
