"""The ``Train`` section of PaDiM.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection


class PaDiMOptions(PatchSection):
    """Mode train, for PaDiM."""

    layers: Annotated[list[str], Field(min_length=1)] = ["layer3"]  # noqa: RUF012  (pydantic copies it)
