"""The network of PatchCore and PaDiM together, and how it is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddlex.config_schema import Config
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.models.padim.network import gaussians
from paddlex.modules.image_anomaly_detection.models.patchcore.network import bank_names, bank_sizes, banks
from paddlex.modules.image_anomaly_detection.models.patchcore_padim.options import PatchCorePaDiMOptions
from paddlex.modules.image_anomaly_detection.models.patches.fit import fit_patches
from paddlex.modules.image_anomaly_detection.models.patches.network import PatchNetwork
from paddlex.modules.image_anomaly_detection.models.patches.part import Part
from paddlex.utils.devices import Device


def from_card(card: ModelCard) -> PatchNetwork:
    """The network that a card describes, not yet fitted."""
    return PatchNetwork(card, _parts(card))


def _parts(card: ModelCard) -> list[Part]:
    return [*banks(card), *gaussians(card)]


def fit(config: Config, device: Device) -> Fitted:
    """``Model.fit``, see ``fit_patches``."""
    options = config.Train
    assert isinstance(options, PatchCorePaDiMOptions)
    names = list(dict.fromkeys([*bank_names(options), *options.gaussians]))
    return fit_patches(config, device, names, _architecture, _parts)


def _architecture(options: PatchCorePaDiMOptions, counts: Mapping[str, int]) -> dict[str, Any]:
    return {**bank_sizes(options, counts), "gaussians": list(dict.fromkeys(options.gaussians))}
