"""The ``Train`` section of STFPM.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from paddlex.config_schema import ConvolutionalBackbone, HoldoutSection
from paddlex.modules.image_anomaly_detection.models.gradient_options import GradientSection

Layers = Annotated[list[Literal["layer1", "layer2", "layer3"]], Field(min_length=1)]


class STFPMCalibration(HoldoutSection):
    """Where the thresholds come from: normal images of the training list that the student is not trained on."""

    fusion: Literal["calibrated", "product"] = "calibrated"  # type: ignore[assignment]


class STFPMOptions(GradientSection):
    """Mode train, for STFPM."""

    backbone: ConvolutionalBackbone = "resnet18"
    layers: Layers = ["layer1", "layer2", "layer3"]  # type: ignore[assignment]  # noqa: RUF012  (pydantic copies it)
    calibration: STFPMCalibration = STFPMCalibration()
