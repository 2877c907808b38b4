"""One pass over the good parts: patch features, as many as memory allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from paddlex.inference.backends import Backend
from paddlex.inference.refit.copies import Copy
from paddlex.inference.view import resized_region
from paddlex.utils.logging import logger

#: Images are divided among so many folds, see ``PatchFeatures``.
FOLDS = 5

#: Instead of a fold: every fit learns from the image, and none judges it.
NO_FOLD = -1


class Pictures(Protocol):
    """Good parts as the network is to see them."""

    def __len__(self) -> int: ...

    def __call__(self, batches: Sequence[Sequence[int]]) -> Iterator[np.ndarray]:
        """Yield float32 [N, 3, H, W] for each list of N numbers, in order."""

    def inspected(self, number: int) -> np.ndarray | None:
        """Where a picture is judged, bool [H, W]; None for everywhere."""


@dataclass(frozen=True)
class PatchFeatures:
    """What the fitting sees of one stage. Every image, kept or not, is in one of the folds 0..F-1, or in ``NO_FOLD``.

    Attributes:
        kept: float16 or float32 [k, h, w, C]: the features of some images.
        folds: int [k]: the fold of each kept image.
        numbers: int [k]: which of the images each is.
        pool: float32 [m, C]: patches drawn at random from all images.
        pool_folds: int [m]: the fold of the image that each of them is from.
        pool_numbers: int [m]: which of the images that is.
    """

    kept: np.ndarray
    folds: np.ndarray
    numbers: np.ndarray
    pool: np.ndarray
    pool_folds: np.ndarray
    pool_numbers: np.ndarray

    @property
    def judged(self) -> np.ndarray:
        """Which of the kept images are in a fold, int [j]."""
        return np.flatnonzero(self.folds != NO_FOLD)

    @property
    def judged_numbers(self) -> np.ndarray:
        """Which of the images these are, int [j]."""
        return self.numbers[self.judged]

    def without(self, numbers: Sequence[int]) -> PatchFeatures:
        """What there is of the other images; each stays in its fold."""
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
            if len(np.unique(folds[folds != NO_FOLD])) < 2:
                raise ValueError(f"cross-fitting {layer} needs images in at least two folds")

    def splits(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each fold: the numbers of the kept images in it (int), and which of the pool's patches are not (bool [m])."""
        for fold in np.unique(self.folds[self.judged]):
            yield np.flatnonzero(self.folds == fold), self.pool_folds != fold


