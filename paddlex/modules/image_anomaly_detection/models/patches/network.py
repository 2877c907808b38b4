"""A frozen backbone, and parts that judge its features: the network of all models that compare patch features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional as F

from paddlex.inference.refit.fusion import summed
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES, backbone_of, build_backbone
from paddlex.modules.image_anomaly_detection.calibration.fusion import upsample
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork
from paddlex.modules.image_anomaly_detection.models.patches.part import Part

#: Between the names of stages whose features are joined, the finest first: ``layer2+layer3``.
JOINED = "+"

#: Pixels: how far the calibrated map is smoothed (PatchCore's sigma, at its 224 pixels).
_SMOOTHING = 4.0


class PatchBackbone(nn.Layer):
    """Patch features of some stages: a backbone's, each averaged with its neighbours (PatchCore, Eq. 1 and 2).

    Args:
        backbone: one of ``BACKBONES``.
        names: stages; several that ``JOINED`` joins are brought to the size of the first and stacked (PatchCore, section 3.1).
        image_size: height and width of the input.
    """

    def __init__(self, backbone: str, names: Sequence[str], image_size: tuple[int, int]) -> None:
        super().__init__()
        self.names = tuple(names)
        layers = {layer for name in names for layer in name.split(JOINED)}
        described = backbone_of(backbone, sorted(layers))
        self.layers = [stage for stage in described.stages if stage in layers]
        self.network = build_backbone(backbone, self.layers, **described.options(image_size))
        for parameter in self.network.parameters():
            parameter.stop_gradient = True

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """float32 [N, 3, H, W] -> float32 [N, C, h, w] for each name."""
        stages = {}
        for layer, features in zip(self.layers, self.network(x)):  # noqa: B905  (Paddle's tracer knows no strict)
            stages[layer] = F.avg_pool2d(features, 3, stride=1, padding=1)
        joined = []
        for name in self.names:
            first, *others = [stages[layer] for layer in name.split(JOINED)]
            size = first.shape[2:]
            joined.append(paddle.concat([first, *(upsample(other, size) for other in others)], axis=1))
        return joined


class PatchNetwork(AnomalyNetwork):
    """Patch features, and one partial map by each of some parts, the finest first.

    Args:
        card: the backbone and the image size are read.
        parts: in any order.

    Raises:
        ValueError: the backbone has no such stages, or the finest map is too small to be smoothed.
    """

    # with none at all the thresholds can be so high that nothing is found, although the images are told apart perfectly
    least_shrinkage = 0.1

    def __init__(self, card: ModelCard, parts: Sequence[Part]) -> None:
        in_order = BACKBONES[card.backbone].in_order(part.layer.partition(JOINED)[0] for part in parts)
        parts = sorted(parts, key=lambda part: in_order.index(part.layer.partition(JOINED)[0]))
        names = list(dict.fromkeys(part.layer for part in parts))
        finest = [part.layer.partition(JOINED)[0] for part in parts]
        described = backbone_of(card.backbone, finest)
        stride = described.stages[finest[0]].stride
        super().__init__(described.map_sizes(finest, card.size), sigma=_SMOOTHING / stride)
        self.backbone = PatchBackbone(card.backbone, names, card.size)
        self.parts = nn.LayerList(parts)

    def partial_maps(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        return self.judged(self.backbone(x))

    def with_features(self) -> tuple[nn.Layer, list[str]]:
        return _WithFeatures(self), list(self.backbone.names)

    def judged(self, features: Sequence[paddle.Tensor]) -> list[paddle.Tensor]:
        """The partial maps of features by ``backbone.names``, float32 [N, C, h, w] each."""
        named = dict(zip(self.backbone.names, features))  # noqa: B905  (Paddle's tracer knows no strict)
        return [part(named[part.layer]) for part in self.parts]

    def paper_map(self, partial: Sequence[paddle.Tensor], size: Sequence[int]) -> paddle.Tensor:
        """The distances as they are, summed."""
        fused = upsample(partial[0], size)
        for distances in partial[1:]:
            fused = fused + upsample(distances, size)
        return fused

    def paper_maps(self, partial: Sequence[np.ndarray], size: Sequence[int]) -> np.ndarray:
        return summed(partial, size)


class _WithFeatures(nn.Layer):
    """See ``AnomalyNetwork.with_features``."""

    def __init__(self, network: PatchNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        features, size = self.network.backbone(x), x.shape[2:]
        partial = self.network.judged(features)
        return [self.network.paper_map(partial, size), self.network.fusion(partial, size), *features]


def channels_of(card: ModelCard, name: str) -> int:
    """How many channels the features of a name have."""
    layers = name.split(JOINED)
    stages = backbone_of(card.backbone, layers).stages
    return sum(stages[layer].channels for layer in layers)


def map_size_of(card: ModelCard, name: str) -> tuple[int, int]:
    """Height and width of the features of a name."""
    finest = name.partition(JOINED)[0]
    return backbone_of(card.backbone, [finest]).map_sizes([finest], card.size)[0]
