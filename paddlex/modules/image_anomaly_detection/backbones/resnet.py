"""The feature pyramid of a ResNet (He et al., CVPR 2016) or a Wide ResNet (Zagoruyko, Komodakis, BMVC 2016)."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import nn
from paddle.vision.models import resnet

_STAGES = ("layer1", "layer2", "layer3", "layer4")


class ResNetPyramid(nn.Layer):
    """A ResNet cut after its deepest requested stage.

    In the papers' notation conv2_x is ``layer1`` (stride 4), conv3_x is ``layer2`` (8), conv4_x is ``layer3`` (16) and conv5_x
    is ``layer4`` (32). Parameters are named as in ``paddle.vision.models``.

    Args:
        name: of a network in ``paddle.vision.models``.
        layers: the stages whose output is returned, in order.
    """

    def __init__(self, name: str, layers: Sequence[str]) -> None:
        super().__init__()
        whole = getattr(resnet, name)(num_classes=0, with_pool=False)
        self.conv1, self.bn1, self.maxpool = whole.conv1, whole.bn1, whole.maxpool
        self.stages = _STAGES[: max(map(_STAGES.index, layers)) + 1]
        for stage in self.stages:
            setattr(self, stage, getattr(whole, stage))
        self.layers = tuple(layers)

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """Features of the chosen layers: float32 [N, C_l, H / s_l, W / s_l] for an image batch [N, 3, H, W]."""
        x = self.maxpool(nn.functional.relu(self.bn1(self.conv1(x))))
        features = []
        for stage in self.stages:
            x = getattr(self, stage)(x)
            if stage in self.layers:
                features.append(x)
        return features
