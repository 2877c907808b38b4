"""A part of a detector: what judges the features of one stage of a backbone, and what it is fitted to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import nn


@dataclass(frozen=True)
class PatchFeatures:
    """What the fitting sees of one stage. Every training image, kept or not, is in one of the folds 0..F-1.

    Attributes:
        kept: float16 or float32 [k, h, w, C]: the features of some training images.
        folds: int [k]: the fold of each kept image.
        numbers: int [k]: which of the training images each is.
        pool: float32 [m, C]: patches drawn at random from all training images.
        pool_folds: int [m]: the fold of the image that each of them is from.
        pool_numbers: int [m]: which of the training images that is.
    """

    kept: np.ndarray
    folds: np.ndarray
    numbers: np.ndarray
    pool: np.ndarray
    pool_folds: np.ndarray
    pool_numbers: np.ndarray

    def without(self, numbers: Sequence[int]) -> PatchFeatures:
        """What there is of the other training images; each stays in its fold."""
        stays, pool_stays = (~np.isin(of, numbers) for of in (self.numbers, self.pool_numbers))
        return PatchFeatures(
            self.kept[stays], self.folds[stays], self.numbers[stays],
            self.pool[pool_stays], self.pool_folds[pool_stays], self.pool_numbers[pool_stays],
        )  # fmt: skip

    def check(self, layer: str) -> None:
        """See that there is something to fit to.

        Args:
            layer: the stage, for the message.

        Raises:
            ValueError: a feature is not finite, or all images are in one fold, which leaves nothing to judge them by.
        """
        if not (np.isfinite(self.kept).all() and np.isfinite(self.pool).all()):
            raise ValueError(f"the features of {layer} are no finite numbers")
        for folds in (self.folds, self.pool_folds):
            if len(np.unique(folds)) < 2:
                raise ValueError(f"cross-fitting {layer} needs images in at least two folds")

    def splits(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each fold: the numbers of the kept images in it (int), and which of the pool's patches are not (bool [m])."""
        for fold in np.unique(self.folds):
            yield np.flatnonzero(self.folds == fold), self.pool_folds != fold


class Part(nn.Layer):
    """How far the features of one stage are from those of good parts.

    Args:
        layer: the stage it looks at.
    """

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        """The distance at each position: float32 [N, C, h, w] -> [N, 1, h, w], at least 0."""
        raise NotImplementedError

    def unfitted(self, patches: int) -> Part:
        """One like this that has not been fitted, as large as so many patches of good parts allow."""
        raise NotImplementedError

    def fit(self, features: PatchFeatures, seed: int) -> np.ndarray:
        """Set the buffers by the images of all folds.

        Args:
            features: of the stage.
            seed: of whatever is drawn; the same seed and features give the same buffers.

        Returns:
            The cross-fitted distances of the kept images, float32 [k, h, w]: those of an image are from a fit to the other
            folds, so that they are as large as a new image's would be.

        Raises:
            ValueError: there is too little to fit to, or the features are no finite numbers.
        """
        raise NotImplementedError
