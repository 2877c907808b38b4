"""Where a picture shows what a reference picture shows: found coarsely by correlation, then to a part of a pixel.

All of it works on small grey pictures, so that it takes milliseconds whatever the size of the photos.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

#: Longest side in pixels: of the pictures in which every place is tried, and of those in which the best are made exact.
COARSE, MIDDLE, FINE = 64, 128, 256

#: How many parameters of (right, down, angle, scale) a motion has.
MOTIONS = {"translation": 2, "rigid": 3, "similarity": 4}

_ANGLE_STEP = 5.0  # degrees; half of it moves the rim of the coarse picture by less than two pixels
_SCALE_STEP = 1.08
_SCALES_EACH_WAY = 2
_CANDIDATES = 4
_LEAST_OVERLAP = 0.4  # share of the reference
_LIGHT = 8  # light that changes over more than this share (1 / _LIGHT) of the longest side is taken out
_STEPS = {COARSE: 5, MIDDLE: 6, FINE: 3}
_STILL = 0.02  # pixels: less is no step


@dataclass(frozen=True)
class Fit:
    """How a picture lies.

    Attributes:
        matrix: float64 [3, 3], from a pixel of the reference to the same place of the picture, both at the size FINE.
        quality: correlation of the two where both are seen, without slow changes of light, -1 to 1.
        seen: share of the reference that the picture shows, 0 to 1.
    """

    matrix: np.ndarray
    quality: float
    seen: float

    @property
    def angle(self) -> float:
        """By how much the picture is turned, in degrees, clockwise as one looks at it."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))

    @property
    def scale(self) -> float:
        """How much larger the part is in the picture."""
        return float(np.hypot(self.matrix[1, 0], self.matrix[0, 0]))

    def shift(self, size: tuple[int, int]) -> np.ndarray:
        """By how much the middle of a reference of this size (height, width) is moved, [right, down], in its pixels."""
        middle = _middle(size)
        return (self.matrix @ middle - middle)[:2]


class Registration:
    """A reference picture, ready to be found in others.

    Args:
        reference: uint8 [h, w] grey, its longest side FINE or less.
        motion: one of MOTIONS.
        max_shift: how far it may be moved, a share of each side.
        max_angle: how far it may be turned, in degrees, each way.
    """

    def __init__(self, reference: np.ndarray, motion: str, max_shift: float, max_angle: float) -> None:
        self.reference, self.size = reference, reference.shape[:2]
        self.motion, self.max_shift, self.max_angle = motion, max_shift, max_angle
        self._levels = {side: _Level(_level(reference, side), MOTIONS[motion]) for side in (COARSE, MIDDLE, FINE)}

    @property
    def contrast(self) -> float:
        """How much there is to go by: the standard deviation of the reference without slow changes of light, in grey levels."""
        return float(self._levels[MIDDLE].picture.std())

    def find(self, picture: np.ndarray) -> Fit:
        """Where a picture, uint8 [h, w] grey of the reference's size, shows the reference: the best place there is."""
        levels = {side: _level(picture, side) for side in self._levels}
        starts = self._coarse.places(levels[COARSE])
        refined = [self._levels[COARSE].refine(levels[COARSE], start, _STEPS[COARSE]) for start in starts]
        refined = sorted(refined, key=lambda one: -_value(*one[1:]))[:2]
        starts = [_rescaled(matrix, self._levels[COARSE].size, self._levels[MIDDLE].size) for matrix, *_ in refined]
        refined = [self._levels[MIDDLE].refine(levels[MIDDLE], start, _STEPS[MIDDLE]) for start in starts]
        best = max(refined, key=lambda one: _value(*one[1:]))
        start = _rescaled(best[0], self._levels[MIDDLE].size, self._levels[FINE].size)
        return Fit(*self._levels[FINE].refine(levels[FINE], start, _STEPS[FINE]))

    @cached_property
    def _coarse(self) -> _Correlation:
        angles, scales = [0.0], [1.0]
        if self.motion != "translation":
            count = int(np.ceil(self.max_angle / _ANGLE_STEP))
            angles = list(np.linspace(-self.max_angle, self.max_angle, 2 * count + 1)) if count else [0.0]
        if self.motion == "similarity":
            scales = [_SCALE_STEP**power for power in range(-_SCALES_EACH_WAY, _SCALES_EACH_WAY + 1)]
        return _Correlation(self._levels[COARSE].picture, angles, scales, self.max_shift)


