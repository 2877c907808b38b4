"""What a product looks like, in a few numbers that travel with its model: enough to tell its photos from those of others."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Any

import cv2
import numpy as np

from paddlex.inference.checked import Checked, Invalid, text, whole, within
from paddlex.utils.log_scores import log_spread

#: Pixels of the side that a photo is brought to, and of the side of its coarse picture.
_SIDE, _COARSE = 128, 6

#: The bands of frequencies, in periods a side, each in four directions 45 degrees apart.
_BANDS = np.geomspace(1, _SIDE / 2, 5)

#: How many numbers describe a photo: the coarse picture, two colours, the bands.
LENGTH = _COARSE**2 + 2 + 4 * (len(_BANDS) - 1)

#: What is no difference between two photos of one product: of the coarse picture's contrast, of the logarithm of a colour's
#: share, and of the decimal logarithm of a band's power. Descriptions are counted in these.
_TOLERANCES = np.repeat([0.15, 0.03, 0.15], [_COARSE**2, 2, LENGTH - _COARSE**2 - 2])

#: Each training photo is looked at darker and brighter, too: light changes, and then the bright places are cut off at white.
_LIGHTS = (1.0, 0.8, 1.25)

#: A photo is taken for the product up to the median distance of its photos and so many spreads of the distances' logarithms,
#: but never below the first distance, where a broken part of an even product would be refused, nor beyond the second, where
#: few photos say little.
_SPREADS, _LEAST_SPREAD = 4.0, 0.1
_LEAST_LIMIT, _LARGEST_LIMIT = 1.0, 1.75

_FOLDS = 10

#: Photos that a signature is made of, spread over all: more hardly change a mean and a covariance.
MOST_PHOTOS = 250


def describe(photo: np.ndarray, light: float = 1.0) -> np.ndarray:
    """What a photo looks like, whatever its size and its exposure: float64 [LENGTH], in tolerances.

    Args:
        photo: uint8 [H, W, 3] BGR.
        light: what its pixels are multiplied by.
    """
    small = cv2.convertScaleAbs(cv2.resize(photo, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), alpha=light)
    blue, green, red = cv2.mean(small)[:3]
    colours = np.log([(blue + 4) / (green + 4), (red + 4) / (green + 4)])
    grey = cv2.cvtColor(small.astype(np.float32), cv2.COLOR_BGR2GRAY)
    contrast = (grey - grey.mean()) / (grey.std() + 2)
    coarse = cv2.resize(contrast, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    power = np.abs(np.fft.fft2(contrast)) ** 2 / contrast.size
    bands, counts = _bands()
    sums = np.bincount(bands.ravel(), power.ravel(), minlength=len(counts))[1:]
    return np.concatenate([coarse.ravel(), colours, np.log10(sums / counts[1:] + 1e-4)]) / _TOLERANCES


@lru_cache(maxsize=1)
def _bands() -> tuple[np.ndarray, np.ndarray]:
    """The number of each frequency's band and direction, from 1 (0: none), int [side, side]; how many are of each number."""
    periods = np.fft.fftfreq(_SIDE) * _SIDE
    across, down = np.meshgrid(periods, periods)
    ring = np.searchsorted(_BANDS - 1e-9, np.hypot(across, down), side="right")
    direction = np.floor((np.arctan2(down, across) + np.pi / 8) / (np.pi / 4)).astype(int) % 4
    numbers = np.where((ring > 0) & (ring < len(_BANDS)), 4 * (ring - 1) + direction + 1, 0)
    return numbers, np.bincount(numbers.ravel())


def _looks(value: Any) -> str:
    """Base64 of float32: the mean, and the lower triangle of a covariance, row by row."""
    try:
        values = np.frombuffer(base64.b64decode(text(value), validate=True), "<f4")
    except (binascii.Error, ValueError):
        values = np.empty(0)
    if len(values) != LENGTH + LENGTH * (LENGTH + 1) // 2 or not np.isfinite(values).all():
        raise Invalid("must be what the training has written")
    return str(value)


