"""What happens to a camera's picture when the light, the lens or the mount changes: pure functions of a photo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

#: (photo, strength, random numbers) -> the photo as it then looks. Photos are uint8 [H, W, 3] BGR; one that is given stays
#: as it is.
Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Direction:
    """One way in which something changes.

    Attributes:
        name: such as ``darker``.
        change: what it does to a photo.
        strengths: three or more, from weak to the strongest that is tried, in the disturbance's unit.
        phrase: what it becomes, in words that follow the disturbance's verb, with a place for the strength and its unit.
    """

    name: str
    change: Change
    strengths: tuple[float, ...]
    phrase: str


@dataclass(frozen=True)
class Disturbance:
    """Something that may change.

    Attributes:
        name: such as ``brightness``.
        unit: of the strengths: ``%``, ``px`` or ``grey values``.
        subject, verb: what changes, and how that is called: "The light", "become".
        directions: one or two.
        needs_colour: whether it leaves photos alone that are all grey.
        moves_along: ``width`` or ``height`` where it moves what is seen, by per cent of that side; a mask moves along, then.
    """

    name: str
    unit: str
    subject: str
    verb: str
    directions: tuple[Direction, ...]
    needs_colour: bool = False
    moves_along: Literal["width", "height"] | None = None


def brightened(image: np.ndarray, percent: float) -> np.ndarray:
    """As with so much more light, or less below 0: all values times 1 + percent / 100; what is then too bright is white."""
    return cv2.LUT(image, _table(np.arange(256) * (1 + percent / 100)))


def contrasted(image: np.ndarray, percent: float) -> np.ndarray:
    """All values further from the photo's mean by so many per cent, or nearer below 0 (-100: all are the mean)."""
    mean = image.mean()
    return cv2.LUT(image, _table(mean + (np.arange(256) - mean) * (1 + percent / 100)))


def tinted(image: np.ndarray, percent: float) -> np.ndarray:
    """Redder light: red times 1 + percent / 100, blue times 1 - percent / 100. Below 0 it is bluer."""
    gains = 1 + np.array([-percent, 0, percent]) / 100
    return cv2.LUT(image, _table(np.arange(256)[None, :, None] * gains))


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """Out of focus: a Gaussian of that standard deviation in pixels."""
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def noisy(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of that standard deviation in grey values; the same in all channels of a grey photo."""
    shape = (*image.shape[:2], 1) if is_grey(image) else image.shape
    noise = rng.standard_normal(shape, np.float32)
    return np.clip(np.rint(image + sigma * noise), 0, 255).astype(np.uint8)


def shifted(image: np.ndarray, right: float = 0.0, down: float = 0.0) -> np.ndarray:
    """Moved by per cent of its width and height, in whole pixels. What comes in at the border is what was there, mirrored.

    ``image`` may be a mask, [H, W], as well.
    """
    height, width = image.shape[:2]
    x, y = round(right / 100 * width), round(down / 100 * height)
    padding = max(y, 0), max(-y, 0), max(x, 0), max(-x, 0)  # above, below, left, right
    padded = cv2.copyMakeBorder(image, *padding, cv2.BORDER_REFLECT_101)
    return padded[padding[1] : padding[1] + height, padding[3] : padding[3] + width]


def is_grey(image: np.ndarray) -> bool:
    """Whether all channels are the same."""
    return bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())


def _table(values: np.ndarray) -> np.ndarray:
    """What becomes of each grey value, for ``cv2.LUT``: uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


_TO_LESS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_TO_MORE = (*_TO_LESS, 128.0)
_TINTS = (2.0, 4.0, 8.0, 16.0, 32.0)
_PIXELS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_GREY_VALUES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_SHARES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)

DISTURBANCES = (
    Disturbance(
        "brightness", "%", "The light", "become",
        (
            Direction("darker", lambda image, by, _: brightened(image, -by), _TO_LESS, "{} darker"),
            Direction("brighter", lambda image, by, _: brightened(image, by), _TO_MORE, "{} brighter"),
        ),
    ),
    Disturbance(
        "contrast", "%", "The contrast", "become",
        (
            Direction("weaker", lambda image, by, _: contrasted(image, -by), _TO_LESS, "{} weaker"),
            Direction("stronger", lambda image, by, _: contrasted(image, by), _TO_MORE, "{} stronger"),
        ),
    ),
    Disturbance(
        "colour", "%", "The light", "become",
        (
            Direction("bluer", lambda image, by, _: tinted(image, -by), _TINTS, "{} bluer"),
            Direction("redder", lambda image, by, _: tinted(image, by), _TINTS, "{} redder"),
        ),
        needs_colour=True,
    ),
    Disturbance(
        "blur", "px", "The picture", "be blurred",
        (Direction("blurred", lambda image, by, _: blurred(image, by), _PIXELS, "by a sigma of {}"),),
    ),
    Disturbance(
        "noise", "grey values", "The noise", "reach",
        (Direction("noisier", noisy, _GREY_VALUES, "a standard deviation of {}"),),
    ),
    Disturbance(
        "shift sideways", "%", "The part", "lie",
        (
            Direction("left", lambda image, by, _: shifted(image, right=-by), _SHARES, "{} further left"),
            Direction("right", lambda image, by, _: shifted(image, right=by), _SHARES, "{} further right"),
        ),
        moves_along="width",
    ),
    Disturbance(
        "shift up and down", "%", "The part", "lie",
        (
            Direction("up", lambda image, by, _: shifted(image, down=-by), _SHARES, "{} higher"),
            Direction("down", lambda image, by, _: shifted(image, down=by), _SHARES, "{} lower"),
        ),
        moves_along="height",
    ),
)  # fmt: skip
