"""What is fitted and to what, of a model that compares patch features: to all images, or to all but those that are suspects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from paddlex.data.dataset import Sample
from paddlex.data.tiles import photo_numbers
from paddlex.errors import ConfigError, TrainingError
from paddlex.inference.calibration import Calibration
from paddlex.inference.fit_facts import FitFacts
from paddlex.inference.refit.calibrating import Aims, fused_maps
from paddlex.inference.refit.copies import Copy, copies_of
from paddlex.inference.refit.features import PatchFeatures
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES, build_backbone
from paddlex.modules.image_anomaly_detection.backbones.weights import load_backbone_weights
from paddlex.modules.image_anomaly_detection.calibration.calibrator import calibrate_with_scores
from paddlex.modules.image_anomaly_detection.model import WHAT_TO_CHANGE, assign, build_network
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.patches.features import collect_features, pool_sizes
from paddlex.modules.image_anomaly_detection.models.patches.network import PatchBackbone, PatchNetwork
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches
from paddlex.modules.image_anomaly_detection.training.suspects import (
    LIST,
    OFF,
    ROUNDS,
    Suspect,
    check_majority,
    distances_from_usual,
    limit_for,
    suspicious,
)
from paddlex.utils.devices import Device
from paddlex.utils.logging import logger
from paddlex.utils.progress import begin_step

#: Options, and how many patches there are of each name's features -> ``ModelCard.architecture``.
Architecture = Callable[[Any, Mapping[str, int]], dict[str, Any]]


@dataclass(frozen=True)
class Fitting:
    """What is fitted, and to what.

    Attributes:
        network, card: what is to be, and its card.
        images: what it is to learn from.
        features: what is known of these, by the name of the features.
        architecture: what the card says of the parts, of so many patches of each name.
    """

    network: PatchNetwork
    card: ModelCard
    images: ImageBatches
    features: Mapping[str, PatchFeatures]
    architecture: Callable[[Mapping[str, int]], dict[str, Any]]

    @property
    def numbers(self) -> np.ndarray:
        """Which images are judged, int [j]: those that there are whole feature maps of, but for false alarms."""
        return next(iter(self.features.values())).judged_numbers

    @property
    def photos(self) -> int:
        """How many photos are learnt from: those that there are patches of."""
        images = np.unique(next(iter(self.features.values())).pool_numbers)
        return len(np.unique(photo_numbers(self.images.samples)[images]))

    def inspected(self, position: int) -> np.ndarray | None:
        """Where the image with this position among those is judged, see ``ImageBatches.inspected``."""
        return self.images.inspected(int(self.numbers[position]))

    def without(self, numbers: Sequence[int], memory_gb: float) -> Fitting:
        """The same but for some images, with parts that fit what is left of the patches."""
        features = {name: of_name.without(numbers) for name, of_name in self.features.items()}
        architecture = self.architecture({name: len(of_name.pool) for name, of_name in features.items()})
        if architecture == self.card.architecture:
            return replace(self, features=features)
        card = replace(self.card, architecture=architecture)
        network = _empty(card, memory_gb)
        network.backbone = self.network.backbone
        return replace(self, network=network, card=card, features=features)


def begin(
    options: PatchSection,
    card: ModelCard,
    images: ImageBatches,
    device: Device,
    names: Sequence[str],
    architecture: Architecture,
    copies: Sequence[str] = (),
) -> Fitting:
    """The network with its backbone's weights, and the features of all images."""
    photos = photo_numbers(images.samples)
    turned = _fitting_copies(copies, card.size)
    try:
        counts = pool_sizes(card, names, images, 1 + len(turned), options.sampled_patches)
    except ValueError as error:
        raise ConfigError(str(error), remedy=WHAT_TO_CHANGE) from error
    card = replace(card, architecture=architecture(options, counts))
    network = _empty(card, options.memory_gb)
    card = _with_weights(network.backbone, card, options.pretrain_weight_path)
    features = collect_features(
        network.backbone, card, images, device,
        photos=photos, judged=np.array([not sample.is_false_alarm for sample in images.samples]),
        sampled_patches=options.sampled_patches, memory_bytes=options.memory_gb * 2**30,
        batch_size=options.batch_size, seed=options.seed, copies=turned,
    )  # fmt: skip
    return Fitting(network, card, images, features, partial(architecture, options))


def fit_robustly(fitting: Fitting, options: PatchSection, robust: str) -> tuple[Fitting, Calibration, list[Suspect]]:
    """Fit the parts and calibrate; leave out the suspects among the images, if that is wanted, and begin again.

    A defect is in the memory that those like it are compared with, if they are in other folds; without the plainest of them
    others come to light.

    Raises:
        TrainingError: too many are suspects.
    """
    suspects: list[Suspect] = []
    for turn in range(1 + ROUNDS):
        begin_step("Fitting the model")
        distances = fit_parts(fitting.network, fitting.features, options.seed)
        numbers = fitting.numbers
        calibration, scores = calibrate_with_scores(
            fitting.network, distances, options.calibration, fitting.card.size, fitting.inspected, fitting.card.regions
        )
        found = np.flatnonzero(suspicious(scores))
        if robust == OFF or not len(found) or turn == ROUNDS:
            break
        suspects += _described(fitting, distances, scores, found, options.calibration)
        if robust == LIST:
            break
        check_majority(len(suspects), len(numbers) + len(suspects) - len(found), [one.sample for one in suspects])
        fitting = fitting.without(numbers[found].tolist(), options.memory_gb)
    return fitting, calibration, sorted(suspects, key=lambda one: -one.spreads)


def _described(
    fitting: Fitting, distances: list[np.ndarray], scores: np.ndarray, found: np.ndarray, aims: Aims
) -> list[Suspect]:
    """The images with these positions among those that were judged."""
    maps = fused_maps(fitting.network.fusions().of(aims), distances, found, fitting.card.size)
    spreads, limit = distances_from_usual(scores), limit_for(len(scores))
    suspects = []
    for position, anomaly_map in zip(found.tolist(), maps, strict=True):
        inspected = fitting.inspected(position)
        seen = anomaly_map if inspected is None else np.where(inspected, anomaly_map, -np.inf)
        row, column = np.unravel_index(int(seen.argmax()), seen.shape)
        place = ((float(column) + 0.5) / seen.shape[1], (float(row) + 0.5) / seen.shape[0])
        sample = fitting.images.samples[int(fitting.numbers[position])]
        assert isinstance(sample, Sample)
        suspects.append(Suspect(sample, float(scores[position]), float(spreads[position]), limit, place))
    return suspects


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


def with_fit_facts(fitting: Fitting, options: PatchSection, copies: Sequence[str]) -> ModelCard:
    """The card that says how the network was fitted, so that it can be fitted again; not where photos are scanned in tiles."""
    network = fitting.network
    if fitting.card.tiling is not None:
        return fitting.card
    facts = FitFacts(
        parts=[part.facts(options) for part in network.parts],
        seed=options.seed,
        sampled_patches=options.sampled_patches,
        memory_gb=options.memory_gb,
        batch_size=options.batch_size,
        sigma=network.fusion.sigma,
        least_shrinkage=network.least_shrinkage,
        rule=options.calibration.rule,
        copies=list(copies),
    )
    return replace(fitting.card, fit=facts)


def fit_parts(network: PatchNetwork, features: Mapping[str, PatchFeatures], seed: int) -> list[np.ndarray]:
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
