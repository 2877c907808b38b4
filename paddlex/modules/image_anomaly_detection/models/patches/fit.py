"""How all models that compare patch features are fitted: one pass over good parts, no gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from paddlex.config_schema import Config
from paddlex.data.bit_depth import find_reading
from paddlex.data.dataset import TRAIN_LIST, read_samples
from paddlex.data.tiles import into_tiles, photo_numbers
from paddlex.errors import ConfigError, TrainingError
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES, build_backbone
from paddlex.modules.image_anomaly_detection.backbones.efficientnet_lite import fold_batch_norm
from paddlex.modules.image_anomaly_detection.backbones.weights import load_backbone_weights
from paddlex.modules.image_anomaly_detection.calibration.calibrator import calibrate_distances
from paddlex.modules.image_anomaly_detection.model import assign
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.models.patches.features import collect_features
from paddlex.modules.image_anomaly_detection.models.patches.network import PatchBackbone, PatchNetwork
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection
from paddlex.modules.image_anomaly_detection.models.patches.part import Part, PatchFeatures
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches
from paddlex.modules.image_anomaly_detection.training.completion import (
    BEST_MODEL,
    PREVIOUS_BEST_MODEL,
    Completion,
    log_thresholds,
)
from paddlex.modules.image_anomaly_detection.training.manifest import Manifest
from paddlex.modules.image_anomaly_detection.training.normal_images import hold_out, normal_images, warn_of_images
from paddlex.utils.devices import Device
from paddlex.utils.files import atomic_directory
from paddlex.utils.logging import logger

#: Percent of the photos that are held out where photos are scanned in tiles: all of their tiles are judged for the thresholds.
_HELD_OUT = 20

#: Options, and how many patches there are of each name's features -> ``ModelCard.architecture``.
Architecture = Callable[[Any, Mapping[str, int]], dict[str, Any]]


def fit_patches(
    config: Config,
    device: Device,
    names: Sequence[str],
    architecture: Architecture,
    parts: Callable[[ModelCard], Sequence[Part]],
) -> Fitted:
    """``Model.fit`` of a model that is made of parts.

    Every image serves for both: for what is remembered, and, by cross-fitting, for the statistics and the thresholds. Of photos
    that are scanned in tiles some are held out instead.

    Args:
        config: the whole config; Train and Global are read.
        device: where features are computed.
        names: of the features that the parts look at, see ``PatchBackbone``.
        architecture: what the network's shape depends on.
        parts: of a card with that.

    Raises:
        DatasetError, ImageReadError, WeightsError: what is needed cannot be read.
        ConfigError: there is no such network, or it does not fit ``Train.memory_gb``.
        TrainingError: the training images are too few or too much alike.
    """
    options = PatchSection.of(config)
    dataset_dir = config.Global.dataset_dir or ""
    samples = read_samples(dataset_dir, TRAIN_LIST, find_reading(config.Global.reading, dataset_dir))
    card = ModelCard.from_config(config.Global.model, options)
    card = replace(card, bit_depth=samples[0].reading.bit_depth)
    completion = Completion(config, str(device))
    backbone, card = _pretrained(card, names, options.pretrain_weight_path)
    photos = normal_images(samples)
    fit, held_out = (photos, []) if card.tiling is None else hold_out(photos, _HELD_OUT, options.seed)
    fit_images, held_out_images = (ImageBatches(some, card.transform) for some in into_tiles(fit, held_out, options))
    warnings = warn_of_images(len(photos), [*fit_images.constant(), *held_out_images.constant()])
    for warning in warnings:
        logger.warning("%s", warning)
    logger.info("%d images to remember, %s.", len(fit), f"{len(held_out)} held out" if held_out else "cross-fitted")
    features = collect_features(
        backbone, card, fit_images, device,
        photos=photo_numbers(fit_images.samples), sampled_patches=options.sampled_patches,
        memory_bytes=options.memory_gb * 2**30, batch_size=options.batch_size, seed=options.seed,
    )  # fmt: skip
    counts = {name: len(of_name.pool) for name, of_name in features.items()}
    card = replace(card, architecture=architecture(options, counts))
    network = PatchNetwork(card, parts(card))
    _check_memory(network, options.memory_gb)
    network.backbone = backbone
    network.eval()
    distances = _fit_parts(network, features, options.seed)
    if held_out:
        calibration = completion.calibrate(network, card, held_out_images)
    else:
        calibration = calibrate_distances(network, distances, options.calibration, card.size)
    best = config.output / BEST_MODEL
    previous = config.output / PREVIOUS_BEST_MODEL if best.is_dir() else None
    with atomic_directory(best, previous) as temporary:
        card = completion.finish(network, card, calibration, temporary, onnx=True)
        Manifest(order=0).write(temporary)
    assert card.calibration is not None
    log_thresholds(card.calibration, previous)
    facts = {
        "images": len(fit),
        "held_out_images": len(held_out),
        "architecture": dict(card.architecture),
        "previous_best_model": None if previous is None else previous.relative_to(config.output).as_posix(),
    }
    return Fitted(card, {"best": best}, facts=facts, warnings=warnings)


def _pretrained(card: ModelCard, names: Sequence[str], source: str | None) -> tuple[PatchBackbone, ModelCard]:
    """The backbone with its weights, and the card that says which they are."""
    try:
        backbone = PatchBackbone(card.backbone, names, card.size)
        described = BACKBONES[card.backbone]
        unfolded = {**described.options(card.size), **({"folded": False} if described.can_fold else {})}
        published = build_backbone(card.backbone, backbone.layers, **unfolded)
    except ValueError as error:
        raise ConfigError(str(error), remedy="Change Train.image_size, Train.layers or Train.backbone") from error
    expected = {name: tuple(tensor.shape) for name, tensor in published.state_dict().items()}
    weights = load_backbone_weights(source, card.backbone, expected)
    arrays = fold_batch_norm(weights.arrays) if described.can_fold else weights.arrays
    assign(backbone.network, arrays, weights.source)
    backbone.eval()
    logger.info("Backbone: %s from %s.", card.backbone, weights.source)
    return backbone, replace(card, teacher_weights={"source": weights.source, "sha256": weights.sha256})


def _fit_parts(network: PatchNetwork, features: Mapping[str, PatchFeatures], seed: int) -> list[np.ndarray]:
    """Fit all parts; the cross-fitted distances of each."""
    distances = []
    for part in network.parts:
        try:
            distances.append(part.fit(features[part.layer], seed))
        except ValueError as error:
            remedy = "Take more photos of different good parts, or set Train.layers to other stages"
            raise TrainingError(str(error), remedy=remedy) from error
    return distances


def _check_memory(network: PatchNetwork, memory_gb: float) -> None:
    """Refuse what would be too large to be carried to where it judges."""
    size = sum(int(np.prod(tensor.shape)) * 4 for tensor in network.parts.state_dict().values()) / 2**30
    if size > memory_gb:
        raise ConfigError(
            f"what the model is to remember takes {size:.1f} GB, more than the {memory_gb:g} GB of Train.memory_gb",
            remedy="Lower Train.image_size, take coarser Train.layers or another Train.backbone, or raise Train.memory_gb",
        )
