"""The control chart of one quantity: whether it has left where it used to be, suddenly or little by little.

It learns what is usual from the shifts before, and how much they differ: parts of a shift resemble each other, and nobody
knows beforehand by how much. Standardised by what was seen before it, the value of a new shift is normal with a spread of one
as long as nothing changes, however few shifts there were (Hawkins: Self-starting CUSUM charts for location and scale, The
Statistician 36, 1987).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddlex.studio.drift.blocks import Blocks

#: So many whole shifts are learnt from before anything is said.
LEARNT = 6

#: How far a block may be from what is usual, in standard deviations; and in those of the farthest block that was learnt from,
#: because now and then a shift is far off where no distribution expects it.
SUDDEN, FARTHER = 4.6, 2.0

#: A shift's deviation counts in the cumulative sum as far as it is above this (Page: Continuous inspection schemes, 1954) ...
ALLOWANCE = 0.5

#: ... and at most this much, so that no single shift raises the alarm; this is how far the sum may come.
LARGEST, LASTING = 4.0, 7.5

#: While a sum is above this, shifts wait to be learnt from: what may be the beginning of a change must not become usual.
_DOUBT = 3.0

_MOST_MEMORY = 0.8


@dataclass(frozen=True)
class Point:
    """The chart after a block.

    Attributes:
        at: when the block was complete, ms UTC.
        sudden: how far the block is from what is usual, in standard deviations, signed; 0 while it is being learnt.
        lasting: the cumulative sum over whole shifts, of the side that is further off, signed.
        usual: the mean of the shifts before; None before the first.
        value: of the block.
    """

    at: int
    sudden: float
    lasting: float
    usual: float | None
    value: float

    @property
    def level(self) -> float:
        """How near it is to an alarm, which is at 1."""
        return max(abs(self.sudden) / SUDDEN, abs(self.lasting) / LASTING)

    @property
    def is_sudden(self) -> bool:
        """Which of the two is nearer."""
        return abs(self.sudden) / SUDDEN >= abs(self.lasting) / LASTING

    @property
    def is_above(self) -> bool:
        """Whether it is above what is usual."""
        return (self.sudden if self.is_sudden else self.lasting) > 0


@dataclass(frozen=True)
class Excursion:
    """From an alarm on.

    Attributes:
        first: the point of the alarm.
        until: when it was taken note of, ms UTC; None while it was not.
    """

    first: Point
    until: int | None = None


@dataclass(frozen=True)
class Chart:
    """What was found.

    Attributes:
        points: one a block.
        excursions: in the order of time; only the last may not be over.
        learnt: how many whole shifts it has learnt from.
    """

    points: list[Point]
    excursions: list[Excursion]
    learnt: int


def draw(values: np.ndarray, blocks: Blocks, *, now: int, tolerance: float, noted: Sequence[int] = ()) -> Chart:
    """Follow a quantity from its first block on.

    While an excursion lasts, nothing is learnt; when it has been taken note of, the cumulative sums begin anew with the next
    shift, and what was usual before stays usual.

    Args:
        values: float64 [blocks]; NaN where it could not be measured.
        blocks: whose values they are.
        now: ms UTC; a shift that is not over is not whole.
        tolerance: a spread of shifts that is smaller than this is taken for it: it means nothing.
        noted: when alarms were taken note of, ms UTC.
    """
    learner, notes = _Learner(tolerance), sorted(noted)
    points: list[Point] = []
    excursions: list[Excursion] = []
    is_out, left_out = False, -1
    waiting: list[np.ndarray] = []
    up = down = 0.0
    known = np.flatnonzero(np.isfinite(values))
    for group in np.split(known, np.flatnonzero(np.diff(blocks.shift[known])) + 1) if len(known) else []:
        shift, of_shift = int(blocks.shift[group[0]]), values[group]
        is_over = bool(blocks.over[group[-1]] <= now)
        times = zip(of_shift.tolist(), blocks.begins[group].tolist(), blocks.ends[group].tolist(), strict=True)
        for number, (value, begin, at) in enumerate(times, 1):
            if notes and notes[0] <= begin:
                up = down = 0.0
                waiting.clear()
                if is_out:
                    excursions[-1] = Excursion(excursions[-1].first, notes[0])
                    is_out, left_out = False, shift  # part of this shift may be as it was before it was noted
                notes = [one for one in notes if one > begin]
            sudden, usual = learner.sudden(value), learner.usual
            is_whole = number == len(group) and is_over and not is_out and shift != left_out
            if is_whole:
                deviation = learner.deviation(float(of_shift.mean()), learner.shift_spread)
                deviation = min(LARGEST, max(-LARGEST, deviation))
                if learner.is_ready:
                    up, down = max(0.0, up + deviation - ALLOWANCE), max(0.0, down - deviation - ALLOWANCE)
            points.append(Point(at, sudden, up if up >= down else -down, usual, value))
            if not is_out and points[-1].level >= 1:
                excursions.append(Excursion(points[-1]))
                is_out = True
                waiting.clear()
            if is_whole and not is_out:
                waiting.append(of_shift)
                if max(up, down) <= _DOUBT:
                    for one in waiting:
                        learner.learn(one)
                    waiting.clear()
    if is_out and notes:  # no block has begun since
        excursions[-1] = Excursion(excursions[-1].first, notes[0])
    return Chart(points, excursions, learner.count)


class _Learner:
    """The means of whole shifts, and how far shifts, and blocks of any shift, are from their mean.

    Attributes:
        usual: the mean; None before the first shift.
        shift_spread: the standard deviation of the mean of many shifts, times the root of how many. It is more than that of a
            shift where each is like the one before (Kim, Alexopoulos, Tsui, Wilson: A distribution-free tabular CUSUM chart for
            autocorrelated data, IIE Transactions 39, 2007). The autocorrelation is what is found, without its bias (Marriott,
            Pope: Bias in the estimation of autocorrelations, Biometrika 41, 1954), and a standard error more.
        block_spread: the standard deviation of blocks of any shift.
        farthest: how far a block was from the mean.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._means: list[float] = []
        self._squares = 0.0  # of blocks, the mean of each shift, from the first mean: so no digits are lost
        self._lowest, self._highest = np.inf, -np.inf
        self.usual: float | None = None
        self.shift_spread = self.block_spread = self.farthest = tolerance

    @property
    def count(self) -> int:
        return len(self._means)

    @property
    def is_ready(self) -> bool:
        return self.count >= LEARNT

    def learn(self, blocks: np.ndarray) -> None:
        """Take in a whole shift, the values of its blocks."""
        self._means.append(float(blocks.mean()))
        self._squares += float(np.mean((blocks - self._means[0]) ** 2))
        self._lowest, self._highest = min(self._lowest, blocks.min()), max(self._highest, blocks.max())
        means = np.array(self._means)
        self.usual = usual = float(means.mean())
        deviations = means - usual
        squares = float(deviations @ deviations)
        found = float(deviations[1:] @ deviations[:-1]) / squares if squares > 0 else 0.0
        found += (1 + 3 * found) / self.count
        memory = min(_MOST_MEMORY, max(0.0, found) + self.count**-0.5)
        self.shift_spread = self._spread(squares * (1 + memory) / (1 - memory))
        self.block_spread = self._spread(self._squares - self.count * (usual - self._means[0]) ** 2)
        self.farthest = max(float(self._highest) - usual, usual - float(self._lowest), self._tolerance)

    def _spread(self, squares: float) -> float:
        return max(self._tolerance, (max(squares, 0.0) / max(self.count - 1, 1)) ** 0.5)

    def deviation(self, value: float, spread: float) -> float:
        """A new value, standardised: Student's t brought to a normal deviate; 0 before enough is learnt."""
        if not self.is_ready or self.usual is None:
            return 0.0
        return normal_deviate((value - self.usual) / (spread * (1 + 1 / self.count) ** 0.5), self.count - 1)

    def sudden(self, block: float) -> float:
        """How far a block is off, see ``Point``; the alarm is where both measures of it say so."""
        deviation = self.deviation(block, self.block_spread)
        ratio = 0.0 if self.usual is None else abs(block - self.usual) / (FARTHER * self.farthest)
        return math.copysign(min(abs(deviation), SUDDEN * ratio), deviation)


def normal_deviate(t: float, freedom: int) -> float:
    """The normal deviate that is as seldom exceeded as a value of Student's t.

    Wallace: Bounds on normal approximations to Student's and the chi-square distributions, Annals of Mathematical Statistics
    30, 1959.
    """
    size = (8 * freedom + 1) / (8 * freedom + 3) * (freedom * math.log1p(t * t / freedom)) ** 0.5
    return math.copysign(size, t)
