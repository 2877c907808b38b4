"""The control chart of one quantity."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm
from scipy.stats import t as student

from paddlex.studio.drift.blocks import Blocks
from paddlex.studio.drift.chart import LEARNT, Chart, draw, normal_deviate
from paddlex.studio.drift.rule import FALSE_ALARMS_A_MONTH

BLOCKS = 4  # of a shift, a millisecond each


def chart_of(values: np.ndarray, noted: tuple[int, ...] = (), tolerance: float = 0.0) -> Chart:
    """A chart of shifts, float64 [shifts, 4]; a shift lasts 4 ms, and they are all over."""
    count = values.size
    number = np.arange(count)
    blocks = Blocks(number, number, number + 1, number // BLOCKS, 4 * (number // BLOCKS) + 4)
    return draw(values.ravel(), blocks, now=count, tolerance=tolerance, noted=noted)


def production(shifts: int, seed: int, of_shift: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(shifts, BLOCKS)) + of_shift * rng.normal(size=(shifts, 1))


@pytest.mark.parametrize("freedom", [5, 8, 20, 100])
@pytest.mark.parametrize("deviate", [-5.0, -3.0, -1.0, 0.5, 2.0, 4.0, 5.0])
def test_a_value_of_students_t_becomes_the_normal_deviate_that_is_as_seldom(freedom: int, deviate: float) -> None:
    t = -np.sign(deviate) * student.ppf(norm.sf(abs(deviate)), freedom)

    assert normal_deviate(float(t), freedom) == pytest.approx(deviate, abs=0.03 * abs(deviate))


def test_nothing_is_said_before_six_whole_shifts_however_wild_they_are() -> None:
    values = production(LEARNT, seed=0)
    values[3:] += 1000

    chart = chart_of(values)

    assert LEARNT == 6
    assert [point.level for point in chart.points] == [0] * values.size
    assert chart.excursions == []


def test_where_nothing_changes_alarms_are_as_seldom_as_is_stated() -> None:
    """200 months of a chart; six such charts make a product's false alarms."""
    alarmed = sum(bool(chart_of(production(90, seed)).excursions) for seed in range(200))

    assert alarmed <= binom.ppf(0.999, 200, FALSE_ALARMS_A_MONTH / 6)


def test_shifts_that_are_like_the_one_before_raise_no_more_alarms() -> None:
    alarmed = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        level = [0.0]
        for drive in rng.normal(size=90):
            level.append(0.4 * level[-1] + (1 - 0.4**2) ** 0.5 * drive)
        values = rng.normal(size=(90, BLOCKS)) + np.array(level[1:])[:, None]
        alarmed += bool(chart_of(values).excursions)

    assert alarmed <= binom.ppf(0.999, 150, FALSE_ALARMS_A_MONTH / 6)


def test_a_jump_is_noticed_within_its_first_block() -> None:
    values = production(30, seed=1)
    values[20:] += 15

    (excursion,) = chart_of(values).excursions

    assert excursion.first.at == 20 * BLOCKS + 1
    assert excursion.first.is_sudden
    assert excursion.first.is_above
    assert excursion.until is None


def test_what_moves_little_by_little_is_noticed_from_whole_shifts() -> None:
    values = production(120, seed=2)
    values[40:] -= 0.05 * np.arange(80)[:, None]

    (excursion,) = chart_of(values).excursions

    assert not excursion.first.is_sudden
    assert not excursion.first.is_above
    assert 40 * BLOCKS < excursion.first.at < 80 * BLOCKS


def test_a_single_odd_shift_is_no_lasting_change() -> None:
    values = production(60, seed=3, of_shift=0)
    values[30] += 1.5  # 3 standard deviations of a shift, not sudden

    assert chart_of(values).excursions == []


def test_an_alarm_lasts_until_it_is_noted_and_what_was_usual_stays_so() -> None:
    values = production(60, seed=4)
    values[20:30] += 15

    chart = chart_of(values, noted=(30 * BLOCKS,))

    (excursion,) = chart.excursions
    assert excursion.until == 30 * BLOCKS
    assert abs(chart.points[-1].usual or 0) < 1  # it learnt nothing from the shifts that were off
    assert chart.learnt == 20 + 60 - 30 - 1  # nor from the one in which it was noted


def test_what_is_still_off_after_it_was_noted_raises_the_alarm_again() -> None:
    values = production(60, seed=5)
    values[20:] += 15

    first, second = chart_of(values, noted=(30 * BLOCKS,)).excursions

    assert first.until == 30 * BLOCKS
    assert second.first.at == 30 * BLOCKS + 1
    assert second.until is None


def test_a_spread_that_means_nothing_is_taken_for_the_tolerance() -> None:
    values = 1e-6 * production(40, seed=6)
    values[20:] += 0.1

    assert chart_of(values, tolerance=0.5).excursions == []
    assert chart_of(values, tolerance=0.001).excursions != []


def test_blocks_that_could_not_be_measured_are_passed_over() -> None:
    values = production(30, seed=7)
    values[5] = np.nan
    values[10, 1:] = np.nan

    chart = chart_of(values)

    assert chart.learnt == 29
    assert len(chart.points) == values.size - 7
    assert chart_of(np.full((3, BLOCKS), np.nan)) == Chart([], [], 0)


def test_the_beginning_of_a_change_is_not_learnt() -> None:
    values = production(60, seed=8)
    values[40:] += 2.4  # two standard deviations of a shift: it takes several

    (excursion,) = chart_of(values).excursions

    before = chart_of(values[:40]).points[-1].usual
    assert not excursion.first.is_sudden
    assert excursion.first.usual == pytest.approx(before, abs=0.1)
