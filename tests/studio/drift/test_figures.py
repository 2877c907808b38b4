"""What verdicts were like, by shift or by day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from paddlex.studio.drift.figures import periods, wilson
from paddlex.studio.drift.shifts import Shifts
from paddlex.studio.drift.verdicts import Verdicts

START, SHIFT = 1_767_247_200_000, 28_800_000


@pytest.mark.parametrize(("count", "total"), [(0, 1), (0, 40), (3, 40), (40, 40), (1, 100000)])
def test_the_interval_is_wilsons(count: int, total: int) -> None:
    expected = binomtest(count, total).proportion_ci(method="wilson")

    assert wilson(count, total) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_a_shift_has_the_medians_and_counts_of_its_own_verdicts(produce: Callable[..., Verdicts]) -> None:
    verdicts = produce(4, parts=50)
    corrected = [START + 5, START + SHIFT - 1, START + 2 * SHIFT]

    found = periods(verdicts, corrected, Shifts(), most=3)

    assert [one.start for one in found] == [START + SHIFT, START + 2 * SHIFT, START + 3 * SHIFT]
    assert [one.corrected for one in found] == [0, 1, 0]
    second = verdicts[50:100]
    assert (found[0].verdicts, found[0].anomalous) == (50, second.is_anomalous.sum())
    assert (found[0].score, found[0].brightness) == (np.median(second.score), np.median(second.brightness))


def test_a_day_has_its_three_shifts_and_one_without_verdicts_is_left_out(produce: Callable[..., Verdicts]) -> None:
    verdicts = produce(9, parts=10)
    verdicts = verdicts[(np.arange(90) < 30) | (np.arange(90) >= 60)]

    found = periods(verdicts, [], Shifts().days, most=10)

    assert [(one.start, one.verdicts) for one in found] == [(START, 30), (START + 6 * SHIFT, 30)]


def test_what_was_never_measured_is_none(produce: Callable[..., Verdicts]) -> None:
    verdicts = replace(produce(1), angle=np.full(120, np.nan))

    assert periods(verdicts, [], Shifts(), most=1)[0].angle is None
    assert periods(verdicts[:0], [], Shifts(), most=1) == []
