"""Trouble is seen: a training that diverges is stopped, and what a person should look at is said."""

from __future__ import annotations

import pytest

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.training.gradient.early_stopping import stops_early
from paddlex.modules.image_anomaly_detection.training.gradient.trouble import check_divergence, warn_of_learning


def history(*losses: float) -> list[dict]:
    return [{"epoch": number, "held_out_loss": loss} for number, loss in enumerate(losses, 1)]


def stopped_after(start_loss: float, *losses: float) -> int | None:
    """The evaluation after which a training with these losses is stopped."""
    for count in range(1, len(losses) + 1):
        try:
            check_divergence(history(*losses[:count]), start_loss)
        except TrainingError:
            return count
    return None


# Divergence. The losses are those of real runs, on 24 images at 64x64 with the learning rate that is named.


@pytest.mark.parametrize(
    ("losses", "after"),
    [
        pytest.param([1.576, 0.201, 1.555, 1.628, 1.211], 4, id="1e4, one cycle"),
        pytest.param(
            [1.963, 1.53, 1.335, 1.003, 1.057, 1.998, 1.167, 1.028, 1.647, 1.826, 1.64], 10, id="1e4, constant"
        ),
        pytest.param([1.404, 0.218, 0.918, 1.1, 0.539], 4, id="1e3, constant"),
    ],
)
def test_a_training_that_diverges_is_stopped(losses, after):
    assert stopped_after(1.712, *losses) == after


@pytest.mark.parametrize(
    "losses",
    [
        pytest.param(
            [1.701, 1.639, 1.502, 1.341, 1.21, 1.117, 1.053, 0.986, 0.895, 0.8, 0.5, 0.27, 0.26], id="0.4, one cycle"
        ),
        pytest.param(
            [1.508, 1.143, 1.09, 1.033, 0.961, 0.845, 0.686, 0.193, 0.09, 0.098, 0.068, 0.045], id="10, one cycle"
        ),
        pytest.param([1.71, 1.694, 1.678, 1.661], id="1e-6: too slow, but not diverging"),
        pytest.param([1.8, 1.9, 2.0, 1.7], id="a wobble near the start"),
        pytest.param([0.9, 0.1, 0.3, 0.3, 0.3], id="worse than the best, far below the start"),
        pytest.param([0.9, 0.1, 1.5, 0.1, 1.5, 0.1], id="one bad evaluation at a time"),
        pytest.param([], id="nothing yet"),
    ],
)
def test_a_training_that_does_not_diverge_goes_on(losses):
    assert stopped_after(1.712, *losses) is None


def test_the_error_says_what_was_seen_and_what_to_do():
    with pytest.raises(TrainingError) as caught:
        check_divergence(history(0.2, 1.6, 1.7), 1.71)
    text = "the loss on held-out images is 1.7 after epoch 3; it was 1.71 before the first step and 0.2 at its best"
    assert text in str(caught.value)
    assert "Lower Train.learning_rate" in str(caught.value)


# A student that has not learned


def test_a_student_no_better_than_untrained_is_warned_of():
    (warning,) = warn_of_learning(history(1.71, 1.69, 1.75), 1.712, layers=3)
    assert "has not learned: its loss on held-out images is 1.69 at its best, and was 1.71 untrained" in warning
    assert "Raise Train.epochs_iters" in warning


def test_a_student_that_has_learned_is_not():
    assert warn_of_learning(history(1.2, 0.3), 1.712, layers=3) == []


def test_a_student_that_was_trained_before_need_not_get_better():
    assert warn_of_learning(history(0.26, 0.25), 0.26, layers=3) == []


# Early stopping


@pytest.mark.parametrize(
    ("scores", "patience", "min_delta", "stops"),
    [
        ([], 1, 0, False),
        ([1], 1, 0, False),
        ([1, 2], 1, 0, False),
        ([1, 2, 2], 1, 0, True),  # as good is not better
        ([3, 1, 2], 2, 0, True),
        ([3, 1, 2, 4], 2, 0, False),
        ([1, 1.05, 1.09], 2, 0.1, True),
        ([1, 1.05, 1.11], 2, 0.1, False),  # better than the last that counted, in two steps
        ([3, 2, 1, 0], None, 0, False),
    ],
)
def test_early_stopping_counts_evaluations_without_a_better_one(scores, patience, min_delta, stops):
    assert stops_early(scores, patience, min_delta) is stops