class _Level:
    """The reference at one size, and how it changes with the parameters (inverse compositional: Baker, Matthews, 2004)."""

    def __init__(self, picture: np.ndarray, parameters: int) -> None:
        self.picture = picture
        self.size = height, width = picture.shape
        right = cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=1 / 8)
        down = cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=1 / 8)
        y, x = np.indices((height, width), np.float32)
        x, y = x - (width - 1) / 2, y - (height - 1) / 2
        self.radius = max(height, width) / 2  # makes the parameters of one size: pixels at the rim
        turned, scaled = (right * -y + down * x) / self.radius, (right * x + down * y) / self.radius
        self.descent = np.stack([right, down, turned, scaled][:parameters]).reshape(parameters, -1)
        self._reference = picture.ravel()
        self._ones = np.ones((height, width), np.float32)

    def refine(self, picture: np.ndarray, matrix: np.ndarray, steps: int) -> tuple[np.ndarray, float, float]:
        """The matrix of the best correlation near another, that correlation, and the share of the reference that is seen.

        Both pictures are brought to mean 0 and deviation 1 where both are seen, as in ECC (Evangelidis, Psarakis, 2008).
        """
        best = matrix, -1.0, 0.0
        for step in range(steps + 1):
            warped = self._warped(picture, matrix).ravel()
            seen = (self._warped(self._ones, matrix).ravel() > 0.999).astype(np.float32)
            count = float(seen.sum())
            if count < _LEAST_OVERLAP * seen.size:
                break
            reference, deviation = _standardised(self._reference, seen, count)
            values, other_deviation = _standardised(warped, seen, count)
            if not deviation or not other_deviation:
                break
            quality = float(reference @ values) / count
            if quality > best[1]:
                best = matrix, quality, count / seen.size
            if step == steps:
                break
            hessian = ((self.descent * seen) @ self.descent.T).astype(np.float64) / deviation**2
            hessian[np.diag_indices_from(hessian)] *= 1 + 1e-4
            hessian[np.diag_indices_from(hessian)] += 1e-9 * count
            change = np.linalg.solve(hessian, (self.descent @ (values - reference)).astype(np.float64) / deviation)
            change = np.clip(change, -self.radius / 4, self.radius / 4)  # where nothing holds it, it would go anywhere
            matrix = matrix @ np.linalg.inv(self._matrix(change))
            if np.abs(change).max() < _STILL:
                steps = step + 1  # one more look, then done
        return best

    def _matrix(self, change: np.ndarray) -> np.ndarray:
        right, down, turn, scale = np.concatenate([change, np.zeros(4 - len(change))])
        return motion_matrix(self.size, right, down, turn / self.radius, float(np.exp(scale / self.radius)))

    def _warped(self, picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(picture, matrix[:2], self.size[::-1], flags=flags, borderValue=0)


class _Correlation:
    """The reference, turned and scaled in every way that is tried, correlated with a picture at every shift.

    Correlation of the places that both show alone (Padfield, 2012, "Masked object registration in the Fourier domain"). What
    does not depend on the picture is computed once.
    """

    def __init__(self, reference: np.ndarray, angles: list[float], scales: list[float], max_shift: float) -> None:
        self.size = height, width = reference.shape
        self._starts = [
            motion_matrix(self.size, 0, 0, np.radians(angle), scale) for angle in angles for scale in scales
        ]
        ones = np.ones_like(reference)
        templates, masks = [], []
        for start in self._starts:
            mask = cv2.warpAffine(ones, start[:2], (width, height)) > 0.999
            templates.append(cv2.warpAffine(reference, start[:2], (width, height)) * mask)
            masks.append(mask.astype(np.float32))
        self._reach = [int(np.ceil(max_shift * side)) for side in self.size]
        self._padded = [cv2.getOptimalDFTSize(side + reach) for side, reach in zip(self.size, self._reach, strict=True)]
        all_ones = self._spectrum(ones)
        self._template, self._mask = (self._spectrum(np.array(some)).conj() for some in (templates, masks))
        squares = self._spectrum(np.array(templates) ** 2).conj()
        self._count = np.maximum(self._shifts(all_ones * self._mask), 1)
        self._sum = self._shifts(all_ones * self._template)
        self._deviation = np.maximum(self._shifts(all_ones * squares) - self._sum**2 / self._count, 0)

    def places(self, picture: np.ndarray) -> list[np.ndarray]:
        """Matrices of the best places, the best first."""
        spectrum, squares = self._spectrum(picture), self._spectrum(picture * picture)
        sums = self._shifts(spectrum * self._mask)
        deviation = np.maximum(self._shifts(squares * self._mask) - sums**2 / self._count, 0)
        product = self._shifts(spectrum * self._template) - sums * self._sum / self._count
        least = 1e-3 * self._count * max(float(picture.var()), 1e-6)
        quality = product / np.sqrt(np.maximum(deviation, least) * np.maximum(self._deviation, least))
        share = self._count / picture.size
        quality = np.where(share >= _LEAST_OVERLAP, _value(quality, share), -1)
        found = []
        for _ in range(_CANDIDATES):
            number, row, column = np.unravel_index(int(quality.argmax()), quality.shape)
            down, right = row - self._reach[0], column - self._reach[1]
            found.append(np.array([[1, 0, right], [0, 1, down], [0, 0, 1]]) @ self._starts[number])
            quality[:, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = -1
        return found

    def _spectrum(self, pictures: np.ndarray) -> np.ndarray:
        return np.fft.rfft2(pictures, self._padded).astype(np.complex64)

    def _shifts(self, spectrum: np.ndarray) -> np.ndarray:
        """float32 [..., 2 down + 1, 2 right + 1], the middle for no shift."""
        values = np.fft.irfft2(spectrum, self._padded)
        down, right = (np.arange(-reach, reach + 1) for reach in self._reach)
        return values[..., down[:, None], right].astype(np.float32)


def _value(quality: Any, share: Any) -> Any:
    """How good a place is: a correlation says more where more is seen, and of the places of a regular pattern the nearest is
    as good as any.
    """
    return quality * share


def motion_matrix(size: tuple[int, int], right: float, down: float, angle: float, scale: float) -> np.ndarray:
    """float64 [3, 3]: turned by ``angle`` (radians, clockwise) and scaled about the middle of a size, then shifted."""
    x, y, _ = _middle(size)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array(
        [
            [cosine, -sine, x - cosine * x + sine * y + right],
            [sine, cosine, y - sine * x - cosine * y + down],
            [0, 0, 1],
        ]
    )


def resizing(size: tuple[int, int], to: tuple[int, int]) -> np.ndarray:
    """float64 [3, 3]: from a pixel of a picture of a size (height, width) to the same place at another size."""
    y, x = to[0] / size[0], to[1] / size[1]
    return np.array([[x, 0, x / 2 - 0.5], [0, y, y / 2 - 0.5], [0, 0, 1]])


def _rescaled(matrix: np.ndarray, size: tuple[int, int], to: tuple[int, int]) -> np.ndarray:
    """A motion between two pictures of a size for the same pictures at another size."""
    there = resizing(size, to)
    return there @ matrix @ np.linalg.inv(there)


def _middle(size: tuple[int, int]) -> np.ndarray:
    return np.array([(size[1] - 1) / 2, (size[0] - 1) / 2, 1])


def small_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size (height, width) of a picture whose longest side is to be ``side`` or less."""
    factor = min(1.0, side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _level(picture: np.ndarray, side: int) -> np.ndarray:
    """A grey picture at one size, without noise and without slow changes of light: float32, about 0."""
    height, width = small_size(picture.shape[:2], side)
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    sharp = cv2.GaussianBlur(small, (0, 0), 0.8)
    # the blur of a quarter of the picture is that blur to within what matters here, and much faster
    quarter = cv2.resize(small, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    light = cv2.GaussianBlur(quarter, (0, 0), max(0.5, max(height, width) / _LIGHT / 4))
    return sharp - cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)


def _standardised(values: np.ndarray, seen: np.ndarray, count: float) -> tuple[np.ndarray, float]:
    """Values at mean 0 and deviation 1 where they are seen (1 in ``seen``, 0 elsewhere), else 0; and the deviation."""
    inside = values * seen
    mean = float(inside.sum()) / count
    variance = float(inside @ values) / count - mean * mean
    if variance < 1e-6:
        return np.zeros_like(values), 0.0
    deviation = variance**0.5
    return (inside - np.float32(mean) * seen) * np.float32(1 / deviation), deviation
