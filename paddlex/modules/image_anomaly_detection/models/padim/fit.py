"""How PaDiM is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddlex.config_schema import Config
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.models.patches.fit import fit_patches
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection
from paddlex.utils.devices import Device


def fit(config: Config, device: Device) -> Fitted:
    """``Model.fit``, see ``fit_patches``."""
    names = list(dict.fromkeys(PatchSection.of(config).layers))
    return fit_patches(config, device, names, _architecture)


def _architecture(options: Any, counts: Mapping[str, int]) -> dict[str, Any]:
    return {"gaussians": list(counts)}
