"""A Gaussian at each position (Defard, Setkov, Loesch, Audigier: PaDiM, ICPR 2020 workshops, section III)."""

from __future__ import annotations

import numpy as np
import paddle
from paddle.nn import functional as F

from paddlex.modules.image_anomaly_detection.models.patches.part import Part, PatchFeatures
from paddlex.modules.image_anomaly_detection.models.patches.standardise import Standardisation
from paddlex.modules.image_anomaly_detection.models.patches.threads import in_parallel

#: What is added to the variance of each channel (the paper's epsilon, Eq. 1), here of standardised features: it makes the
#: covariance invertible, and decides what counts in the directions that fewer images than channels leave open.
_REGULARISATION = 0.01

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

    def unfitted(self, patches: int) -> PositionGaussians:
        """Others for the same features, however many patches there are; see ``Part.unfitted``."""
        return PositionGaussians(self.layer, self.mean.shape[2], self.size)

    def fit(self, features: PatchFeatures, seed: int) -> np.ndarray:
        """Fit the Gaussians to the kept images; see ``Part.fit``. The pool gives the range of each channel; nothing is drawn.

        Raises:
            ValueError: all images are in one fold, the features are no finite numbers, or a covariance cannot be inverted.
        """
        features.check(self.layer)
        splits = list(features.splits())
        scale = Standardisation.of(features.pool).scale
        scales = [Standardisation.of(features.pool[others]).scale for _, others in splits]

        def fit_row(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            """Mean and whitening of each position in a row, and the cross-fitted distances there: [k, w]."""
            row = features.kept[:, number].transpose(1, 0, 2).astype(np.float64)  # [w, k, C]
            mean = row.mean(axis=1, keepdims=True)
            row -= mean
            scatter = row.transpose(0, 2, 1) @ row
            distances = np.empty((row.shape[1], row.shape[0]))
            for (images, _), its_scale in zip(splits, scales, strict=True):
                left_out = row[:, images]
                count = row.shape[1] - len(images)
                others_mean = -left_out.sum(axis=1, keepdims=True) / count  # all together have a mean of 0
                others_scatter = scatter - left_out.transpose(0, 2, 1) @ left_out
                others_scatter -= count * others_mean.transpose(0, 2, 1) @ others_mean
                white = (left_out - others_mean) @ self._whitening(others_scatter, count, its_scale)
                distances[images] = np.linalg.norm(white, axis=2).T
            return mean, self._whitening(scatter, row.shape[1], scale), distances

        # a row at a time: so little memory is enough
        means, whitenings, distances = zip(*in_parallel(fit_row, range(features.kept.shape[1])), strict=True)
        self.mean.set_value(np.concatenate(means).astype(np.float32))
        self.whitening.set_value(np.concatenate(whitenings).astype(np.float32))
        return np.stack(distances, axis=1).astype(np.float32)

    def _whitening(self, scatter: np.ndarray, count: int, scale: np.ndarray) -> np.ndarray:
        """W of each position, [w, C, C], for the sums of squares about the mean, float64 [w, C, C], of so many images."""
        scales = scale.astype(np.float64)
        covariance = scatter * (scales[:, None] * scales / max(count - 1, 1))
        covariance += _REGULARISATION * np.eye(len(scale))
        try:
            root = np.linalg.cholesky(covariance)  # covariance = root root^T, and W = (root^-1)^T
        except np.linalg.LinAlgError:
            raise ValueError(
                f"the covariance of the features of {self.layer} cannot be inverted: their ranges are too unequal"
            ) from None
        return scales[:, None] * np.linalg.inv(root).transpose(0, 2, 1)