@dataclass(frozen=True)
class Signature(Checked):
    """What the photos of a product look like.

    Attributes:
        photos: how many it was made of.
        limit: up to which distance a photo is taken for this product.
        looks: the mean and the covariance of the photos' descriptions, see ``_looks``.

    Raises:
        Invalid: a value that cannot be.
    """

    photos: Annotated[int, whole(2)]
    limit: Annotated[float, within(0, 1e6, "above 0, and 1000000 at most", open_below=True)]
    looks: Annotated[str, _looks]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not np.linalg.eigvalsh(self._covariance).min() > 0:
            raise Invalid("must be what the training has written", "looks")

    def distance(self, photo: np.ndarray) -> float:
        """How far a photo, uint8 [H, W, 3] BGR, is from this product: up to 1 it is taken for it."""
        return float(_distances(describe(photo)[None], self._mean, self._inverse)[0]) / self.limit

    @classmethod
    def of(cls, photos: Sequence[Sequence[np.ndarray]]) -> Signature:
        """The signature of good parts, of two or more.

        The distance is Mahalanobis', by the root mean square over the numbers. The covariance of N photos is drawn to its
        diagonal by D / (N + D) for D numbers, because few photos say little of what goes together, and a tolerance is
        added to each variance. The distances that the limit rests on are cross-fitted: each photo's is from the others.

        Args:
            photos: of each photo its ``descriptions``.
        """
        described = np.stack([np.stack(list(copies)) for copies in photos])  # [photos, lights, LENGTH]
        count, fold = len(described), np.arange(len(described)) % min(_FOLDS, len(described))
        own = np.concatenate([_own_distances(described, fold == one) for one in range(fold.max() + 1)])
        median, spread = log_spread(np.maximum(own, 1e-3), 80, _LEAST_SPREAD)
        limit = float(np.clip(np.exp(median + _SPREADS * spread), _LEAST_LIMIT, _LARGEST_LIMIT))
        mean, covariance = _moments(described)
        values = np.concatenate([mean, covariance[np.tril_indices(LENGTH)]]).astype("<f4")
        return cls(count, limit, base64.b64encode(values.tobytes()).decode("ascii"))

    @cached_property
    def _values(self) -> np.ndarray:
        return np.frombuffer(base64.b64decode(self.looks), "<f4").astype(np.float64)

    @property
    def _mean(self) -> np.ndarray:
        return self._values[:LENGTH]

    @property
    def _covariance(self) -> np.ndarray:
        covariance = np.zeros((LENGTH, LENGTH))
        covariance[np.tril_indices(LENGTH)] = self._values[LENGTH:]
        return covariance + np.tril(covariance, -1).T

    @cached_property
    def _inverse(self) -> np.ndarray:
        return np.linalg.inv(self._covariance)


def descriptions(photo: np.ndarray) -> list[np.ndarray]:
    """What ``Signature.of`` takes of a training photo, uint8 [H, W, 3] BGR: how it looks in each light."""
    return [describe(photo, light) for light in _LIGHTS]


def _own_distances(described: np.ndarray, is_left_out: np.ndarray) -> np.ndarray:
    """The distances of the photos that are left out, in all lights, from the others."""
    mean, covariance = _moments(described[~is_left_out])
    return _distances(described[is_left_out].reshape(-1, LENGTH), mean, np.linalg.inv(covariance))


def _moments(described: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean [LENGTH] and the shrunk covariance [LENGTH, LENGTH] of descriptions [photos, lights, LENGTH]."""
    rows = described.reshape(-1, LENGTH)
    covariance = np.cov(rows, rowvar=False)
    weight = LENGTH / (len(described) + LENGTH)
    shrunk = (1 - weight) * covariance + weight * np.diag(np.diag(covariance))
    return rows.mean(axis=0), shrunk + np.eye(LENGTH)


def _distances(rows: np.ndarray, mean: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("nd,de,ne->n", rows - mean, inverse, rows - mean) / LENGTH)
