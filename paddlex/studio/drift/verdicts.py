"""The verdicts of a product as columns, and what they are compared with."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Verdicts:
    """Verdicts in the order of their time; a column each, [verdicts].

    Attributes:
        at: int64, ms UTC.
        score: float64, 0 to 1, the threshold at 0.5.
        raw_score: float64, on the model's own scale.
        is_anomalous: bool.
        brightness, sharpness: float64, see ``appearance``; NaN where it was not measured.
        offset_x, offset_y: float64, where the part lies, in pixels from where the reference has it; NaN where nobody looks.
        angle: float64, in degrees; the same.
        model: int64, which model: scores of one are not to be compared with those of another.
        optics: int64, which set of models that look at photos in the same way: between two, nothing is to be compared.
    """

    at: np.ndarray
    score: np.ndarray
    raw_score: np.ndarray
    is_anomalous: np.ndarray
    brightness: np.ndarray
    sharpness: np.ndarray
    offset_x: np.ndarray
    offset_y: np.ndarray
    angle: np.ndarray
    model: np.ndarray
    optics: np.ndarray

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, where: slice | np.ndarray) -> Verdicts:
        return Verdicts(*(getattr(self, one.name)[where] for one in fields(self)))

    def joined(self, later: Verdicts) -> Verdicts:
        """These, and later ones after them."""
        return Verdicts(*(np.concatenate([getattr(self, one.name), getattr(later, one.name)]) for one in fields(self)))


@dataclass(frozen=True)
class Reference:
    """What a model was fitted to.

    Attributes:
        scores: float64 [n], the raw scores of its calibration pictures; empty where there are none.
        brightness, sharpness: float64 [m], of the good pictures; NaN where it was not measured.
        target_fpr: the share of good parts that may be called anomalous.
    """

    scores: np.ndarray
    brightness: np.ndarray
    sharpness: np.ndarray
    target_fpr: float = 0.05
