"""What each layer's distance is at each position when nothing is wrong: learnt from normal images. Pure NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

#: How far the statistics of a position may be shrunk towards those of the whole layer: 0 not at all, 1 altogether.
SHRINKAGES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
FOLDS = 5
_LEAST_VARIANCE = 1e-4  # of the layer's own: no position is so quiet that any change at it is an alarm

LayerStatistics = tuple[np.ndarray, np.ndarray]


def layer_statistics(distances: np.ndarray, shrinkage: float, inspected: np.ndarray | None = None) -> LayerStatistics:
    """Mean and standard deviation at each position, shrunk towards those of the whole layer.

    Where no image is inspected, distances say nothing of the layer, and nothing shall be seen: nothing is shrunk there, and the
    layer's variance comes on top.

    Args:
        distances: float [n, h, w] of n normal images. A single one tells nothing about the variance at a position, which
            then counts as 0.
        shrinkage: 0 to 1.
        inspected: bool [n, h, w], the positions that count; None for all.

    Returns:
        Two float64 [h, w].
    """
    mean = distances.mean(axis=0, dtype=np.float64)
    variance = distances.var(axis=0, ddof=min(1, len(distances) - 1), dtype=np.float64)
    there = np.ones(mean.shape, bool)
    if inspected is not None and inspected.any():
        there &= inspected.any(axis=0)
        mean[there], variance[there] = _moments(distances[:, there], inspected[:, there])
    layer_mean = mean[there].mean()
    layer_variance = variance[there].mean() + mean[there].var()
    variance[~there] += layer_variance
    mean[there] = (1 - shrinkage) * mean[there] + shrinkage * layer_mean
    variance[there] = (1 - shrinkage) * variance[there] + shrinkage * layer_variance
    floor = max(_LEAST_VARIANCE * layer_variance, np.finfo(np.float32).tiny)
    return mean, np.sqrt(np.maximum(variance, floor))


def _moments(distances: np.ndarray, counts: np.ndarray) -> LayerStatistics:
    """Mean and variance of each column of some distances [n, m], of those that count, bool [n, m], at least one of each."""
    number = counts.sum(axis=0)
    mean = np.sum(distances, axis=0, where=counts, dtype=np.float64) / number
    squares = np.sum((distances - mean) ** 2, axis=0, where=counts)
    return mean, squares / np.maximum(number - 1, 1)


def choose_shrinkage(
    distances: np.ndarray, photos: np.ndarray | None = None, inspected: np.ndarray | None = None
) -> float:
    """The shrinkage under which images that were left out are likeliest (normal log-likelihood, cross-validated).

    Aligned parts want little of it, unaligned textures much, few images more: the images themselves say.

    Args:
        distances: float [n, h, w] of n normal images.
        photos: int [n], which photo each is a tile of; None where each is one of its own.
        inspected: bool [n, h, w], the positions that count; None for all.
    """
    photos = np.arange(len(distances)) if photos is None else photos
    count = int(photos.max()) + 1
    if count < 2 * FOLDS:
        return 1.0 if count < 4 else _likeliest(distances, photos, 2, inspected)
    return _likeliest(distances, photos, FOLDS, inspected)


def folds_of(
    count: int, folds: int = FOLDS, photos: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (the rest, a fold) as index arrays; every image is in one fold, and all tiles of a photo in the same.

    Args:
        count: of images.
        folds: how many, or one for each photo if these are fewer.
        photos: int [count], from 0, which photo each image is a tile of; None where each is one of its own.
    """
    numbers = np.arange(count)
    photos = numbers if photos is None else photos
    for fold in range(min(folds, int(photos.max()) + 1)):
        is_in = photos % folds == fold
        yield numbers[~is_in], numbers[is_in]


def fit_statistics(
    layers: Sequence[np.ndarray], shrinkages: Sequence[float], inspected: Sequence[np.ndarray | None] | None = None
) -> list[LayerStatistics]:
    """``layer_statistics`` of each layer; ``inspected`` has for each the positions that count, bool [n, h, w], or None."""
    inspected = [None] * len(layers) if inspected is None else inspected
    return [layer_statistics(*of_layer) for of_layer in zip(layers, shrinkages, inspected, strict=True)]


def _likeliest(distances: np.ndarray, photos: np.ndarray, folds: int, inspected: np.ndarray | None) -> float:
    def likelihood(shrinkage: float) -> float:
        total = 0.0
        for rest, fold in folds_of(len(distances), folds, photos):
            mean, deviation = layer_statistics(
                distances[rest], shrinkage, None if inspected is None else inspected[rest]
            )
            z = (distances[fold] - mean) / deviation
            surprise = 0.5 * z**2 + np.log(deviation)
            total -= float((surprise if inspected is None else surprise[inspected[fold]]).sum())
        return total

    return max(SHRINKAGES, key=likelihood)
