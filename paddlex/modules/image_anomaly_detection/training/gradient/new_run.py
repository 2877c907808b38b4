"""How a training run begins: the network, the optimiser, and the settings that decide its result."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import paddle

from paddlex.config_schema import Config
from paddlex.data.dataset import Sample
from paddlex.modules.image_anomaly_detection.backbones.weights import load_backbone_weights
from paddlex.modules.image_anomaly_detection.model import assign, build_network
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.gradient_options import GradientSection
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import Run
from paddlex.utils.logging import logger

#: What may change between the parts of one run without changing its result.
_FREE_SETTINGS = {
    "resume_path", "pretrain_weight_path", "log_interval", "keep_checkpoints", "save_interval", "visualdl", "calibration",
    "processes", "robust",
}  # fmt: skip


def new_run(config: Config, card: ModelCard, samples: Sequence[Sample], length: Mapping[str, int]) -> Run:
    """A student with random weights beside its teacher, and what trains it.

    Args:
        config: the whole config; Train and Global are read.
        card: of the model to be.
        samples: the lines of the training list.
        length: how long the run is: further settings, by name.
    """
    options = GradientSection.of(config)
    network, card = new_network(card, options.pretrain_weight_path)
    network.train()
    optimiser = paddle.optimizer.Momentum(
        learning_rate=options.learning_rate,
        momentum=options.momentum,
        use_nesterov=options.nesterov,
        weight_decay=options.weight_decay,
        parameters=network.student.parameters(),
    )
    ema = {f"student.{name}": parameter.clone().detach() for name, parameter in network.student.named_parameters()}
    return Run(network, optimiser, ema, card, {**_settings(options, card, samples), **length})


def new_network(card: ModelCard, pretrain_weight_path: str | None) -> tuple[AnomalyNetwork, ModelCard]:
    """A network with a pretrained teacher, and its card that says which.

    The student starts from random weights, or from its own where the file holds a whole model.

    Raises:
        WeightsError: the teacher's weights cannot be had or do not fit.
    """
    network = build_network(card)
    expected = {name: tuple(tensor.shape) for name, tensor in network.teacher.state_dict().items()}
    weights = load_backbone_weights(pretrain_weight_path, card.backbone, expected)
    assign(network.teacher, weights.arrays, weights.source)
    logger.info("Teacher: %s from %s.", card.backbone, weights.source)
    if weights.student is not None:
        assign(network.student, weights.student, weights.source)
        logger.info("The student starts from the same file.")
    origin = {"source": weights.source, "sha256": weights.sha256}
    return network, replace(card, teacher_weights=origin)


def _settings(options: GradientSection, card: ModelCard, samples: Sequence[Sample]) -> dict[str, Any]:
    """What decides a run's result; a run that is resumed must have the same."""
    return {
        **options.model_dump(exclude=_FREE_SETTINGS),
        "Global.bit_depth": card.bit_depth,
        "calibration.holdout_percent": options.calibration.holdout_percent,
        "teacher weights (sha256)": card.teacher_weights["sha256"],
        "training images (sha256 of their names)": hashlib.sha256(
            "\n".join(sample.image for sample in samples).encode()
        ).hexdigest(),
    }
