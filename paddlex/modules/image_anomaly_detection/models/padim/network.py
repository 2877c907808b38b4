"""The network of PaDiM."""

from __future__ import annotations

from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.padim.gaussians import PositionGaussians
from paddlex.modules.image_anomaly_detection.models.patches.network import PatchNetwork, channels_of, map_size_of


def from_card(card: ModelCard) -> PatchNetwork:
    """The network that a card describes, not yet fitted."""
    return PatchNetwork(card, gaussians(card))


def gaussians(card: ModelCard) -> list[PositionGaussians]:
    """Gaussians that are not fitted yet; ``architecture["gaussians"]`` names the features they are for."""
    names: list[str] = card.architecture["gaussians"]
    return [PositionGaussians(name, channels_of(card, name), map_size_of(card, name)) for name in names]
