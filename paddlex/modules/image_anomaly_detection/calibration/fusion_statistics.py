"""What each layer's distance is at each position when nothing is wrong: learnt from normal images. Pure NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

#: How far the statistics of a position may be shrunk towards those of the whole layer: 0 not at all, 1 altogether.
SHRINKAGES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
FOLDS = 5
_LEAST_VARIANCE = 1e-4  # of the layer's own: no position is so quiet that any change at it is an alarm

LayerStatistics = tuple[np.ndarray, np.ndarray]


def layer_statistics(distances: np.ndarray, shrinkage: float) -> LayerStatistics:
    """Mean and standard deviation at each position, shrunk towards those of the whole layer.

    Args:
        distances: float [n, h, w] of n normal images. A single one tells nothing about the variance at a position, which
            then counts as 0.
        shrinkage: 0 to 1.

    Returns:
        Two float64 [h, w].
    """
    mean = distances.mean(axis=0, dtype=np.float64)
    variance = distances.var(axis=0, ddof=min(1, len(distances) - 1), dtype=np.float64)
    layer_mean = mean.mean()
    layer_variance = variance.mean() + mean.var()
    mean = (1 - shrinkage) * mean + shrinkage * layer_mean
    variance = (1 - shrinkage) * variance + shrinkage * layer_variance
    floor = max(_LEAST_VARIANCE * layer_variance, np.finfo(np.float32).tiny)
    return mean, np.sqrt(np.maximum(variance, floor))


def choose_shrinkage(distances: np.ndarray, photos: np.ndarray | None = None) -> float:
    """The shrinkage under which images that were left out are likeliest (normal log-likelihood, cross-validated).

    Aligned parts want little of it, unaligned textures much, few images more: the images themselves say.

    Args:
        distances: float [n, h, w] of n normal images.
        photos: int [n], which photo each is a tile of; None where each is one of its own.
    """
    photos = np.arange(len(distances)) if photos is None else photos
    count = int(photos.max()) + 1
    if count < 2 * FOLDS:
        return 1.0 if count < 4 else _likeliest(distances, photos, folds=2)
    return _likeliest(distances, photos, FOLDS)


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


def fit_statistics(layers: Sequence[np.ndarray], shrinkages: Sequence[float]) -> list[LayerStatistics]:
    """``layer_statistics`` of each layer."""
    return [layer_statistics(layer, shrinkage) for layer, shrinkage in zip(layers, shrinkages, strict=True)]


def _likeliest(distances: np.ndarray, photos: np.ndarray, folds: int) -> float:
    def likelihood(shrinkage: float) -> float:
        total = 0.0
        for rest, fold in folds_of(len(distances), folds, photos):
            mean, deviation = layer_statistics(distances[rest], shrinkage)
            z = (distances[fold] - mean) / deviation
            total -= float((0.5 * z**2 + np.log(deviation)).sum())
        return total

    return max(SHRINKAGES, key=likelihood)
