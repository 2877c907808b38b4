"""How long a run is, and its learning rate as a pure function of the step, so that a resumed run needs no schedule's state."""

from __future__ import annotations

import math

#: So many steps make a good student, from few images seen often or many seen seldom; each is seen at least five times.
USUAL_STEPS, LEAST_EPOCHS = 240, 5
_MOST_EVALUATIONS = 10


def usual_epochs(batches: int) -> int:
    """The epochs of a run that leaves them open, from the number of batches in one."""
    return max(LEAST_EPOCHS, math.ceil(USUAL_STEPS / batches))


def usual_interval(epochs: int) -> int:
    """Epochs between two evaluations: there are at most ten in a run."""
    return math.ceil(epochs / _MOST_EVALUATIONS)


def learning_rate_at(step: int, total_steps: int, peak: float, schedule: str, warmup_steps: int | None) -> float:
    """The learning rate of a step, counted from 0.

    Args:
        step: below ``total_steps``.
        total_steps: of the whole run.
        peak: reached at the end of the warm-up.
        schedule: ``constant`` after the warm-up, or ``one_cycle``: half a cosine down to zero (Smith, Topin, 2018).
        warmup_steps: linear from near zero to the peak; None is a quarter of a ``one_cycle`` and nothing of a ``constant``.
    """
    is_one_cycle = schedule == "one_cycle"
    if warmup_steps is None:
        warmup_steps = total_steps // 4 if is_one_cycle else 0
    warmup_steps = min(warmup_steps, total_steps)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    if not is_one_cycle:
        return peak
    share = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * share))
