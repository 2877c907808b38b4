"""Fitting a Gaussian at each position (Defard et al.: PaDiM, ICPR 2020 workshops, section III). Pure NumPy."""

from __future__ import annotations

import numpy as np

from paddlex.inference.refit.features import PatchFeatures
from paddlex.inference.refit.parts import FittedPart
from paddlex.inference.refit.standardise import Standardisation
from paddlex.inference.refit.threads import Done, in_parallel, nothing

#: What is added to the variance of each channel (the paper's epsilon, Eq. 1), here of standardised features: it makes the
#: covariance invertible, and decides what counts in the directions that fewer images than channels leave open.
_REGULARISATION = 0.01


def fit_gaussians(features: PatchFeatures, layer: str, done: Done = nothing) -> FittedPart:
    """Fit Gaussians to the kept images. The pool gives the range of each channel; nothing is drawn.

    Args:
        features: of the stage.
        layer: the stage, for messages.
        done: called after each row of positions.

    Returns:
        mean [h * w, 1, C], and whitening [h * w, C, C]: W W^T is the inverse of the covariance.

    Raises:
        ValueError: all images are in one fold, the features are no finite numbers, or a covariance cannot be inverted.
    """
    features.check(layer)
    splits = list(features.splits())
    scale = Standardisation.of(features.pool).scale
    scales = [Standardisation.of(features.pool[others]).scale for _, others in splits]

    def fit_row(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean and whitening of each position in a row, and the cross-fitted distances there: [j, w]."""
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
            white = (left_out - others_mean) @ _whitening(others_scatter, count, its_scale, layer)
            distances[images] = np.linalg.norm(white, axis=2).T
        return mean, _whitening(scatter, row.shape[1], scale, layer), distances[features.judged]

    # a row at a time: so little memory is enough
    means, whitenings, distances = zip(*in_parallel(fit_row, range(features.kept.shape[1]), done), strict=True)
    arrays = {"mean": np.concatenate(means), "whitening": np.concatenate(whitenings)}
    return FittedPart(
        {name: value.astype(np.float32) for name, value in arrays.items()},
        np.stack(distances, axis=1).astype(np.float32),
    )


def _whitening(scatter: np.ndarray, count: int, scale: np.ndarray, layer: str) -> np.ndarray:
    """W of each position, [w, C, C], for the sums of squares about the mean, float64 [w, C, C], of so many images."""
    scales = scale.astype(np.float64)
    covariance = scatter * (scales[:, None] * scales / max(count - 1, 1))
    covariance += _REGULARISATION * np.eye(len(scale))
    try:
        root = np.linalg.cholesky(covariance)  # covariance = root root^T, and W = (root^-1)^T
    except np.linalg.LinAlgError:
        raise ValueError(
            f"the covariance of the features of {layer} cannot be inverted: their ranges are too unequal"
        ) from None
    return scales[:, None] * np.linalg.inv(root).transpose(0, 2, 1)
