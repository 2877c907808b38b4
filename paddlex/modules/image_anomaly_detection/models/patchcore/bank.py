"""The memory bank of PatchCore (Roth et al.: Towards total recall in industrial anomaly detection, CVPR 2022, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import paddle
from paddle.nn import functional as F

from paddlex.modules.image_anomaly_detection.models.patchcore.coreset import greedy_coreset, nearest_squares
from paddlex.modules.image_anomaly_detection.models.patches.part import Part, PatchFeatures
from paddlex.modules.image_anomaly_detection.models.patches.standardise import Standardisation
from paddlex.modules.image_anomaly_detection.models.patches.threads import in_parallel

#: The distance of a standardised patch below which the arithmetic resolves nothing, as a share of the root of its number of
#: channels: of the distance that is usual between two of them. Anything nearer counts as that.
FLOOR = 0.01


def bank_size(wanted: int, patches: int) -> int:
    """How many patches a bank can hold: as many as wanted, or all there are.

    Raises:
        ValueError: there are none.
    """
    size = min(wanted, patches)
    if size < 1:
        raise ValueError(f"a memory bank needs at least 1 patch: {wanted} are wanted, of {patches}")
    return size


class MemoryBank(Part):
    """Patches of good parts; the distance of a patch is the Euclidean one to the nearest of them, of standardised features.

    |x - b|^2 is |x|^2 - 2 x.b + |b|^2, and the nearest b is found by one matrix product of [x, 1] and [-2b, |b|^2]. For a
    patch that is in the bank the terms cancel, and what is left of C or so is rounding, another one in every engine. So
    distances have a floor, ``FLOOR`` times the root of C, far below those of a new image: above it any two engines agree to
    1e-4 of the root of C. (To gather the nearest patch and subtract it would be exact, but ArgMin makes the whole five times as
    slow in OpenVINO.)

    Args:
        layer: the stage it looks at.
        channels: of a patch.
        size: how many patches it holds; see ``bank_size``.
    """

    def __init__(self, layer: str, channels: int, size: int) -> None:
        super().__init__(layer)
        self.channels = channels
        self.size = size
        self.register_buffer("mean", paddle.zeros([1, channels, 1, 1]))
        self.register_buffer("scale", paddle.ones([1, channels, 1, 1]))
        # a row a channel, as a matrix product wants them, of -2b, and |b|^2 as the last row
        self.register_buffer("patches", paddle.zeros([channels + 1, size]))

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        height, width = features.shape[2:]
        rows = ((features - self.mean) * self.scale).flatten(2).transpose([0, 2, 1])  # [N, h * w, C]
        squares = (rows * rows).sum(axis=-1, keepdim=True)
        extended = paddle.concat([rows, paddle.ones_like(squares)], axis=-1)
        nearest = F.linear(extended, self.patches).min(axis=-1, keepdim=True) + squares
        distance = paddle.clip(nearest, min=self._floor**2) ** 0.5
        return distance.transpose([0, 2, 1]).reshape([-1, 1, height, width])

    def fit(self, features: PatchFeatures, seed: int) -> np.ndarray:
        """Fill the bank with a coreset of the pool; see ``Part.fit``.

        A bank of the other folds holds fewer patches, where they have fewer.

        Raises:
            ValueError: the pool has fewer patches than the bank holds, all images are in one fold, or the features are no
                finite numbers.
        """
        features.check(self.layer)
        count = len(features.pool)
        if count < self.size:
            raise ValueError(
                f"the memory bank of {self.layer} holds {self.size} patches, but the training images give only {count}"
            )
        splits = list(features.splits())
        sources = [features.pool, *(features.pool[others] for _, others in splits)]
        whole, *of_others = in_parallel(lambda pool: self._fitted(pool, seed), sources)
        self._take_over(whole)
        judges = {image: fitted for (images, _), fitted in zip(splits, of_others, strict=True) for image in images}
        distances = in_parallel(
            lambda image: self._distances(features.kept[image], judges[image]), range(len(features.kept))
        )
        return np.stack(distances)

    @property
    def _floor(self) -> float:
        return FLOOR * self.channels**0.5

    def _fitted(self, pool: np.ndarray, seed: int) -> _Fitted:
        standardisation = Standardisation.of(pool)
        patches = standardisation(pool)
        return _Fitted(standardisation, patches[greedy_coreset(patches, self.size, seed)])

    def _distances(self, patches: np.ndarray, fitted: _Fitted) -> np.ndarray:
        """What ``forward`` would give for the features of one image, [h, w, C] -> [h, w]."""
        points = fitted.standardisation(patches.reshape(-1, self.channels))
        squares = nearest_squares(points, fitted.patches)
        return np.sqrt(np.maximum(squares, self._floor**2)).reshape(patches.shape[:2])

    def _take_over(self, fitted: _Fitted) -> None:
        patches = fitted.patches.astype(np.float64)
        values = {
            "mean": fitted.standardisation.mean.reshape(1, -1, 1, 1),
            "scale": fitted.standardisation.scale.reshape(1, -1, 1, 1),
            "patches": np.vstack([-2 * patches.T, (patches**2).sum(axis=1)]),
        }
        for name, value in values.items():
            getattr(self, name).set_value(np.ascontiguousarray(value, np.float32))


@dataclass(frozen=True)
class _Fitted:
    standardisation: Standardisation
    patches: np.ndarray  # float32 [b, C], standardised
