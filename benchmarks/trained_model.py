"""A trained model for a benchmark, and the training images that were held out of its training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paddlex.data.dataset import Sample, read_samples
from paddlex.modules.image_anomaly_detection.model import load_network
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMOptions
from paddlex.modules.image_anomaly_detection.training.normal_images import hold_out, normal_images

if TYPE_CHECKING:  # Paddle itself is imported by paddlex.modules, which prepares its environment first
    from paddle import nn


def open_trained(weights: str, dataset: str, seed: int) -> tuple[nn.Layer, ModelCard, list[Sample]]:
    """Load the weights; ``seed`` is the run's Train.seed, which decides what was held out."""
    train = STFPMOptions()
    network, card = load_network(weights, "STFPM", train)
    _, held_out = hold_out(normal_images(read_samples(dataset, "train.txt")), train.calibration.holdout_percent, seed)
    return network, card, held_out
