"""The network of PatchCore and PaDiM together."""

from __future__ import annotations

from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.padim.network import gaussians
from paddlex.modules.image_anomaly_detection.models.patchcore.network import banks
from paddlex.modules.image_anomaly_detection.models.patches.network import PatchNetwork
from paddlex.modules.image_anomaly_detection.models.patches.part import Part


def from_card(card: ModelCard) -> PatchNetwork:
    """The network that a card describes, not yet fitted."""
    return PatchNetwork(card, parts(card))


def parts(card: ModelCard) -> list[Part]:
    """Banks and Gaussians that are not fitted yet."""
    return [*banks(card), *gaussians(card)]
