"""How PatchCore and PaDiM are fitted together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddlex.config_schema import Config
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.models.patchcore.fit import bank_names, bank_sizes
from paddlex.modules.image_anomaly_detection.models.patchcore_padim.options import PatchCorePaDiMOptions
from paddlex.modules.image_anomaly_detection.models.patches.fit import fit_patches
from paddlex.utils.devices import Device


def fit(config: Config, device: Device) -> Fitted:
    """``Model.fit``, see ``fit_patches``."""
    options = config.Train
    assert isinstance(options, PatchCorePaDiMOptions)
    names = list(dict.fromkeys([*bank_names(options), *options.gaussians]))
    return fit_patches(config, device, names, _architecture, options.copies)


def _architecture(options: PatchCorePaDiMOptions, counts: Mapping[str, int]) -> dict[str, Any]:
    return {**bank_sizes(options, counts), "gaussians": list(dict.fromkeys(options.gaussians))}
