"""From a network to an inference folder: static graph, weights and inference.yml."""

from __future__ import annotations

from pathlib import Path

import paddle
from paddle import nn

from paddlex.inference.model_folder import CONFIG_NAME, ModelFolder
from paddlex.inference.postprocess import PADDLEX_THRESHOLDS, Thresholds
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.utils.files import atomic_directory

GRAPH_STEM = "inference"


def export(network: nn.Layer, card: ModelCard, folder: Path) -> None:
    """Write the inference folder, whole or not at all.

    The graph takes ``x``, float32 [N, 3, H, W] for any N, and gives the raw anomaly map, float32 [N, 1, H, W]. It is written
    in the .pdmodel format, which upstream PaddleX and every Paddle since 2.0 read.

    Args:
        network: any network of ``NETWORKS``; it is left in the mode it was in.
        card: what stands in inference.yml.
        folder: replaced if it exists.
    """
    was_training = network.training
    network.eval()
    width, height = card.transform.size
    x = paddle.static.InputSpec([None, 3, height, width], "float32", name="x")
    with atomic_directory(folder) as temporary:
        paddle.jit.save(network, str(temporary / GRAPH_STEM), input_spec=[x])
        write_inference_config(card, temporary)
    if was_training:
        network.train()


def write_inference_config(card: ModelCard, folder: Path) -> None:
    """Write inference.yml alone, into a folder that has its graph already."""
    thresholds = PADDLEX_THRESHOLDS
    if card.calibration is not None:
        calibration = card.calibration
        thresholds = Thresholds(calibration["image_threshold"], calibration["pixel_threshold"], calibration["method"])
    described = ModelFolder(folder, card.model_name, card.transform, thresholds, card.deploy_block())
    described.write_config(folder / CONFIG_NAME)
