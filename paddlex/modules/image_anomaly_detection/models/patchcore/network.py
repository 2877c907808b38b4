"""The network of PatchCore: one memory bank a stage, or one for all stages as in the paper."""

from __future__ import annotations

from collections.abc import Mapping

from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.patchcore.bank import MemoryBank
from paddlex.modules.image_anomaly_detection.models.patches.network import PatchNetwork, channels_of


def from_card(card: ModelCard) -> PatchNetwork:
    """The network that a card describes, with empty banks."""
    return PatchNetwork(card, banks(card))


def banks(card: ModelCard) -> list[MemoryBank]:
    """Empty banks; ``architecture["banks"]`` has their sizes by the features they are for, ``neighbours`` is Eq. 7's b."""
    sizes: Mapping[str, int] = card.architecture["banks"]
    neighbours: int = card.architecture.get("neighbours", 0)
    return [MemoryBank(name, channels_of(card, name), size, neighbours) for name, size in sizes.items()]
