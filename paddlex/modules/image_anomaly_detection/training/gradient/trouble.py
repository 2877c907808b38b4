"""What a person who watched the training would notice, and what to do about it. Pure functions over losses and samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.models.gradient_options import DEFAULT_LEARNING_RATE

#: An untrained student's loss is above half a unit a layer: its features have little to do with the teacher's. One that
#: starts below this was trained before (``Train.pretrain_weight_path`` may hold a student), and is not compared with its start.
_UNTRAINED_LOSS_PER_LAYER = 0.3

#: A student whose loss has fallen by less than this share has not learned. Real runs end far below a half.
_LEARNED_SHARE = 0.2

#: Diverged: in so many evaluations in a row the loss on held-out images is this many times the lowest before, and above
#: this share of where it started. A loss that is still near its start may well wobble.
_DIVERGED_EVALUATIONS = 2
_DIVERGED_RATIO = 1.5
_DIVERGED_SHARE = 0.5


def check_finite(loss: float, when: str) -> None:
    """Refuse to go on with a loss that is not a number.

    Raises:
        TrainingError: with advice.
    """
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss} {when}",
            remedy="Lower Train.learning_rate, or raise Train.batch_size if it is below 4",
        )


def check_divergence(history: Sequence[Mapping[str, Any]], start_loss: float | None) -> None:
    """Refuse to go on with a student that gets worse instead of better.

    Args:
        history: the evaluations so far, with ``held_out_loss``.
        start_loss: before the first step, None if unknown.

    Raises:
        TrainingError: with advice.
    """
    losses = [entry["held_out_loss"] for entry in history]
    if start_loss is None or len(losses) < _DIVERGED_EVALUATIONS:
        return
    recent = range(len(losses) - _DIVERGED_EVALUATIONS, len(losses))
    limits = [max(_DIVERGED_RATIO * min([start_loss, *losses[:i]]), _DIVERGED_SHARE * start_loss) for i in recent]
    if all(losses[i] > limit for i, limit in zip(recent, limits, strict=True)):
        raise TrainingError(
            f"the training diverges: the loss on held-out images is {losses[-1]:.3g} after epoch {history[-1]['epoch']}; "
            f"it was {start_loss:.3g} before the first step and {min(losses):.3g} at its best",
            remedy=f"Lower Train.learning_rate ({DEFAULT_LEARNING_RATE} is the default, for one_cycle), "
            "or raise Train.batch_size if it is below 4",
        )


def warn_of_learning(history: Sequence[Mapping[str, Any]], start_loss: float | None, layers: int) -> list[str]:
    """A warning if the student is hardly better than it was before the first step.

    Args:
        history: the evaluations, with ``held_out_loss``.
        start_loss: before the first step, None if unknown.
        layers: how many are matched.
    """
    if start_loss is None or start_loss < _UNTRAINED_LOSS_PER_LAYER * layers:
        return []
    best = min(entry["held_out_loss"] for entry in history)
    if best < (1 - _LEARNED_SHARE) * start_loss:
        return []
    return [
        f"The student has not learned: its loss on held-out images is {best:.3g} at its best, and was {start_loss:.3g} "
        "untrained, so its anomaly map says little. Raise Train.epochs_iters; "
        f"set Train.learning_rate near {DEFAULT_LEARNING_RATE} (one_cycle) or 0.4 (constant); "
        "look whether the training images show the part at all."
    ]
