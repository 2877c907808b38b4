"""EfficientNet-Lite (Google, 2020): EfficientNet (Tan, Le, ICML 2019) without squeeze-and-excitation, with ReLU6."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional as F

#: (width, depth) of each network, as multiples of Lite0's.
_SCALES = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite1": (1.0, 1.1), "efficientnet_lite2": (1.1, 1.2)}

#: (blocks, kernel, stride, expansion, channels) of Lite0's stages (EfficientNet, table 1).
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)

#: The stage of ``_STAGES`` with which each layer ends.
_LAST_STAGE = {"layer1": 1, "layer2": 2, "layer3": 4, "layer4": 6}

_STEM_CHANNELS = 32
_EPSILON = 1e-3  # of the batch normalisation, as it was trained


@dataclass(frozen=True)
class _Block:
    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int
    layer: str | None  # that ends with it


def _blocks(name: str) -> Iterator[_Block]:
    """The blocks of a network; the first and the last stage of a Lite network are not made deeper."""
    width, depth = _SCALES[name]
    inputs = _STEM_CHANNELS
    last_stages = {stage: layer for layer, stage in _LAST_STAGE.items()}
    for stage, (count, kernel, stride, expansion, channels) in enumerate(_STAGES):
        outputs = _rounded(width * channels)
        repeats = count if stage in (0, len(_STAGES) - 1) else math.ceil(depth * count)
        for number in range(repeats):
            layer = last_stages.get(stage) if number == repeats - 1 else None
            yield _Block(kernel, 1 if number else stride, expansion, inputs, outputs, layer)
            inputs = outputs


def _rounded(channels: float) -> int:
    """The nearest multiple of 8 that is not below 90 % of ``channels``."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class ConvolutionNorm(nn.Layer):
    """A convolution and its batch normalisation, or, ``folded``, one convolution with a bias that does both.

    It pads as TensorFlow does with "SAME": an uneven row or column of zeros goes below and to the right.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, folded: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2D(
            inputs, outputs, kernel, stride, padding=0, groups=groups, bias_attr=None if folded else False
        )
        if not folded:
            self.bn = nn.BatchNorm2D(outputs, epsilon=_EPSILON)
        self._kernel, self._stride, self._folded = kernel, stride, folded

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """[N, inputs, H, W] -> [N, outputs, ceil(H / stride), ceil(W / stride)]."""
        (top, bottom), (left, right) = (self._padding(side) for side in x.shape[2:])
        padding = [
            top,
            bottom,
            left,
            right,
        ]  # by the convolution itself: a Pad of its own costs as much as some convolutions
        x = F.conv2d(x, self.conv.weight, self.conv.bias, self._stride, padding, groups=self.conv._groups)
        return x if self._folded else self.bn(x)

    def _padding(self, side: int) -> tuple[int, int]:
        total = max(0, (-(-side // self._stride) - 1) * self._stride + self._kernel - side)
        return total // 2, total - total // 2


class InvertedResidual(nn.Layer):
    """Expand, filter each channel by itself, project (MobileNetV2); added to its input where the shapes agree."""

    def __init__(self, block: _Block, folded: bool) -> None:
        super().__init__()
        channels = block.inputs * block.expansion
        self.expand = ConvolutionNorm(block.inputs, channels, 1, folded=folded) if block.expansion > 1 else None
        self.depthwise = ConvolutionNorm(channels, channels, block.kernel, block.stride, groups=channels, folded=folded)
        self.project = ConvolutionNorm(channels, block.outputs, 1, folded=folded)
        self._is_residual = block.stride == 1 and block.inputs == block.outputs

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """[N, inputs, H, W] -> [N, outputs, ceil(H / stride), ceil(W / stride)]."""
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self._is_residual else y


class EfficientNetLitePyramid(nn.Layer):
    """An EfficientNet-Lite cut after its deepest requested layer.

    Args:
        name: ``efficientnet_lite0``, ``efficientnet_lite1`` or ``efficientnet_lite2``.
        layers: the layers whose output is returned, in order.
        folded: the batch normalisation is part of the convolutions, see ``fold_batch_norm``: for a network that is not trained.
    """

    def __init__(self, name: str, layers: Sequence[str], *, folded: bool = False) -> None:
        super().__init__()
        blocks = list(_blocks(name))
        deepest = max(number for number, block in enumerate(blocks) if block.layer in layers)
        self.stem = ConvolutionNorm(3, _STEM_CHANNELS, 3, 2, folded=folded)
        self.blocks = nn.LayerList([InvertedResidual(block, folded) for block in blocks[: deepest + 1]])
        self.layers = tuple(layers)
        self._wanted = [block.layer in layers for block in blocks[: deepest + 1]]

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """Features of the chosen layers: float32 [N, C_l, ceil(H / s_l), ceil(W / s_l)] for images [N, 3, H, W]."""
        x = F.relu6(self.stem(x))
        features = []
        for block, is_wanted in zip(self.blocks, self._wanted):  # noqa: B905  (Paddle's tracer knows no strict)
            x = block(x)
            if is_wanted:
                features.append(x)
        return features


def fold_batch_norm(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a network as those of the same network built with ``folded``.

    w' = w g / sqrt(v + e), b' = b - m g / sqrt(v + e), with scale g, shift b, mean m and variance v of the batch
    normalisation.
    """
    folded = {}
    for name, array in arrays.items():
        stem, is_convolution, _ = name.rpartition(".conv.")
        if not is_convolution:
            continue
        scale, shift, mean, variance = (
            np.asarray(arrays[f"{stem}.bn.{part}"], np.float64) for part in ("weight", "bias", "_mean", "_variance")
        )
        factor = scale / np.sqrt(variance + _EPSILON)
        folded[f"{stem}.conv.weight"] = (array * factor[:, None, None, None]).astype(np.float32)
        folded[f"{stem}.conv.bias"] = (shift - mean * factor).astype(np.float32)
    return folded
