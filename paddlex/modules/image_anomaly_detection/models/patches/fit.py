"""How all models that compare patch features are fitted: one pass over good parts, no gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from paddlex.config_schema import Config
from paddlex.data.tiles import photo_numbers
from paddlex.errors import ConfigError, TrainingError
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES, build_backbone
from paddlex.modules.image_anomaly_detection.backbones.weights import load_backbone_weights
from paddlex.modules.image_anomaly_detection.calibration.calibrator import calibrate_distances
from paddlex.modules.image_anomaly_detection.model import WHAT_TO_CHANGE, assign, build_network
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.models.patches.copies import Copy, copies_of
from paddlex.modules.image_anomaly_detection.models.patches.features import collect_features, pool_sizes
from paddlex.modules.image_anomaly_detection.models.patches.network import PatchBackbone, PatchNetwork
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection
from paddlex.modules.image_anomaly_detection.models.patches.part import PatchFeatures
from paddlex.modules.image_anomaly_detection.training.completion import Completion
from paddlex.modules.image_anomaly_detection.training.good_parts import GoodParts
from paddlex.utils.devices import Device
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
    copies: Sequence[str] = (),
) -> Fitted:
    """``Model.fit`` of a model that is made of parts.

    Every image serves for both: for what is remembered, and, by cross-fitting, for the statistics and the thresholds. Of photos
    that are scanned in tiles some are held out instead.

    Args:
        config: the whole config; Train and Global are read.
        device: where features are computed.
        names: of the features that the parts look at, see ``PatchBackbone``.
        architecture: what the network's shape depends on.
        copies: of the photos, to remember as well, as ``copies.WORDS`` names them.

    Raises:
        DatasetError, ImageReadError, WeightsError: what is needed cannot be read.
        ConfigError: there is no such network, or it does not fit ``Train.memory_gb``.
        TrainingError: the training images are too few or too much alike.
    """
    options = PatchSection.of(config)
    completion = Completion(config, str(device))
    good = GoodParts.of(config, _HELD_OUT if options.tiling.tile_size else 0)
    photos = photo_numbers(good.fit.samples)
    turned = _fitting_copies(copies, good.card.size)
    try:
        counts = pool_sizes(good.card, names, good.fit, 1 + len(turned), options.sampled_patches)
    except ValueError as error:
        raise ConfigError(str(error), remedy=WHAT_TO_CHANGE) from error
    card = replace(good.card, architecture=architecture(options, counts))
    network = _empty(card, options.memory_gb)
    card = _with_weights(network.backbone, card, options.pretrain_weight_path)
    features = collect_features(
        network.backbone, card, good.fit, device,
        photos=photos, sampled_patches=options.sampled_patches,
        memory_bytes=options.memory_gb * 2**30, batch_size=options.batch_size, seed=options.seed, copies=turned,
    )  # fmt: skip
    distances = _fit_parts(network, features, options.seed)
    kept = next(iter(features.values())).numbers
    if good.held_out.samples:
        calibration = completion.calibrate(network, card, good.held_out)
    else:
        calibration = calibrate_distances(
            network, distances, options.calibration, card.size,
            lambda number: good.fit.inspected(int(kept[number])), card.regions,
        )  # fmt: skip
    fitted = completion.publish(network, card, calibration, good.warnings)
    facts = {
        "images": len(np.unique(photos)),
        "held_out_images": len(np.unique(photo_numbers(good.held_out.samples))),
        "architecture": dict(card.architecture),
    }
    return replace(fitted, facts={**facts, **fitted.facts})


def _fitting_copies(words: Sequence[str], size: tuple[int, int]) -> list[Copy]:
    """Copies of the same height and width."""
    copies, (height, width) = copies_of(words), size
    if height != width and any(copy.turns % 2 for copy in copies):
        raise ConfigError(
            f"quarter turns need a square image size, and this one is {width} x {height} (width x height)",
            where="Train.copies",
            remedy="Set Train.image_size to one number, or take half_turn",
        )
    return copies


def _with_weights(backbone: PatchBackbone, card: ModelCard, source: str | None) -> ModelCard:
    """Give the backbone its weights; the card that says which they are."""
    described = BACKBONES[card.backbone]
    published = build_backbone(card.backbone, backbone.layers, **described.published_options)
    expected = {name: tuple(tensor.shape) for name, tensor in published.state_dict().items()}
    weights = load_backbone_weights(source, card.backbone, expected)
    assign(backbone.network, described.adapted(weights.arrays, card.size), weights.source)
    logger.info("Backbone: %s from %s.", card.backbone, weights.source)
    return replace(card, teacher_weights={"source": weights.source, "sha256": weights.sha256})


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


def _empty(card: ModelCard, memory_gb: float) -> PatchNetwork:
    """The network that is to be fitted, if there can be one, and it is not too large to be carried to where it judges."""
    network = build_network(card)
    assert isinstance(network, PatchNetwork)
    network.eval()
    size = sum(int(np.prod(tensor.shape)) * 4 for tensor in network.parts.state_dict().values()) / 2**30
    if size > memory_gb:
        raise ConfigError(
            f"what the model is to remember takes {size:.2g} GB, more than the {memory_gb:g} GB of Train.memory_gb",
            remedy=f"{WHAT_TO_CHANGE}, or raise Train.memory_gb",
        )
    return network
