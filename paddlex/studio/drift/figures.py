"""What verdicts were like, by shift or by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddlex.studio.drift.shifts import Shifts
from paddlex.studio.drift.verdicts import Verdicts

_NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Period:
    """A shift or a day with at least one verdict.

    Attributes:
        start, end: ms UTC; the end is where the next begins.
        verdicts: how many.
        anomalous: how many of them are.
        corrected: how many a person has corrected.
        score, brightness, sharpness, offset_x, offset_y, angle: medians; None where nothing was measured.
    """

    start: int
    end: int
    verdicts: int
    anomalous: int
    corrected: int
    score: float | None
    brightness: float | None
    sharpness: float | None
    offset_x: float | None
    offset_y: float | None
    angle: float | None


def periods(verdicts: Verdicts, corrected_at: Sequence[int] | np.ndarray, shifts: Shifts, most: int) -> list[Period]:
    """The latest periods in which something was judged, in their order.

    Args:
        verdicts: of a product.
        corrected_at: when those that a person has corrected were judged, ms UTC.
        shifts: by which time is divided.
        most: how many periods.
    """
    if not len(verdicts):
        return []
    edges = shifts.edges(int(verdicts.at[0]), int(verdicts.at[-1]))
    starts = np.searchsorted(verdicts.at, edges)
    busy = np.flatnonzero(np.diff(starts))[-most:]
    corrections = np.diff(np.searchsorted(np.sort(np.asarray(corrected_at, np.int64)), edges))
    found = []
    for one in busy:
        part = verdicts[starts[one] : starts[one + 1]]
        columns = (part.score, part.brightness, part.sharpness, part.offset_x, part.offset_y, part.angle)
        counts = len(part), int(part.is_anomalous.sum()), int(corrections[one])
        found.append(Period(int(edges[one]), int(edges[one + 1]), *counts, *map(_median, columns)))
    return found


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share that was counted (Wilson, Probable inference, JASA 22, 1927).

    Args:
        count: how many of them.
        total: of all, at least 1.
    """
    share, z2 = count / total, _NORMAL_95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    reach = _NORMAL_95 / (1 + z2 / total) * (share * (1 - share) / total + z2 / (4 * total**2)) ** 0.5
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _median(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None
