"""Pipelines: a task from its input to its result, set up by one YAML file."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paddlex.inference.pipelines.anomaly_detection import AnomalyDetectionPipeline


def create_pipeline(
    pipeline: str | os.PathLike[str] | None = "anomaly_detection",
    config: Mapping[str, Any] | None = None,
    device: str | None = None,
    use_hpip: bool | None = None,
    *,
    hpi_config: Mapping[str, Any] | None = None,
    engine: str | None = None,
    engine_config: Mapping[str, Any] | None = None,
    model_dir: str | os.PathLike[str] | None = None,
    product: str | None = None,
    batch_size: int | None = None,
    run_mode: str | None = None,
    threshold: float | None = None,
    score_threshold: float | None = None,
    target_fpr: float | None = None,
    min_area: float | None = None,
    tile_size: int | None = None,
    bit_depth: int | None = None,
    max_megapixels: float | None = None,
    **others: Any,
) -> AnomalyDetectionPipeline:
    """Load a pipeline that is ready to judge images.

    Args:
        pipeline: ``anomaly_detection``, or the path of a YAML file of its shape.
        config: what such a file holds, instead of one.
        device: ``auto`` (None), ``cpu``, ``gpu`` or ``gpu:0``.
        use_hpip: True for the fastest way to run the network, whatever ``run_mode`` says.
        hpi_config: PaddleX's settings for that, such as ``{"backend": "openvino"}``, see ``engine_options.choose_run``.
        engine: PaddleX's name of a run mode: ``paddle``, ``onnxruntime`` or ``hpi``.
        engine_config: its options.
        model_dir: with all that follow: in the place of what the file says, if given.
        product: of a bank of models, the name of one, or ``auto``.
        batch_size: images that the network takes at once.
        run_mode: how the network is run.
        threshold: a raw image score.
        score_threshold: instead of it, one on the scale of the model's own scores, 0 to 1; the new threshold's score is 0.5.
        target_fpr: or the share of good parts that may be called anomalous.
        min_area: share of the image (of a tile, with tiling) below which a region is left out.
        tile_size: scan large images in tiles of so many pixels; 0 for whole images.
        bit_depth: of 16-bit pictures, as the camera has.
        max_megapixels: a larger image is an error, before it is decoded.
        others: arguments of PaddleX that are refused, with the reason.

    Returns:
        The pipeline; its ``predict(input, batch_size=None)`` yields results as a model's does.

    Raises:
        ConfigError: no such pipeline, or a file with an unknown key or a value that cannot be.
        ModelError: the model's folder cannot be used, or holds another model.
        DownloadError: the official model cannot be fetched.
        DeviceError: the device is not there.
    """
    from paddlex.errors import ConfigError
    from paddlex.inference.engine_options import refuse_arguments
    from paddlex.inference.pipelines.anomaly_detection import AnomalyDetectionPipeline
    from paddlex.inference.pipelines.pipeline_config import load_pipeline_config

    if pipeline is None and config is None:
        raise ConfigError("no pipeline is named", remedy="Give anomaly_detection, or a pipeline's YAML file")
    refuse_arguments("create_pipeline", others, inspect.signature(create_pipeline).parameters)
    overrides = {
        "use_hpip": use_hpip, "hpi_config": hpi_config, "engine": engine, "engine_config": engine_config,
        "model_dir": model_dir, "product": product, "batch_size": batch_size, "run_mode": run_mode,
        "threshold": threshold, "score_threshold": score_threshold, "target_fpr": target_fpr,
        "min_area": min_area, "tile_size": tile_size,
        "bit_depth": bit_depth, "max_megapixels": max_megapixels,
    }  # fmt: skip
    settings = load_pipeline_config(config if config is not None else pipeline or "", overrides)
    return AnomalyDetectionPipeline(settings, device)
