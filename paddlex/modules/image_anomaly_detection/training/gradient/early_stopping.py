"""When to stop before the last epoch: a pure function of the history, so that a resumed run stops where it would have."""

from __future__ import annotations

from collections.abc import Sequence


def stops_early(scores: Sequence[float], patience: int | None, min_delta: float) -> bool:
    """Whether the last ``patience`` evaluations brought nothing better.

    Args:
        scores: the selection score of each evaluation so far, in order; higher is better.
        patience: None never stops.
        min_delta: what a score must be better by to count, compared with the last one that counted.
    """
    if patience is None or not scores:
        return False
    best, best_at = scores[0], 0
    for number, score in enumerate(scores):
        if score > best + min_delta:
            best, best_at = score, number
    return len(scores) - 1 - best_at >= patience
