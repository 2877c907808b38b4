"""What is asked of a model that can be fitted again to some of its photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from paddlex.inference.view import View


@dataclass(frozen=True)
class Drawing:
    """A photo with a defect.

    Attributes:
        image: uint8 [h, w, 3], BGR.
        mask: bool [h, w]: where it lies.
    """

    image: np.ndarray
    mask: np.ndarray


#: A photo as the network is to see it, and its number -> the same with a defect where it is judged, several times.
Draw = Callable[[View, int], Sequence[Drawing]]


@dataclass(frozen=True)
class Refit:
    """What a fit to some photos gives.

    Attributes:
        threshold: of raw image scores.
        scores: float64 [m]: the calibration scores that it rests on.
        left_out: float64 [k]: raw scores of the photos that were judged.
        peaks: float64 [d]: the highest value of the map where each drawn defect lies; one above the threshold is found.
    """

    threshold: float
    scores: np.ndarray
    left_out: np.ndarray
    peaks: np.ndarray


class Refitter(Protocol):
    """A model that can be fitted again: its photos have numbers from 0."""

    @property
    def photos(self) -> int:
        """How many there are to choose from."""
        ...

    def prepare(self, draw_on: Sequence[int], draw: Draw) -> None:
        """Do what is done once for all fits, and draw defects on some of the photos."""
        ...

    def fit(self, chosen: np.ndarray, judged: np.ndarray, drawn_on: np.ndarray) -> Refit:
        """Fit to some photos and judge others.

        Args:
            chosen: int [m], the photos to fit to.
            judged: int [k], others.
            drawn_on: int [u], some of ``draw_on``: the drawings on these are judged, in their order.

        Raises:
            TrainingError: these photos cannot be fitted to.
        """
        ...
