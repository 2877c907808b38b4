"""How the partial maps become one anomaly map: a sum of calibrated z-scores."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import nn
from paddle.nn import functional as F

from paddlex.inference.refit.fusion import SMOOTHING_RADIUS, CalibratedMaps, Statistics, gaussian


def upsample(maps: paddle.Tensor, size: Sequence[int]) -> paddle.Tensor:
    """Bilinear, [N, 1, h, w] -> [N, 1, H, W]."""
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


class CalibratedFusion(nn.Layer):
    """How unusual each distance is for its layer and position, as a z-score; summed over layers and smoothed.

    Some places (an edge, a bus bar) always have large distances, on good parts too. Where and how large is learnt from normal
    images after the training: ``mean_l`` and ``deviation_l`` of each layer, [1, 1, h_l, w_l]. Until then they are 0 and 1.

    Args:
        sizes: (h_l, w_l) of each layer, the finest first.
        sigma: of the Gaussian, in positions of the finest layer.

    Raises:
        ValueError: the finest layer is smaller than the Gaussian.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]], sigma: float = 1.0) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        if min(self.sizes[0]) <= SMOOTHING_RADIUS:
            raise ValueError(
                f"the finest layer has {self.sizes[0]} positions, too few to smooth: the image is too small"
            )
        for number, (height, width) in enumerate(self.sizes):
            self.register_buffer(f"mean_{number}", paddle.zeros([1, 1, height, width]))
            self.register_buffer(f"deviation_{number}", paddle.ones([1, 1, height, width]))
        self.sigma = sigma
        self._gaussian = gaussian(sigma)

    def in_numpy(self) -> CalibratedMaps:
        """What computes the same without Paddle, to rounding; it has the statistics of now."""
        maps = CalibratedMaps(self.sizes, self.sigma)
        buffers = (
            (getattr(self, f"{name}_{number}") for name in ("mean", "deviation")) for number in range(len(self.sizes))
        )
        maps.set_statistics([tuple(buffer.numpy()[0, 0] for buffer in of_layer) for of_layer in buffers])
        return maps

    def set_statistics(self, statistics: Statistics) -> None:
        """Take over mean and deviation of each layer, [h_l, w_l] each."""
        for number, (mean, deviation) in enumerate(statistics):
            for name, value in ((f"mean_{number}", mean), (f"deviation_{number}", deviation)):
                buffer = getattr(self, name)
                buffer.set_value(paddle.to_tensor(value, "float32").reshape(buffer.shape))

    def forward(self, distances: Sequence[paddle.Tensor], size: Sequence[int]) -> paddle.Tensor:
        """[N, 1, h_l, w_l] of each layer -> [N, 1, H, W], about 0 where all is as usual, in standard deviations."""
        fused = paddle.zeros([1])
        for number, distance in enumerate(distances):
            z = (distance - getattr(self, f"mean_{number}")) / getattr(self, f"deviation_{number}")
            fused = fused + upsample(z, self.sizes[0])
        return upsample(self._smooth(fused), size)

    def _smooth(self, maps: paddle.Tensor) -> paddle.Tensor:
        """A Gaussian along either axis; at the border the picture is mirrored."""
        r = SMOOTHING_RADIUS
        kernel = paddle.to_tensor(self._gaussian, "float32")
        maps = F.conv2d(F.pad(maps, [0, 0, r, r], mode="reflect"), kernel.reshape([1, 1, -1, 1]))
        return F.conv2d(F.pad(maps, [r, r, 0, 0], mode="reflect"), kernel.reshape([1, 1, 1, -1]))
