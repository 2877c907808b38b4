"""The ``Train`` section of PatchCorePaDiM.yaml."""

from __future__ import annotations

from paddlex.modules.image_anomaly_detection.models.patchcore.options import PatchCoreOptions


class PatchCorePaDiMOptions(PatchCoreOptions):
    """Mode train, for PatchCore and PaDiM together."""

    gaussians: list[str] = ["layer3"]  # noqa: RUF012  (pydantic copies it)
