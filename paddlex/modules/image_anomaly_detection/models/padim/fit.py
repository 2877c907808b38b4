"""How PaDiM is fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paddlex.config_schema import Config
from paddlex.data.dataset import Sample
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.models.patches.fit import fit_patches, screen_patches
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection
from paddlex.modules.image_anomaly_detection.training.suspects import Suspect
from paddlex.utils.devices import Device


def fit(config: Config, device: Device) -> Fitted:
    """``Model.fit``, see ``fit_patches``."""
    return fit_patches(config, device, _names(config), _architecture)


def screen(config: Config, device: Device, photos: Sequence[Sample]) -> list[Suspect]:
    """``Model.screen``, see ``screen_patches``."""
    return screen_patches(config, device, photos, _names(config), _architecture)


def _names(config: Config) -> list[str]:
    return list(dict.fromkeys(PatchSection.of(config).layers))


def _architecture(options: Any, counts: Mapping[str, int]) -> dict[str, Any]:
    return {"gaussians": list(counts)}
