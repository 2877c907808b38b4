"""Photos that are darker or brighter than all that a model was made from are brought to the nearest of what those were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import cv2
import numpy as np

from paddlex.errors import ConfigError
from paddlex.inference.checked import Checked, Invalid, within
from paddlex.inference.view import View

#: Of the grey values of a photo; the one that photos of good parts agree upon best tells how much light there is.
PERCENTILES = (5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0)

LARGEST_GAIN = 4.0  # a covered lens stays dark
PIXELS = 2**16  # that are looked at

_LEAST_LEVEL = 20.0  # what is darker says little of the light
_USUAL = (0.01, 0.99)  # quantiles of the levels of the training photos: one that is far off must not count

_grey_value = within(1, 255, "from 1 to 255")


@dataclass(frozen=True)
class Light(Checked):
    """Multiplies all values of a photo by one factor, if there is less or more light than there was in the training photos.

    A photo within their range stays as it is. Where values are reduced, pure white stays pure white: there was more light
    than the camera can tell, and most often that is a bright background.

    Attributes:
        percentile: of the grey values of the inspected pixels, the level that tells how much light there is.
        darkest, brightest: between which levels the training photos are.

    Raises:
        Invalid: a value that cannot be.
    """

    percentile: Annotated[float, within(0, 100, "from 0 to 100")]
    darkest: Annotated[float, _grey_value]
    brightest: Annotated[float, _grey_value]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.darkest > self.brightest:
            raise Invalid("must not be above brightest", "darkest")

    @classmethod
    def of(cls, views: Iterable[View]) -> Light:
        """What photos of good parts have in common: the percentile that differs least, and its range.

        Raises:
            ConfigError: they are nearly black.
        """
        levels = np.array([_levels(view, PERCENTILES) for view in views])
        lowest, highest = np.quantile(levels, _USUAL, axis=0)
        typical = np.median(levels, axis=0)
        if typical.max() < _LEAST_LEVEL:
            raise ConfigError(
                "the training photos are nearly black, so nothing tells how much light there is",
                where="Train.light",
                remedy="Set it to none, or take brighter photos",
            )
        spread = (highest - lowest) / np.maximum(typical, 1)
        best = int(np.argmin(np.where(typical >= _LEAST_LEVEL, spread, np.inf)))
        return cls(PERCENTILES[best], max(1.0, float(lowest[best])), float(highest[best]))

    def __call__(self, view: View) -> View:
        gain = self.gain(float(_levels(view, [self.percentile])[0]))
        if gain == 1:
            return view
        table = np.clip(np.rint(np.arange(256) * gain), 0, 255).astype(np.uint8)
        if gain < 1:
            table[255] = 255
        return replace(view, image=cv2.LUT(view.image, table))

    def __str__(self) -> str:
        """For the log: what tells the light, and what it was."""
        return (
            f"{self.percentile:g} % of a photo's inspected pixels are no brighter than {self.darkest:.0f} to "
            f"{self.brightest:.0f} of 255 grey values; a photo out of this range is brought to it"
        )

    def gain(self, level: float) -> float:
        """By what the values of a photo are multiplied whose level is this."""
        if self.darkest <= level <= self.brightest:
            return 1.0
        if level < self.darkest:
            return min(LARGEST_GAIN, self.darkest / max(level, 1.0))
        return self.brightest / level


def _levels(view: View, percentiles: Sequence[float]) -> np.ndarray:
    """Percentiles of the grey values of the inspected pixels, float64; of a large photo of some of them."""
    height, width = view.image.shape[:2]
    step = max(1, int((height * width / PIXELS) ** 0.5))
    grey = cv2.cvtColor(np.ascontiguousarray(view.image[::step, ::step]), cv2.COLOR_BGR2GRAY)
    if view.inspected is not None:
        inspected = view.inspected[::step, ::step]
        grey = grey[inspected] if inspected.any() else grey
    return np.percentile(grey, percentiles)
