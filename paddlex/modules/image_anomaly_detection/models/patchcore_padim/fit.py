"""How PatchCore and PaDiM are fitted together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paddlex.config_schema import Config
from paddlex.data.dataset import Sample
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.models.patchcore.fit import bank_names, bank_sizes
from paddlex.modules.image_anomaly_detection.models.patchcore_padim.options import PatchCorePaDiMOptions
from paddlex.modules.image_anomaly_detection.models.patches.fit import fit_patches, screen_patches
from paddlex.modules.image_anomaly_detection.training.suspects import Suspect
from paddlex.utils.devices import Device


def fit(config: Config, device: Device) -> Fitted:
    """``Model.fit``, see ``fit_patches``."""
    options = config.Train
    assert isinstance(options, PatchCorePaDiMOptions)
    return fit_patches(config, device, _names(options), _architecture, options.copies)


def screen(config: Config, device: Device, photos: Sequence[Sample]) -> list[Suspect]:
    """``Model.screen``, see ``screen_patches``."""
    options = config.Train
    assert isinstance(options, PatchCorePaDiMOptions)
    return screen_patches(config, device, photos, _names(options), _architecture)


def _names(options: PatchCorePaDiMOptions) -> list[str]:
    return list(dict.fromkeys([*bank_names(options), *options.gaussians]))


def _architecture(options: PatchCorePaDiMOptions, counts: Mapping[str, int]) -> dict[str, Any]:
    return {**bank_sizes(options, counts), "gaussians": list(dict.fromkeys(options.gaussians))}
