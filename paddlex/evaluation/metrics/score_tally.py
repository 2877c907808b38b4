"""Weights by score over any number of scores, in bounded memory: every float32 apart, or the finest intervals that fit."""

from __future__ import annotations

import numpy as np

_MAX_SHIFT = 23  # the mantissa; intervals as wide as an octave number fewer than 512
MIN_DISTINCT = 512


def to_keys(scores: np.ndarray) -> np.ndarray:
    """Finite float32 to int32 of the same order: neighbouring floats are neighbouring integers, 0.0 and -0.0 are both 0."""
    return _mirror_negative(np.ascontiguousarray(scores, np.float32).view(np.int32))


def to_scores(keys: np.ndarray) -> np.ndarray:
    """The float32 that ``to_keys`` made these int32 of."""
    return _mirror_negative(keys).view(np.float32)


def _mirror_negative(bits: np.ndarray) -> np.ndarray:
    """A negative float is a sign and a magnitude; turn the magnitude into two's complement, or back."""
    return np.where(bits < 0, np.iinfo(np.int32).min - bits, bits)


KEY_OF_MINUS_INFINITY = to_keys(np.array([-np.inf]))[0]


class ScoreTally:
    """Weights summed by score.

    Every distinct score is kept apart while there are at most ``max_distinct``. When there are more, the lowest bit of the
    floats is given up, and another, until they fit: with k bits given up, an interval holds 2^k neighbouring floats, and its
    relative width is at most 2^(k - 23). It follows the scores: where there are none, nothing is stored.

    Memory: (4 + 8 columns) bytes for each of at most 2 max_distinct scores and those of one call; about three times that
    while they are put together.

    Args:
        columns: how many weights a score has.
        max_distinct: at least 512.

    Attributes:
        shift: how many low bits have been given up; 0 while every float32 is apart.
    """

    def __init__(self, columns: int, max_distinct: int) -> None:
        if max_distinct < MIN_DISTINCT:
            raise ValueError(f"max_distinct has to be at least {MIN_DISTINCT}, but is {max_distinct}")
        self._max_distinct = max_distinct
        self._keys, self._weights = np.empty(0, np.int32), np.empty((columns, 0))
        self._pending: list[tuple[np.ndarray, np.ndarray]] = []
        self.shift = 0

    def add(self, keys: np.ndarray, weights: np.ndarray) -> None:
        """Take in int32 keys [n], as ``to_keys`` gives them, in any order, and their weights, float64 [columns, n]."""
        self._pending.append((highest_of_interval(keys, self.shift), weights))
        if sum(keys.size for keys, _ in self._pending) > self._max_distinct:
            self._compact()

    def add_counts(self, keys: np.ndarray) -> None:
        """Take in int32 keys [n] that count one each; for a tally of one column."""
        # Sorting keys alone is many times faster than sorting weights with them.
        distinct, counts = np.unique(highest_of_interval(keys, self.shift), return_counts=True)
        self.add(distinct, counts[None].astype(np.float64))

    def add_tally(self, other: ScoreTally) -> None:
        """Take in what another of as many columns has counted."""
        self._compact()
        self._coarsen(other.shift)
        self.add(*other.at_shift(other.shift))

    def at_shift(self, shift: int) -> tuple[np.ndarray, np.ndarray]:
        """What has been counted, with ``shift`` low bits given up, which are no fewer than this tally has.

        Returns:
            int32 [n], the highest key of each interval that holds a score, ascending; and the sums of their weights,
            float64 [columns, n]. Sums of whole numbers are exact up to 2^53.
        """
        self._compact()
        if shift == self.shift:
            return self._keys, self._weights
        return _sum_runs(highest_of_interval(self._keys, shift), self._weights)

    def _coarsen(self, shift: int) -> None:
        if shift > self.shift:
            (self._keys, self._weights), self.shift = self.at_shift(shift), shift

    def _compact(self) -> None:
        if not self._pending:
            return
        keys = np.concatenate([self._keys, *(keys for keys, _ in self._pending)])
        weights = np.concatenate([self._weights, *(weights for _, weights in self._pending)], axis=1)
        self._pending.clear()
        order = np.argsort(keys, kind="stable")  # a merge sort: ascending runs are only merged
        self._keys, self._weights = _sum_runs(keys[order], weights[:, order])
        while self._keys.size > self._max_distinct and self.shift < _MAX_SHIFT:
            self._coarsen(self.shift + 1)


def highest_of_interval(keys: np.ndarray, shift: int) -> np.ndarray:
    """The highest of the 2^shift neighbouring keys that each int32 key is taken together with."""
    return keys | np.int32((1 << shift) - 1)


def _sum_runs(keys: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ascending keys [n] to distinct ones, and the sums of the weights [columns, n] of equal ones."""
    is_first = np.ones(keys.size, bool)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    starts = np.flatnonzero(is_first)
    return keys[starts], np.add.reduceat(weights, starts, axis=1)
