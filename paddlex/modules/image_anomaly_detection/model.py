"""From weights to a network and back to weights: the only place that knows both files and layers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
from paddle import nn
from paddle.nn.initializer import Constant, set_global_initializer

from paddlex.config_schema import TrainSection
from paddlex.errors import ConfigError, WeightsError
from paddlex.modules.image_anomaly_detection.model_card import SUFFIX as CARD
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork
from paddlex.modules.image_anomaly_detection.training.manifest import NAME as MANIFEST
from paddlex.modules.image_anomaly_detection.training.manifest import Manifest
from paddlex.modules.image_anomaly_detection.weights import load_weights
from paddlex.utils.files import atomic_path, file_digest
from paddlex.utils.logging import logger

#: The suffix of weights that are an average over the training; the calibration is of the others.
SMOOTHED = ".pdema"

#: What decides whether there can be such a network.
WHAT_TO_CHANGE = "Change Train.image_size, Train.layers or Train.backbone"

Arrays = Mapping[str, np.ndarray]


def build_network(card: ModelCard) -> AnomalyNetwork:
    """An untrained network of a card's architecture.

    Raises:
        ConfigError: ``Global.model`` names no network, or it cannot be built so.
        WeightsError: the card does not say all that its network needs.
    """
    if card.model_name not in MODELS:
        raise ConfigError(
            f"unknown model {card.model_name!r}", where="Global.model", remedy=f"It is one of {', '.join(MODELS)}"
        )
    try:
        return MODELS[card.model_name].build(card)
    except KeyError as error:
        what = f"the card of the {card.model_name} says nothing of its {error.args[0]}"
        raise WeightsError(what, remedy=f"Restore model{CARD} beside the weights, or train again") from error
    except ValueError as error:
        raise ConfigError(str(error), remedy=WHAT_TO_CHANGE) from error


def load_network(weight_path: str, model_name: str, train: TrainSection) -> tuple[AnomalyNetwork, ModelCard]:
    """A whole model from a weight file, with the card beside it, or the config's architecture where there is no card.

    Smoothed weights (.pdema) and weights from elsewhere are not calibrated.

    Raises:
        WeightsError: the file is missing, unsafe, of another architecture, or not as the training wrote it.
    """
    card = ModelCard.load(Path(weight_path))
    model = MODELS[card.model_name if card and card.model_name in MODELS else model_name]
    if card is None and model.weights is None:
        remedy = f"Put model{CARD} beside it, which the training has written with it"
        raise WeightsError(
            f"the weights of a {model_name} come with a card, and it is missing", where=weight_path, remedy=remedy
        )
    weights = load_weights(weight_path) if model.weights is None else model.read_foreign(weight_path)
    if card is None:
        origin = {"source": weights.source, "sha256": weights.sha256}
        card = replace(ModelCard.from_config(model_name, train), teacher_weights=origin)
    _hold_against_manifest(Path(weight_path))
    with _no_random_weights():
        network = build_network(card)
    fusion = {name: tensor.numpy() for name, tensor in network.state_dict().items() if name.startswith("fusion.")}
    if Path(weight_path).suffix == SMOOTHED or not fusion.keys() <= weights.arrays.keys():
        card = replace(card, calibration=None)
    assign(network, {**fusion, **weights.arrays}, weights.source)
    network.eval()
    logger.info("Weights: %s, %s.", card.backbone or card.model_name, weights.source)
    return network, card


@contextmanager
def _no_random_weights() -> Iterator[None]:
    """Build networks that are to be loaded without drawing their weights first, which takes as long as all the rest."""
    set_global_initializer(Constant(0.0), Constant(0.0))
    try:
        yield
    finally:
        set_global_initializer(None)


def _hold_against_manifest(path: Path) -> None:
    """Refuse weights, or a card, that are not those of the manifest beside them, where there is one."""
    manifest = Manifest.read(path.parent)
    for one in (path, path.with_suffix(CARD)):
        listed = None if manifest is None else manifest.files.get(one.name)
        if listed is not None and not (one.is_file() and file_digest(one) == listed):
            what = f"{one.name} is not as the training wrote it: it is damaged, missing or of another model"
            remedy = f"Restore it, or train again; if you changed it yourself, remove {path.parent / MANIFEST}"
            raise WeightsError(what, where=one, remedy=remedy)


def save_arrays(arrays: Mapping[str, paddle.Tensor], path: str | os.PathLike[str]) -> None:
    """Write a state dict as Paddle does, atomically."""
    with atomic_path(path) as temporary:
        paddle.save(dict(arrays), str(temporary))


def assign(layer: nn.Layer, arrays: Arrays, source: str) -> None:
    """Set every tensor of a layer; none may be missing, left over or of another shape."""
    expected = {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()}
    missing = sorted(expected.keys() - arrays.keys())
    unknown = sorted(arrays.keys() - expected.keys())
    misshapen = [name for name in expected.keys() & arrays.keys() if arrays[name].shape != expected[name]]
    if missing or unknown or misshapen:
        raise WeightsError(
            f"the weights are of another architecture: {len(missing)} tensors missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}, {len(misshapen)} of another shape {sorted(misshapen)[:3]}",
            where=source,
            remedy="Set Global.model, Train.backbone and Train.layers to those of the weights",
        )
    layer.set_state_dict({name: paddle.to_tensor(array) for name, array in arrays.items()})
