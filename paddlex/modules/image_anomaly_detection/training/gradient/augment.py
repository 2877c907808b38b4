"""Augmentation by name: what a training image might also have looked like. Teacher and student see the same picture."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from paddlex.errors import ConfigError

Image = np.ndarray
Random = np.random.Generator

_SALT = 0x617567  # keeps these random numbers apart from others that are made from the same seed


def flip_horizontal(image: Image, share: float, random: Random) -> Image:
    """Swap left and right in a ``share`` of the images."""
    return cv2.flip(image, 1) if random.random() < share else image


def flip_vertical(image: Image, share: float, random: Random) -> Image:
    """Swap top and bottom in a ``share`` of the images."""
    return cv2.flip(image, 0) if random.random() < share else image


def rotate(image: Image, degrees: float, random: Random) -> Image:
    """Turn by up to so many degrees either way; what comes into view is the image mirrored at its border."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), random.uniform(-degrees, degrees), 1.0)
    return _warp(image, turn)


def quarter_turn(image: Image, share: float, random: Random) -> Image:
    """Turn a ``share`` of the images by 90, 180 or 270 degrees: for parts that lie in any of these ways."""
    turns = int(random.integers(1, 4))
    if random.random() >= share:
        return image
    return np.ascontiguousarray(np.rot90(image, turns))


def shift(image: Image, share: float, random: Random) -> Image:
    """Move by up to this share of the width and of the height; the border is mirrored."""
    height, width = image.shape[:2]
    x, y = random.uniform(-share, share, 2) * (width, height)
    return _warp(image, np.array([[1, 0, x], [0, 1, y]]))


def zoom(image: Image, share: float, random: Random) -> Image:
    """Enlarge or shrink about the centre by up to this share; the border is mirrored."""
    height, width = image.shape[:2]
    scale = 1 + random.uniform(-share, share)
    return _warp(image, cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 0, scale))


def brightness(image: Image, share: float, random: Random) -> Image:
    """Add up to this share of the full range, or take it away."""
    return cv2.convertScaleAbs(np.maximum(image + np.float32(255 * random.uniform(-share, share)), 0))


def contrast(image: Image, share: float, random: Random) -> Image:
    """Stretch the distances from the mean grey value by up to this share, or compress them."""
    mean = np.float32(image.mean())
    factor = np.float32(1 + random.uniform(-share, share))
    return cv2.convertScaleAbs(np.maximum(mean + (image - mean) * factor, 0))


def blur(image: Image, sigma: float, random: Random) -> Image:
    """A Gaussian blur of up to ``sigma`` pixels."""
    chosen = random.uniform(0, sigma)
    return cv2.GaussianBlur(image, (0, 0), chosen) if chosen > 0.1 else image


def noise(image: Image, deviation: float, random: Random) -> Image:
    """Gaussian noise with a standard deviation of up to so many of the 256 grey values, each pixel its own."""
    chosen = random.uniform(0, deviation)
    return cv2.convertScaleAbs(np.maximum(image + chosen * random.standard_normal(image.shape, np.float32), 0))


@dataclass(frozen=True)
class Kind:
    """A kind of augmentation.

    Attributes:
        apply: (uint8 [H, W, 3], strength, random numbers) -> uint8 [H, W, 3].
        strength: the default.
        most: the largest strength that makes sense.
    """

    apply: Callable[[Image, float, Random], Image]
    strength: float
    most: float


KINDS = {
    "flip_horizontal": Kind(flip_horizontal, 0.5, 1),
    "flip_vertical": Kind(flip_vertical, 0.5, 1),
    "rotate": Kind(rotate, 5, 180),
    "quarter_turn": Kind(quarter_turn, 0.75, 1),
    "shift": Kind(shift, 0.03, 0.5),
    "zoom": Kind(zoom, 0.05, 0.5),
    "brightness": Kind(brightness, 0.1, 1),
    "contrast": Kind(contrast, 0.1, 1),
    "blur": Kind(blur, 1, 10),
    "noise": Kind(noise, 3, 64),
}


class Augmentation:
    """Some kinds of augmentation, one after the other.

    Args:
        chosen: as in ``Train.augment``: ``name`` or ``name=strength``, in the order in which they are applied.
        seed: of the run.

    Raises:
        ConfigError: a name that is not known, or a strength that is no number in its range.
    """

    def __init__(self, chosen: Sequence[str], seed: int) -> None:
        self._steps = [_parse(item) for item in chosen]
        self._seed = seed

    def __call__(self, image: Image, epoch: int, number: int) -> Image:
        """Change one image: uint8 [H, W, 3] RGB -> the same, contiguous; the argument stays as it is.

        The random numbers depend on seed, epoch and image number alone, so that a run which is resumed sees the same
        pictures, in whatever order and by whatever thread they are made.
        """
        random = np.random.default_rng([_SALT, self._seed, epoch, number])
        for kind, strength in self._steps:
            image = kind.apply(image, strength, random)
        return image


def _parse(item: str) -> tuple[Kind, float]:
    name, equals, text = (part.strip() for part in item.partition("="))
    if name not in KINDS:
        near = difflib.get_close_matches(name, KINDS, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"There are {', '.join(KINDS)}"
        raise ConfigError(f"unknown augmentation {name!r}", where="Train.augment", remedy=remedy)
    kind = KINDS[name]
    try:
        strength = float(text) if equals else kind.strength
    except ValueError:
        strength = float("nan")
    if not 0 < strength <= kind.most:
        raise ConfigError(
            f"the strength of {name} must be a number above 0 and up to {kind.most:g}, not {text!r}",
            where="Train.augment",
            remedy=f"Write {name}={kind.strength:g}, say",
        )
    return kind, strength


def _warp(image: Image, matrix: np.ndarray) -> Image:
    height, width = image.shape[:2]
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
