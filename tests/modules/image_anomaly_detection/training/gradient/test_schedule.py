"""How long a run is, and the learning rate at points that can be computed by hand."""

import math

import pytest

from paddlex.modules.image_anomaly_detection.training.gradient.schedule import (
    learning_rate_at,
    usual_epochs,
    usual_interval,
)


def rates(total: int, peak: float, schedule: str, warmup: int | None) -> list[float]:
    return [learning_rate_at(step, total, peak, schedule, warmup) for step in range(total)]


def test_constant_is_the_peak_from_the_first_step_on():
    assert rates(5, 0.4, "constant", None) == [0.4] * 5


def test_constant_after_a_linear_warm_up():
    assert rates(6, 0.4, "constant", 4) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_one_cycle_rises_over_a_quarter_and_falls_by_half_a_cosine():
    # 16 steps: 4 of warm-up, then 0.5 (1 + cos(pi s)) at s = 0, 1/12, 2/12, ... of the other 12
    values = rates(16, 1.0, "one_cycle", None)
    assert values[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert values[6::2] == pytest.approx([(1 + math.sqrt(3) / 2) / 2, 0.75, 0.5, 0.25, (1 - math.sqrt(3) / 2) / 2])


def test_one_cycle_with_a_warm_up_of_its_own():
    assert rates(5, 2.0, "one_cycle", 1) == pytest.approx([2.0, 2.0, 1 + math.sqrt(0.5), 1.0, 1 - math.sqrt(0.5)])


def test_one_cycle_without_warm_up_starts_at_the_peak():
    assert rates(2, 1.0, "one_cycle", 0) == pytest.approx([1.0, 0.5])


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_a_warm_up_longer_than_the_run_is_the_whole_run(schedule):
    assert rates(4, 1.0, schedule, 100) == pytest.approx([0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_a_run_of_one_step_has_the_peak(schedule):
    assert rates(1, 0.4, schedule, None) == [0.4]


@pytest.mark.parametrize(("batches", "epochs"), [(1, 240), (10, 24), (11, 22), (48, 5), (49, 5), (1000, 5)])
def test_few_images_come_by_often_and_many_five_times(batches, epochs):
    assert usual_epochs(batches) == epochs


@pytest.mark.parametrize(("epochs", "evaluations"), [(1, 1), (5, 5), (10, 10), (11, 6), (20, 10), (240, 10)])
def test_a_run_is_evaluated_once_an_epoch_but_at_most_ten_times(epochs, evaluations):
    interval = usual_interval(epochs)
    assert len([epoch for epoch in range(1, epochs + 1) if epoch % interval == 0 or epoch == epochs]) == evaluations
