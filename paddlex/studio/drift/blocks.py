"""Verdicts, block by block: each some thirty parts or more that were judged one after another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddlex.studio.drift.shifts import Shifts

#: The fewest parts of a block.
BLOCK = 30

#: A shift is divided into so many equal times; a block is what was judged in one of them, or in as many as it takes.
SLOTS = 16


@dataclass(frozen=True)
class Blocks:
    """Where the blocks are among some verdicts. What does not fill a block yet is in none.

    Attributes:
        number: int64 [verdicts], the block that each is in; -1 for none.
        begins, ends: int64 [blocks], ms UTC: of times, never of verdicts; with its end a block is complete.
        shift: int64 [blocks], the shift in which that was, ascending.
        over: int64 [blocks], when that shift is over.
    """

    number: np.ndarray
    begins: np.ndarray
    ends: np.ndarray
    shift: np.ndarray
    over: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    def medians(self, values: np.ndarray) -> np.ndarray:
        """The median of each block's finite values, float64 [blocks]; NaN where fewer than half are finite.

        Args:
            values: float64 [verdicts].
        """
        known = np.isfinite(values) & (self.number >= 0)
        order = np.lexsort((values[known], self.number[known]))
        ordered = values[known][order]
        counts = np.bincount(self.number[known], minlength=len(self))
        starts = np.cumsum(counts) - counts
        is_enough = 2 * counts >= np.bincount(self.number[self.number >= 0], minlength=len(self))
        is_enough &= counts > 0
        found = np.full(len(self), np.nan)
        low, high = starts + (counts - 1) // 2, starts + counts // 2
        found[is_enough] = (ordered[low[is_enough]] + ordered[high[is_enough]]) / 2
        return found

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean of each block's values, which are finite, float64 [blocks]."""
        inside = self.number >= 0
        sums = np.bincount(self.number[inside], values[inside], len(self))
        return sums / np.bincount(self.number[inside], minlength=len(self))


def cut(at: np.ndarray, shifts: Shifts, now: int) -> Blocks:
    """Divide verdicts into blocks.

    A block ends with the time in which it has got its thirtieth part: where it ends never depends on what was found.

    Args:
        at: int64 [verdicts], ascending, ms UTC.
        shifts: by which time is divided.
        now: ms UTC; a time that is not over has no block yet.
    """
    empty = np.empty(0, np.int64)
    if not len(at):
        return Blocks(empty, empty, empty, empty, empty)
    edges = shifts.edges(int(at[0]), max(int(at[-1]), now))
    parts = np.arange(SLOTS) / SLOTS
    slots = np.append((edges[:-1, None] + np.diff(edges)[:, None] * parts).astype(np.int64).ravel(), edges[-1])
    starts = np.searchsorted(at, slots)
    counts = np.diff(starts)
    busy = np.flatnonzero((counts > 0) & (slots[1:] <= now))
    found, waiting, first = [], 0, 0
    for slot, count in zip(busy.tolist(), counts[busy].tolist(), strict=True):
        first = first if waiting else slot
        waiting += count
        if waiting >= BLOCK:
            found.append((first, slot))
            waiting = 0
    first_slot, last = np.array(found, np.int64).reshape(-1, 2).T
    number = np.searchsorted(starts[last + 1], np.arange(len(at)), "right").astype(np.int64)
    number[number == len(last)] = -1
    shift = last // SLOTS
    return Blocks(number, slots[first_slot], slots[last + 1], shift, edges[shift + 1])
