"""A fixed input and the network's answer to it when it was exported: what shows that a backend computes the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from paddlex.inference.checked import Checked, list_of, number

#: Largest difference from the exported answer, as a share of the largest value of the map.
TOLERANCE = 1e-4

_POINTS = 4  # a side


@dataclass(frozen=True)
class SelfCheck(Checked):
    """What inference.yml keeps of the network's answer to the probe.

    Attributes:
        values: for each output of the graph its values on a grid of points, and the largest.
    """

    values: Annotated[list[list[float]], list_of(list_of(number, length=_POINTS**2 + 1), least=1)]


def probe(size: tuple[int, int]) -> np.ndarray:
    """A smooth picture of waves, float32 [1, 3, height, width] within -2..2, for ``size`` (width, height)."""
    width, height = size
    y, x, channel = np.arange(height)[:, None], np.arange(width), np.arange(3)[:, None, None]
    waves = np.sin(0.11 * (channel + 1) * y) + np.cos(0.07 * x + channel)
    return waves[None].astype(np.float32)


def summarise(outputs: Sequence[np.ndarray]) -> SelfCheck:
    """What inference.yml keeps of an answer, float32 [1, 1, H, W] for each output.

    Raises:
        Invalid: a value that is not finite.
    """
    return SelfCheck([[float(f"{value:.7g}") for value in _points(output)] for output in outputs])


def difference(expected: SelfCheck | None, outputs: Sequence[np.ndarray]) -> float | None:
    """How far an answer is from the exported one, as a share of its largest value; None if that is within ``TOLERANCE``.

    A model that brings no answer (one made elsewhere) is only asked for finite numbers.
    """
    if not all(np.isfinite(output).all() for output in outputs):
        return float("inf")
    if expected is None:
        return None
    if len(outputs) != len(expected.values):
        return float("inf")
    worst = 0.0
    for values, output in zip(expected.values, outputs, strict=True):
        wanted = np.asarray(values)
        worst = max(worst, float(np.abs(_points(output) - wanted).max() / max(1.0, np.abs(wanted).max())))
    return worst if worst > TOLERANCE else None


def _points(output: np.ndarray) -> np.ndarray:
    rows, columns = (np.linspace(0, side - 1, _POINTS).astype(int) for side in output.shape[2:])
    return np.append(output[0, 0][np.ix_(rows, columns)].ravel(), output.max())
