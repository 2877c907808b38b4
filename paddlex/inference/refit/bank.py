"""Fitting the memory bank of PatchCore (Roth et al.: Towards total recall, CVPR 2022, section 3). Pure NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddlex.inference.refit.coreset import greedy_coreset, nearest_squares, surroundings
from paddlex.inference.refit.features import PatchFeatures
from paddlex.inference.refit.parts import FittedPart
from paddlex.inference.refit.standardise import Standardisation
from paddlex.inference.refit.threads import Done, in_parallel, nothing

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


def fit_bank(
    features: PatchFeatures, layer: str, size: int, neighbours: int, seed: int, done: Done = nothing
) -> FittedPart:
    """Fill a bank with a coreset of the pool.

    A bank of the other folds holds fewer patches, where they have fewer.

    Args:
        features: of the stage.
        layer: the stage, for messages.
        size: how many patches the bank holds.
        neighbours: see ``MemoryBank``; 0 for no weighting.
        seed: of whatever is drawn; the same seed and features give the same bank.
        done: called after each of the folds, and once more.

    Returns:
        mean and scale [1, C, 1, 1]; patches [C + 1, size], a row a channel, as a matrix product wants them, of -2b, and |b|^2
        as the last row; with neighbours surroundings [size, neighbours], numbers of patches, in the type of all weights.

    Raises:
        ValueError: the pool has fewer patches than the bank holds, all images are in one fold, or the features are no finite
            numbers.
    """
    features.check(layer)
    count = len(features.pool)
    if count < size:
        raise ValueError(f"the memory bank of {layer} holds {size} patches, but the training images give only {count}")
    splits = list(features.splits())
    sources = [features.pool, *(features.pool[others] for _, others in splits)]
    whole, *of_others = in_parallel(lambda pool: _Bank.of(pool, size, seed), sources, done)
    judges = {image: bank for (images, _), bank in zip(splits, of_others, strict=True) for image in images}
    distances = in_parallel(
        lambda image: judges[image].distances(features.kept[image], neighbours), features.judged.tolist()
    )
    return FittedPart(whole.arrays(neighbours), np.stack(distances))


@dataclass(frozen=True)
class _Bank:
    """Attributes:
    standardisation: of patches.
    patches: float32 [b, C], standardised.
    """

    standardisation: Standardisation
    patches: np.ndarray

    @classmethod
    def of(cls, pool: np.ndarray, size: int, seed: int) -> _Bank:
        standardisation = Standardisation.of(pool)
        patches = standardisation(pool)
        return cls(standardisation, patches[greedy_coreset(patches, size, seed)])

    def distances(self, patches: np.ndarray, neighbours: int) -> np.ndarray:
        """What the network would give for the features of one image, [h, w, C] -> [h, w]."""
        points = self.standardisation(patches.reshape(-1, patches.shape[-1]))
        floor = FLOOR * points.shape[1] ** 0.5
        distances = np.sqrt(np.maximum(nearest_squares(points, self.patches), floor**2))
        if neighbours:
            to_bank = np.linalg.norm(self.patches - points[distances.argmax()], axis=1)
            around = surroundings(self.patches, to_bank.argmin(keepdims=True), neighbours)[0]
            to_surroundings = np.maximum(to_bank[around], floor)
            shares = np.exp(to_surroundings - to_surroundings.max())
            distances *= 1 - shares[0] / shares.sum()
        return distances.reshape(patches.shape[:2])

    def arrays(self, neighbours: int) -> dict[str, np.ndarray]:
        patches = self.patches.astype(np.float64)
        values = {
            "mean": self.standardisation.mean.reshape(1, -1, 1, 1),
            "scale": self.standardisation.scale.reshape(1, -1, 1, 1),
            "patches": np.vstack([-2 * patches.T, (patches**2).sum(axis=1)]),
        }
        if neighbours:
            values["surroundings"] = surroundings(self.patches, np.arange(len(patches)), neighbours)
        return {name: np.ascontiguousarray(value, np.float32) for name, value in values.items()}
