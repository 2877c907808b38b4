"""Image anomaly detection in the manner of PaddleX: train on good parts, find the bad ones.

Nothing heavy is imported until it is used.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["__version__", "create_model", "create_pipeline"]

if TYPE_CHECKING:
    from paddlex.inference.bank_predictor import BankPredictor
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
    model_name: str | None = None,
    model_dir: str | os.PathLike[str] | None = None,
    device: str | None = None,
    *,
    product: str | None = None,
    batch_size: int = 1,
    use_hpip: bool | None = None,
    hpi_config: Mapping[str, Any] | None = None,
    engine: str | None = None,
    engine_config: Mapping[str, Any] | None = None,
    backend: str = "auto",
    threads: int | None = None,
    threshold: float | None = None,
    score_threshold: float | None = None,
    target_fpr: float | None = None,
    min_area: float | None = None,
    tiling: Tiling | Mapping[str, Any] | int | None = None,
    bit_depth: int | None = None,
    max_megapixels: float | None = None,
    **others: Any,
) -> AnomalyPredictor | BankPredictor:
    """Load a model that is ready to judge images.

    Args:
        model_name: what the model must be, such as ``STFPM``; None for whatever the folder holds.
        model_dir: an inference folder, an exported .tar, or the output folder of a training run; None fetches PaddleX's
            official model of that name (STFPM, where none is given) once and keeps it in the cache.
        device: ``auto`` (None), ``cpu``, ``gpu`` or ``gpu:0``.
        product: where ``model_dir`` holds the models of several products, a folder each: the name of one, or ``auto`` for that
            of whichever a photo shows, see docs/pipeline.md.
        batch_size: images that the network takes at once, where ``predict`` is not told.
        use_hpip: PaddleX's switch for the fastest backend, or the one that ``hpi_config`` names.
        hpi_config: PaddleX's settings for that, such as ``{"backend": "openvino"}``, see ``engine_options.choose_run``.
        engine: PaddleX's name of a backend: ``paddle``, ``onnxruntime`` or ``hpi``.
        engine_config: its options.
        backend: what runs the network, one of the names of ``Predict.kernel_option.run_mode``: ``auto`` (the fastest that is
            installed), ``onnx``, ``openvino``, ``mkldnn``, ``paddle`` and others.
        threads: CPU threads to use; None for all cores.
        threshold: another threshold for the raw image score than the model's own.
        score_threshold: instead of it, one on the scale of the model's own scores, above 0 and below 1, where 0.5 is its own
            threshold: 0.6 calls fewer parts anomalous. Scores are then counted from there: the new threshold's is 0.5.
        target_fpr: or the share of good parts that may be called anomalous.
        min_area: share of the image (of a tile, with tiling) below which an anomalous region is left out.
        tiling: scan large images in tiles, ``{"tile_size": 256, "overlap": 0.25}`` or the tile size alone; None as the model
            was made, 0 not at all. A model should be trained with it, see docs/large_images.md.
        bit_depth: of 16-bit pictures, as the camera has: 10, 12, 14 or 16; None as the model was made.
        max_megapixels: a larger image is an error, before it is decoded; None for 250.
        others: arguments of PaddleX that are refused, with the reason.

    Returns:
        A predictor; its ``predict(input, batch_size=1)`` yields results.

    Raises:
        ConfigError: an engine or a backend that there is not.
        ModelError: the folder cannot be used or holds another model; or there is no official model of that name.
        DownloadError: the official model cannot be fetched.
        DeviceError: the device is not there.
    """
    from paddlex.inference.bank_predictor import open_predictor
    from paddlex.inference.engine_options import RunChoice, choose_run, refuse_arguments

    refuse_arguments("create_model", others, inspect.signature(create_model).parameters)
    choice = choose_run(
        RunChoice(backend, threads),
        use_hpip=use_hpip, hpi_config=hpi_config, engine=engine, engine_config=engine_config,
    )  # fmt: skip
    return open_predictor(
        model_dir,
        product=product,
        model_name=model_name,
        device=device,
        batch_size=batch_size,
        run_mode=choice.run_mode,
        threads=choice.threads,
        threshold=threshold,
        score_threshold=score_threshold,
        target_fpr=target_fpr,
        min_area=min_area,
        tiling=tiling,
        bit_depth=bit_depth,
        max_megapixels=max_megapixels,
    )
