"""Verdicts, block by block."""

from __future__ import annotations

import numpy as np
import pytest

from paddlex.studio.drift.blocks import BLOCK, cut
from paddlex.studio.drift.shifts import Shifts

HALF_HOUR = 1_800_000
START = 1_767_247_200_000  # 06:00 UTC: a shift begins


def times(*counts: int) -> np.ndarray:
    """So many verdicts in each half hour from 06:00 on."""
    return np.concatenate([START + number * HALF_HOUR + np.arange(count) * 1000 for number, count in enumerate(counts)])


def test_a_block_is_what_was_judged_in_half_an_hour_or_in_as_many_as_it_takes_to_have_thirty_parts() -> None:
    at = times(40, 10, 15, 25, 7)

    blocks = cut(at, Shifts(), int(at[-1]) + HALF_HOUR)

    assert BLOCK == 30
    assert np.bincount(blocks.number + 1).tolist() == [7, 40, 50]  # the last seven are in no block yet
    assert blocks.ends.tolist() == [START + HALF_HOUR, START + 4 * HALF_HOUR]


def test_a_time_that_is_not_over_has_no_block() -> None:
    at = times(40)

    assert len(cut(at, Shifts(), START + HALF_HOUR - 1)) == 0
    assert len(cut(at, Shifts(), START + HALF_HOUR)) == 1


def test_a_slow_line_has_blocks_that_last_longer_than_a_shift() -> None:
    at = START + np.arange(40) * HALF_HOUR  # 16 parts a shift

    blocks = cut(at, Shifts(), START + 40 * HALF_HOUR)

    assert blocks.ends.tolist() == [START + 30 * HALF_HOUR]
    assert blocks.over.tolist() == [START + 32 * HALF_HOUR]


def test_medians_leave_out_what_was_not_measured_and_say_nothing_where_that_is_most() -> None:
    rng = np.random.default_rng(0)
    at = times(31, 40, 30, 5)
    values = rng.normal(size=len(at))
    values[31:45] = np.nan  # 14 of the 40 in the second block
    values[71:90] = np.nan  # 19 of the 30 in the third

    blocks = cut(at, Shifts(), START + 4 * HALF_HOUR)
    medians = blocks.medians(values)

    assert medians[0] == np.median(values[:31])
    assert medians[1] == np.median(values[45:71])
    assert np.isnan(medians[2])
    assert blocks.means(np.nan_to_num(values))[0] == pytest.approx(np.mean(values[:31]))


def test_there_are_no_blocks_of_nothing() -> None:
    assert len(cut(np.empty(0, np.int64), Shifts(), START)) == 0
    assert cut(times(3), Shifts(), START + HALF_HOUR).medians(np.ones(3)).tolist() == []
