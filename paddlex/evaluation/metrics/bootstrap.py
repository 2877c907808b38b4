"""How far image-level figures would move with other images: bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from paddlex.evaluation.metrics.confusion import Confusion
from paddlex.evaluation.metrics.curves import area_under_roc, average_precision

_BATCH_VALUES = 2**20  # images x resamples in memory together; the results do not depend on it

Interval = tuple[float, float]


def bootstrap_intervals(
    normal: np.ndarray,
    anomalous: np.ndarray,
    threshold: float,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Percentile intervals of image-level figures, resampling normal and anomalous images apart (Efron, Tibshirani, 1993).

    The numbers of normal and of anomalous images stay as they are. The method cannot see what did not happen: where all
    images are judged right, every resample says so too and the interval has no width.

    Args:
        normal: scores [n] of the normal images; n may be 0.
        anomalous: scores [m] of the anomalous images; m may be 0.
        threshold: an image that scores above it is called anomalous.
        resamples: how many times to draw n + m images.
        confidence: between 0 and 1.
        seed: the same seed gives the same intervals.

    Returns:
        (low, high) for auroc, average_precision and each of ``Confusion.rates``, over the resamples in which the figure
        is defined; None if it is defined in none.
    """
    figures: dict[str, list[float]] = {
        "auroc": [],
        "average_precision": [],
        **{name: [] for name in _NO_IMAGES.rates()},
    }
    scores, bins = np.unique(np.concatenate([normal, anomalous]), return_inverse=True)
    bins = scores.size - 1 - bins
    above = int(np.count_nonzero(scores > threshold))
    of_normal, of_anomalous = np.random.default_rng(seed).spawn(2)
    for rows in _batches(resamples, bins.size):
        normals = _counts(bins[: normal.size], scores.size, _drawn(normal.size, rows, of_normal))
        anomalies = _counts(bins[normal.size :], scores.size, _drawn(anomalous.size, rows, of_anomalous))
        if normal.size and anomalous.size:
            figures["auroc"] += area_under_roc(normals, anomalies).tolist()
            figures["average_precision"] += average_precision(normals, anomalies).tolist()
        for false_positive, true_positive in zip(
            normals[:, :above].sum(1).tolist(), anomalies[:, :above].sum(1).tolist(), strict=True
        ):
            counts = (true_positive, false_positive, anomalous.size - true_positive, normal.size - false_positive)
            for name, rate in Confusion(*counts).rates().items():
                if rate is not None:
                    figures[name].append(rate)
    return {name: percentiles(values, confidence) for name, values in figures.items()}


def paired_aurocs(normal: np.ndarray, anomalous: np.ndarray, *, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """The image AUROCs of several models on the same resamples of the same images, as in ``bootstrap_intervals``.

    What two of them differ by in each resample is known far better than either alone: an image that is hard is so for both.

    Args:
        normal: scores [k, n] by k models of the n normal images; n is 1 or more.
        anomalous: scores [k, m] of the m anomalous images, likewise.
        resamples: how many times to draw n + m images.
        seed: the same seed gives the same images.

    Returns:
        float64 [k, resamples].
    """
    of_normal, of_anomalous = np.random.default_rng(seed).spawn(2)
    n, m = normal.shape[1], anomalous.shape[1]
    batches = []
    for rows in _batches(resamples, n + m):
        normals, anomalies = _drawn(n, rows, of_normal), _drawn(m, rows, of_anomalous)
        aurocs = []
        for scores in np.concatenate([normal, anomalous], axis=1):
            values, bins = np.unique(-scores, return_inverse=True)
            counts = (_counts(part, values.size, drawn) for part, drawn in ((bins[:n], normals), (bins[n:], anomalies)))
            aurocs.append(area_under_roc(*counts))
        batches.append(np.stack(aurocs))
    return np.concatenate(batches, axis=1)


def percentiles(values: Sequence[float] | np.ndarray, confidence: float = 0.95) -> Interval | None:
    """Between which two values the middle share of all lies; None of nothing."""
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


_NO_IMAGES = Confusion(0, 0, 0, 0)


def _batches(resamples: int, images: int) -> Iterator[int]:
    rows = max(1, _BATCH_VALUES // max(images, 1))
    for start in range(0, resamples, rows):
        yield min(rows, resamples - start)


def _drawn(images: int, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """As many images as there are, with replacement, in each resample; int64 [resamples, images]."""
    return generator.integers(max(images, 1), size=(resamples, images))


def _counts(bins: np.ndarray, n_bins: int, drawn: np.ndarray) -> np.ndarray:
    """How many of the images drawn are in each bin; int64 [resamples, n_bins].

    Args:
        bins: of each image, [images].
        n_bins: how many there are.
        drawn: the images of each resample, [resamples, images].
    """
    resamples = len(drawn)
    places = bins[drawn] + np.arange(resamples)[:, None] * n_bins
    return np.bincount(places.ravel(), minlength=resamples * n_bins).reshape(resamples, n_bins)
