"""What is told of drift: JSON for the page, gauges for Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Gauge

from paddlex.studio.database.schema import DriftAlarm
from paddlex.studio.drift import words
from paddlex.studio.drift.figures import Period, periods, wilson
from paddlex.studio.drift.rule import CAUSES, FALSE_ALARMS_A_MONTH
from paddlex.studio.drift.watch import Drift

#: Percentiles of the good pictures' brightness between which it is no other light; how many verdicts are looked at; and the
#: fewest of either.
_WITHIN, _LATEST, _FEWEST = (1.0, 99.0), 200, 20


def drift_json(drift: Drift, corrected_at: Sequence[int], by_day: bool, most: int) -> dict[str, Any]:
    """How it stands with a product.

    Args:
        drift: the same.
        corrected_at: when those verdicts were judged that a person has corrected.
        by_day: figures by day; else by shift.
        most: how many of these.
    """
    shifts = drift.shifts.days if by_day else drift.shifts
    found = periods(drift.verdicts, corrected_at, shifts, most)
    return {
        "reference": _reference(drift),
        "periods": [_period(one, drift.reference.target_fpr) for one in found],
        "state": {cause: _state(cause, drift) for cause in CAUSES},
        "alarms": [alarm_json(alarm) for alarm in drift.alarms],
        "note": _start(drift),
        "baseline": drift.baseline or None,
        "shifts": {"starts": list(drift.shifts.starts), "timeZone": drift.shifts.time_zone},
        "falseAlarmsAMonth": FALSE_ALARMS_A_MONTH,
    }


def alarm_json(alarm: DriftAlarm) -> dict[str, Any]:
    """An alarm."""
    return {
        "id": alarm.id,
        "at": alarm.at,
        "cause": alarm.cause,
        "quantity": alarm.details["quantity"],
        "isSudden": alarm.details["is_sudden"],
        "before": alarm.details["before"],
        "now": alarm.details["now"],
        "words": words.of_alarm(alarm.cause, alarm.details),
        "closedAt": alarm.closed_at,
        "closedBy": alarm.closed_by,
        "webhook": {"sentAt": alarm.sent_at, "attempts": alarm.attempts, "error": alarm.error},
    }


def _reference(drift: Drift) -> dict[str, Any]:
    reference, limit = drift.reference, drift.limit
    typical = None
    if limit is not None and len(reference.scores):
        typical = float(limit.normalise(np.median(reference.scores)))
    return {
        "medianScore": typical,
        "target": reference.target_fpr,
        "brightness": _median(reference.brightness, drift),
        "sharpness": _median(reference.sharpness, drift),
    }


def _median(values: np.ndarray, drift: Drift) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if drift.is_whole and len(known) else None


def _start(drift: Drift) -> dict[str, str] | None:
    """That what is judged is in another light than all good pictures, which no chart tells where it was so from the start."""
    known = drift.reference.brightness[np.isfinite(drift.reference.brightness)]
    latest = drift.verdicts.brightness[-_LATEST:]
    latest = latest[np.isfinite(latest)]
    if not drift.is_whole or min(len(known), len(latest)) < _FEWEST:
        return None
    low, high = np.percentile(known, _WITHIN).tolist()
    now = float(np.median(latest))
    return None if low <= now <= high else words.of_start(now, low, high)


def _period(period: Period, target: float) -> dict[str, Any]:
    low, high = wilson(period.anomalous, period.verdicts)
    share = period.anomalous / period.verdicts
    return {
        "from": period.start,
        "to": period.end,
        "n": period.verdicts,
        "alarmRate": {"share": share, "low": low, "high": high, "target": target},
        "medianScore": period.score,
        "correctionRate": period.corrected / period.verdicts,
        "brightness": period.brightness,
        "sharpness": period.sharpness,
        "offsetX": period.offset_x,
        "offsetY": period.offset_y,
        "angle": period.angle,
    }


def _state(cause: str, drift: Drift) -> dict[str, Any]:
    state = drift.finding.states[cause]
    is_open = next((alarm for alarm in drift.alarms if alarm.cause == cause and alarm.closed_at is None), None)
    return {
        "isWatched": state.is_watched,
        "isAlarm": is_open is not None,
        "value": state.level,
        "limit": 1.0,
        "since": None if is_open is None else is_open.at,
        "learnt": min(state.learnt, state.to_learn),
        "toLearn": state.to_learn,
        "words": words.of_state(cause, state) if is_open is None else words.of_alarm(cause, is_open.details),
    }


class Gauges:
    """What Prometheus is told of drift, of each product.

    Args:
        registry: of the service.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        of_shift = {
            "alarm_rate": "Share of the latest shift's parts that are anomalous.",
            "score_median": "Median score of the latest shift's parts: 0.5 is the threshold.",
            "brightness": "Median brightness of the latest shift's pictures, 0 to 255.",
            "sharpness": "Median sharpness of the latest shift's pictures, in powers of two.",
        }
        self._of_shift = {
            name: Gauge(f"paddlex_drift_{name}", about, ("model",), registry=registry)
            for name, about in of_shift.items()
        }
        self._level = Gauge(
            "paddlex_drift_level", "How near a cause is to an alarm, which is at 1.", ("model", "cause"), registry=registry
        )  # fmt: skip
        self._alarm = Gauge(
            "paddlex_drift_alarm", "1 while an alarm is open.", ("model", "cause"), registry=registry
        )  # fmt: skip

    def show(self, product: str, drift: Drift) -> None:
        """How it stands with a product."""
        for cause, state in drift.finding.states.items():
            is_open = any(alarm.cause == cause and alarm.closed_at is None for alarm in drift.alarms)
            self._level.labels(product, cause).set(state.level)
            self._alarm.labels(product, cause).set(is_open)
        for latest in periods(drift.verdicts, [], drift.shifts, most=1):
            shown = {
                "alarm_rate": latest.anomalous / latest.verdicts,
                "score_median": latest.score,
                "brightness": latest.brightness,
                "sharpness": latest.sharpness,
            }
            for name, value in shown.items():
                self._of_shift[name].labels(product).set(float("nan") if value is None else value)
