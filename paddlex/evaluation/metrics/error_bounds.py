"""How far a figure can be off because scores within one interval of a ``Ranking`` are not told apart.

Each bound holds for whatever order the scores within the intervals have, ties included. Rounding of float64 comes on top.
"""

from __future__ import annotations

import numpy as np

from paddlex.evaluation.metrics.curves import Curve, Ranking


def area_error(curve: Curve, limit: float = 1.0) -> float:
    """Bound for ``Curve.area`` of a ROC or PRO curve.

    Within an interval the true curve ascends from one corner of a dx * dy rectangle to the opposite one, and so does the
    straight line in its place: their areas differ by half the rectangle at most, also if the limit cuts it.
    """
    steps = np.diff(curve.x) * np.diff(curve.y)
    return float(steps[curve.x[:-1] < limit].sum() / 2 / limit)


def average_precision_error(ranking: Ranking) -> float:
    """Bound for ``Ranking.average_precision``.

    With T true and F false positives above an interval of p anomalous and n normal samples, the precision at which one of
    the p is found lies between (T + 1) / (T + 1 + F + n) and (T + p) / (T + p + F); it is taken to be
    (T + p) / (T + p + F + n), which lies between the same two.
    """
    found, flagged_normal = np.cumsum(ranking.anomalous), np.cumsum(ranking.normal)
    with_anomalous = ranking.anomalous > 0
    here, normal = ranking.anomalous[with_anomalous], ranking.normal[with_anomalous]
    after, false_after = found[with_anomalous], flagged_normal[with_anomalous]
    first, false_before = after - here + 1, false_after - normal
    taken = after / (after + false_after)
    off = np.maximum(taken - first / (first + false_after), after / (after + false_before) - taken)
    return float((here * off).sum() / found[-1])


def best_f1_error(ranking: Ranking) -> float:
    """Bound for the F1 that a threshold inside an interval might reach beyond ``Ranking.best_f1``.

    It would be highest if all anomalous samples of the interval came before its normal ones. (The F1 reported for the
    reported threshold is exact.)
    """
    found, false_before = np.cumsum(ranking.anomalous), np.cumsum(ranking.normal) - ranking.normal
    return float((2 * found / (found + false_before + found[-1])).max()) - ranking.best_f1()[0]
