"""The feature pyramid of a ResNet (He et al., CVPR 2016): what teacher and student are both made of."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import nn
from paddle.vision.models import resnet

#: Depths whose structure paddle.vision knows; the student has the same one as the teacher.
BACKBONES = ("resnet18", "resnet34", "resnet50")
STRIDES = {"layer1": 4, "layer2": 8, "layer3": 16}
STAGES = tuple(STRIDES)


class ResNetPyramid(nn.Layer):
    """A ResNet cut after its deepest requested stage.

    In the paper's notation conv2_x is ``layer1`` (stride 4), conv3_x is ``layer2`` (8) and conv4_x is ``layer3`` (16); what
    lies deeper is never matched. Parameters are named as in ``paddle.vision.models``.

    Args:
        backbone: one of ``BACKBONES``.
        layers: the stages whose output is returned, in order.
    """

    def __init__(self, backbone: str = "resnet18", layers: Sequence[str] = STAGES) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"backbone {backbone!r} is not one of {', '.join(BACKBONES)}")
        if not layers or any(layer not in STAGES for layer in layers):
            raise ValueError(f"layers {list(layers)} are not among {', '.join(STAGES)}")
        whole = getattr(resnet, backbone)(num_classes=0, with_pool=False)
        self.conv1, self.bn1, self.maxpool = whole.conv1, whole.bn1, whole.maxpool
        self.stages = STAGES[: max(map(STAGES.index, layers)) + 1]
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
