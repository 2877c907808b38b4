"""A Gaussian at each position (Defard, Setkov, Loesch, Audigier: PaDiM, ICPR 2020 workshops, section III)."""

from __future__ import annotations

import numpy as np
import paddle
from paddle.nn import functional as F

from paddlex.inference.fit_facts import GAUSSIANS, PartFacts
from paddlex.inference.refit.features import PatchFeatures
from paddlex.inference.refit.gaussians import fit_gaussians
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection
from paddlex.modules.image_anomaly_detection.models.patches.part import Part

#: What a graph may weigh: a file of Protocol Buffers, such as ONNX, holds no more.
_MOST_GIGABYTES = 2


class PositionGaussians(Part):
    """How features are spread at each position on good parts; the distance is Mahalanobis's (Eq. 2).

    It is the length of (x - mean) W, where W W^T is the inverse of the covariance: nothing cancels, and any two engines agree
    to 1e-5 of the distance.

    Args:
        layer: the stage it looks at.
        channels: of its features. h * w * channels^2 numbers are kept.
        size: h and w of its features.

    Raises:
        ValueError: that would be more than a graph may hold.
    """

    def __init__(self, layer: str, channels: int, size: tuple[int, int]) -> None:
        super().__init__(layer)
        self.size = size
        positions = size[0] * size[1]
        gigabytes = positions * channels**2 * 4 / 2**30
        if gigabytes > _MOST_GIGABYTES:
            raise ValueError(
                f"Gaussians at {size[0]} x {size[1]} positions of {channels} channels, of {layer}, take {gigabytes:.1f} GB, "
                f"and a graph holds {_MOST_GIGABYTES}"
            )
        self.register_buffer("mean", paddle.zeros([positions, 1, channels]))
        self.register_buffer("whitening", paddle.tile(paddle.eye(channels), [positions, 1, 1]))

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        height, width = self.size
        rows = features.flatten(2).transpose([2, 0, 1]) - self.mean  # [h * w, N, C]
        white = F.linear(rows, self.whitening)  # a matrix for each position: a batched product
        distance = (white * white).sum(axis=-1) ** 0.5
        return distance.transpose([1, 0]).reshape([-1, 1, height, width])

    def facts(self, options: PatchSection) -> PartFacts:
        return PartFacts(GAUSSIANS, self.layer)

    def unfitted(self, patches: int) -> PositionGaussians:
        """Others for the same features, however many patches there are; see ``Part.unfitted``."""
        return PositionGaussians(self.layer, self.mean.shape[2], self.size)

    def fit(self, features: PatchFeatures, seed: int) -> np.ndarray:
        """Fit the Gaussians to the kept images; see ``Part.fit`` and ``fit_gaussians``. Nothing is drawn."""
        return self.take_over(fit_gaussians(features, self.layer))
