"""Batch normalisation over the images of all processes (Ioffe, Szegedy: Batch Normalization, ICML 2015, Algorithm 1).

Paddle's own SyncBatchNorm runs on GPUs only and takes parts of equal size; this one runs on both.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.autograd import PyLayer
from paddle.nn import functional as F

from paddlex.modules.image_anomaly_detection.distributed import Shard, World

_EPSILON = 1e-5  # cuDNN takes no smaller one


class SynchronisedBatchNorm(nn.BatchNorm2D):
    """A BatchNorm2D whose statistics, while it trains, are those of the whole batch; its parameters are the original's.

    Attributes:
        shard: this process's part of the batch; to be set before each step.
    """

    def __init__(self, original: nn.BatchNorm2D, world: World) -> None:
        super().__init__(original._mean.shape[0], momentum=original._momentum, epsilon=original._epsilon)
        self.weight, self.bias = original.weight, original.bias
        self._mean, self._variance = original._mean, original._variance
        self._world = world
        self.shard = Shard([0], 1.0, 1, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """float32 [n, C, h, w] of this process's images -> the same."""
        if not self.training:
            return super().forward(x)
        is_half = x.dtype in (paddle.float16, paddle.bfloat16)  # which would lose the digits of the sums
        with paddle.amp.auto_cast(enable=False) if is_half else nullcontext():
            x = x.astype("float32") if is_half else x
            y, mean, variance = _BatchNorm.apply(x, self.weight, self.bias, self._epsilon, self.shard, self._world)
        momentum = float(np.float32(self._momentum))  # as Paddle's kernel has it
        with paddle.no_grad():  # and of the variance, as there, the biased one
            for running, batch in ((self._mean, mean), (self._variance, variance)):
                paddle.assign(momentum * running + (1 - momentum) * batch, output=running)
        return y


def synchronise_batch_norm(network: nn.Layer, world: World) -> list[SynchronisedBatchNorm]:
    """Put a SynchronisedBatchNorm in the place of every BatchNorm2D; returns them. State dicts keep their names."""
    layers = []
    for parent in network.sublayers(include_self=True):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2D):
                layer = SynchronisedBatchNorm(child, world)
                layer.training = child.training
                setattr(parent, name, layer)
                layers.append(layer)
    return layers


class _BatchNorm(PyLayer):
    """y = weight * (x - mean) / sqrt(variance + epsilon) + bias, mean and variance over the images of all processes.

    A process with weight 0 counts nowhere: its images change no sum, and get no gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: paddle.Tensor,
        weight: paddle.Tensor,
        bias: paddle.Tensor,
        epsilon: float,
        shard: Shard,
        world: World,
    ) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        positions = x.shape[2] * x.shape[3]
        counts = shard.weight > 0
        # Sums about this process's own mean, put together in float64: S2 - N * mean^2 in float32 would lose the digits.
        own_count = len(shard.numbers) * positions if counts else 0
        own_mean = _sum(x) / (x.shape[0] * positions)
        centred = _scale_and_shift(x, paddle.ones_like(own_mean), -own_mean)
        own_squares = _sum(centred * centred).astype("float64")
        own_mean = own_mean.astype("float64")
        sums = paddle.concat([own_count * own_mean, counts * own_squares + own_count * own_mean * own_mean])
        world.sum_tensor(sums)
        total = shard.total * positions
        mean, squares = (sums / total).reshape([2, -1])
        variance = paddle.clip(squares - mean * mean, min=0.0)
        inverse_deviation = paddle.rsqrt(variance + epsilon).astype(x.dtype)
        mean, variance = mean.astype(x.dtype), variance.astype(x.dtype)
        ctx.save_for_backward(x, weight, mean, inverse_deviation)
        ctx.counts, ctx.total, ctx.world = counts, total, world
        ctx.mark_non_differentiable(mean, variance)
        scale = weight * inverse_deviation
        return _scale_and_shift(x, scale, bias - scale * mean), mean, variance

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor, *unused: Any) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        """The gradients of x, weight and bias.

        dx = weight / deviation * (dy - mean(dy) - x^ * mean(dy * x^)), where x^ is the normalised x and the means are over
        the images of all processes. Those of weight and bias are this process's part of the sum.
        """
        x, weight, mean, inverse_deviation = ctx.saved_tensor()
        normalised = _scale_and_shift(x, inverse_deviation, -mean * inverse_deviation)
        own_bias, own_weight = _sum(dy), _sum(dy * normalised)
        sums = paddle.concat([own_bias, own_weight])
        ctx.world.sum_tensor(sums)
        mean_bias, mean_weight = (sums / ctx.total).reshape([2, -1])
        scale = ctx.counts * weight * inverse_deviation
        dx = _scale_and_shift(dy, scale, -scale * mean_bias)
        dx = dx - _scale_and_shift(normalised, scale * mean_weight, paddle.zeros_like(scale))
        return dx, own_weight, own_bias


def _sum(x: paddle.Tensor) -> paddle.Tensor:
    """[n, C, h, w] -> [C]. By a product: five times as fast as Paddle's own sum on a CPU."""
    flat = x.flatten(2)
    return paddle.matmul(flat, paddle.ones([flat.shape[2]], x.dtype)).sum(0)


def _scale_and_shift(x: paddle.Tensor, scale: paddle.Tensor, shift: paddle.Tensor) -> paddle.Tensor:
    """For each channel scale * x + shift, by the kernel of batch normalisation: broadcasting takes four times as long."""
    mean, variance = paddle.zeros_like(scale), paddle.full_like(scale, 1 - _EPSILON)
    return F.batch_norm(x, mean, variance, weight=scale, bias=shift, training=False, epsilon=_EPSILON)
