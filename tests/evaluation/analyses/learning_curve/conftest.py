"""A model whose curve is known, in the place of one that is really fitted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from paddlex.evaluation.analyses.learning_curve.fits import DRAWN_KINDS
from paddlex.evaluation.analyses.learning_curve.refitting import Draw, Refit
from paddlex.inference.thresholds import image_threshold


@dataclass
class KnownModel:
    """Of its drawings the share ``limit - slope / sqrt(n)`` is found, as nearly as their number allows."""

    photos: int
    limit: float = 0.9
    slope: float = 0.0
    shift: float = 0.0  # of the logarithms of the scores of photos that are left out
    fits: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)

    def prepare(self, draw_on: list[int], draw: Draw) -> None:
        self.draw_on = draw_on

    def fit(self, chosen: np.ndarray, judged: np.ndarray, drawn_on: np.ndarray) -> Refit:
        self.fits.append((chosen, judged, drawn_on))
        n = len(chosen)
        scores = np.exp(0.3 * np.sin(np.arange(1.0, n + 1)))
        threshold, _ = image_threshold(scores.tolist(), 0.05)
        total = len(drawn_on) * len(DRAWN_KINDS)
        is_found = np.arange(total) < round(total * (self.limit - self.slope / math.sqrt(n)))
        spread = np.random.default_rng(0).permutation(total)
        left_out = np.exp(0.3 * np.sin(np.arange(1.0, len(judged) + 1)) + self.shift)
        return Refit(threshold, scores, left_out, np.where(is_found, 100.0, 0.0)[spread])


@pytest.fixture
def known_model() -> Callable[..., KnownModel]:
    """(photos, limit, slope, shift) -> the model."""
    return KnownModel