def collect(
    backend: Backend,
    names: Sequence[str],
    images: Pictures,
    *,
    photos: np.ndarray,
    judged: np.ndarray,
    sampled_patches: int,
    memory_bytes: float,
    batch_size: int,
    seed: int,
    copies: Sequence[Copy] = (),
    done: Callable[[int], object] = lambda images: None,
) -> dict[str, PatchFeatures]:
    """The features of some images by name.

    Every image gives equally many patches to the pool, from where it is inspected, and every copy as many. Whole feature maps
    are kept of as many images as fit the memory, drawn at random.

    Args:
        backend: the backbone; its outputs are float32 [N, C, h, w] for each name.
        names: of its outputs.
        images: to look at, each once.
        photos: int [n], which photo each image is (a tile) of: all of a photo are in one fold.
        judged: bool [n], which images are in a fold at all; the others are in ``NO_FOLD``.
        sampled_patches: of all images and their copies together, for each name.
        memory_bytes: for the feature maps.
        batch_size: images that the backbone sees at once.
        seed: of what is drawn.
        copies: what the pool has patches of besides: they are in their photo's fold. Feature maps are kept of the images alone.
        done: called with the number of images that were looked at just now.
    """
    rng = np.random.default_rng([seed, len(images)])
    folds, versions = np.where(judged, photos % FOLDS, NO_FOLD), 1 + len(copies)
    collected = {name: Collected() for name in names}
    counts = shares(len(images) * versions, sampled_patches)
    is_kept = np.ones(len(images), bool)
    batches = consecutive(len(images), batch_size)
    for numbers, x in zip(batches, images(batches), strict=True):
        for version, seen in enumerate([x, *(copy(x) for copy in copies)]):
            outputs = backend.run(seen)
            if not numbers[0] and not version:
                size = sum(output[0].size for output in outputs) * np.dtype(np.float16).itemsize
                is_kept = _drawn(len(images), int(memory_bytes // size), rng)
            for of_name, output in zip(collected.values(), outputs, strict=True):
                for features, number in zip(output.transpose(0, 2, 3, 1), numbers, strict=True):
                    if not version and is_kept[number]:
                        of_name.kept.append(features.astype(np.float16))
                    patches = seen_patches(features, images.inspected(number), copies[version - 1] if version else None)
                    of_name.draw(patches, counts[number * versions + version], number, rng)
        done(len(numbers))
    if not is_kept.all():
        said = "The thresholds rest on %d of %d images, drawn at random: so many fit Train.memory_gb."
        logger.info(said, is_kept.sum(), len(images))
    return {name: of_name.features(folds, is_kept) for name, of_name in collected.items()}


@dataclass
class Collected:
    """What there is of the features of one name so far: feature maps [h, w, C], patches [m, C] and the image of each patch."""

    kept: list[np.ndarray] = field(default_factory=list)
    pool: list[np.ndarray] = field(default_factory=list)
    pool_numbers: list[np.ndarray] = field(default_factory=list)

    def draw(self, patches: np.ndarray, count: int, number: int, rng: np.random.Generator) -> None:
        """Take so many of some patches [m, C] of an image, or all of them, into the pool."""
        some = patches[rng.permutation(len(patches))[:count]]
        self.pool.append(some)
        self.pool_numbers.append(np.full(len(some), number))

    def features(self, folds: np.ndarray, is_kept: np.ndarray) -> PatchFeatures:
        """All of it, of images in these folds, int [n], some of which have given feature maps, bool [n]."""
        numbers = np.flatnonzero(is_kept)
        pool, pool_numbers = np.concatenate(self.pool), np.concatenate(self.pool_numbers)
        return PatchFeatures(np.stack(self.kept), folds[numbers], numbers, pool, folds[pool_numbers], pool_numbers)


def seen_patches(features: np.ndarray, inspected: np.ndarray | None, copy: Copy | None) -> np.ndarray:
    """The patches [m, C] of a feature map [h, w, C] at the positions that are inspected.

    Args:
        features: of an image, or of a copy of it.
        inspected: bool [H, W] of the image itself; None for everywhere.
        copy: None for the image itself.
    """
    height, width, channels = features.shape
    if inspected is None:
        return features.reshape(-1, channels)
    size = (width, height) if copy is not None and copy.turns % 2 else (height, width)
    positions = resized_region(inspected, *size)
    return features[positions if copy is None else copy(positions[None, None])[0, 0]]


def shares(pictures: int, total: int) -> np.ndarray:
    """How many of ``total`` patches each of so many pictures gives: int [pictures], about equally many, ``total`` together.

    Where there are more pictures than patches, those that give one are drawn at random: every n-th would be of one fold.
    """
    ends = np.arange(1, pictures + 1) * total // pictures
    each = np.diff(ends, prepend=0)
    return each if total >= pictures else np.random.default_rng(pictures).permutation(each)


def consecutive(count: int, batch_size: int) -> list[list[int]]:
    """0 .. count - 1 in order, in batches; the last may be smaller."""
    return [list(range(start, min(start + batch_size, count))) for start in range(0, count, batch_size)]


def _drawn(count: int, most: int, rng: np.random.Generator) -> np.ndarray:
    is_drawn = np.zeros(count, bool)
    is_drawn[rng.permutation(count)[: max(most, FOLDS)]] = True
    return is_drawn
