"""The network of PaDiM, and how it is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddlex.config_schema import Config
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.models.padim.gaussians import PositionGaussians
from paddlex.modules.image_anomaly_detection.models.patches.fit import fit_patches
from paddlex.modules.image_anomaly_detection.models.patches.network import PatchNetwork, channels_of, map_size_of
from paddlex.utils.devices import Device


def from_card(card: ModelCard) -> PatchNetwork:
    """The network that a card describes, not yet fitted."""
    return PatchNetwork(card, gaussians(card))


def gaussians(card: ModelCard) -> list[PositionGaussians]:
    """Gaussians that are not fitted yet; ``architecture["gaussians"]`` names the features they are for."""
    names: list[str] = card.architecture["gaussians"]
    return [PositionGaussians(name, channels_of(card, name), map_size_of(card, name)) for name in names]


def fit(config: Config, device: Device) -> Fitted:
    """``Model.fit``, see ``fit_patches``."""
    names = list(dict.fromkeys(config.Train.layers))
    return fit_patches(config, device, names, _architecture, gaussians)


def _architecture(options: Any, counts: Mapping[str, int]) -> dict[str, Any]:
    return {"gaussians": list(counts)}
