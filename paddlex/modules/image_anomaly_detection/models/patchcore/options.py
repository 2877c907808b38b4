"""The ``Train`` section of PatchCore.yaml."""

from __future__ import annotations

from typing import Literal

from paddlex.config_schema import PositiveInt
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection


class PatchCoreOptions(PatchSection):
    """Mode train, for PatchCore."""

    banks: Literal["stages", "concatenated"] = "stages"
    bank_size: PositiveInt = 1000
    reweighting: bool = False
    copies: list[Literal["flip_horizontal", "flip_vertical", "half_turn", "quarter_turn"]] = []  # noqa: RUF012
