"""The rule that says whether something changed, and what: light, focus, position, or the parts themselves.

Each quantity has a chart of its own (``chart``), of blocks of parts (``blocks``): the median brightness and sharpness, the
median offsets and angle, and the mean score of parts, clipped so that a single defect says little. Where scores move, and
light, focus and position stay, it is the parts that changed; where one of those has moved too, or nearly so, that is why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from paddlex.studio.drift.blocks import cut
from paddlex.studio.drift.chart import LEARNT, Chart, draw
from paddlex.studio.drift.shifts import Shifts
from paddlex.studio.drift.verdicts import Reference, Verdicts

LIGHT, FOCUS, POSITION, PARTS = CAUSES = ("light", "focus", "position", "parts")

#: Alarms of a product that mean nothing, in a month of three shifts a day, are at most so many: measured by simulation, see
#: benchmarks/drift.py. All causes together.
FALSE_ALARMS_A_MONTH = 0.1

#: What a quantity tells of, and which spread of shifts is too small to mean anything: grey values, powers of two, pixels,
#: degrees.
_QUANTITIES = {
    "brightness": (LIGHT, 0.5),
    "sharpness": (FOCUS, 0.01),
    "offset_x": (POSITION, 0.25),
    "offset_y": (POSITION, 0.25),
    "angle": (POSITION, 0.05),
}
_SCORE, _SCORE_TOLERANCE = "score", 0.05

#: Scores count in spreads of the calibration scores, and no further than this.
_FARTHEST = 5.0

#: From fewer scores no spread is taken.
_FEWEST_SCORES = 10

#: So near to an alarm of its own, a cause explains why scores have moved.
_EXPLAINS = 0.6


@dataclass(frozen=True)
class Alarm:
    """Something changed.

    Attributes:
        cause: one of ``CAUSES``.
        quantity: by which it was noticed, such as ``brightness``.
        at: when, ms UTC.
        is_sudden: a block was far off; else shifts were off, one after another.
        before, now: the quantity as it was, and in the block of the alarm; scores in spreads of the calibration scores.
    """

    cause: str
    quantity: str
    at: int
    is_sudden: bool
    before: float
    now: float


@dataclass(frozen=True)
class State:
    """How it stands with a cause.

    Attributes:
        is_watched: whether there is anything that tells of it.
        learnt, to_learn: how many whole shifts were learnt from, and how many it takes before anything is said.
        level: how near it is to an alarm, which is at 1; 0 while it learns.
        alarm: that has not been taken note of.
    """

    is_watched: bool
    learnt: int
    to_learn: int
    level: float
    alarm: Alarm | None


@dataclass(frozen=True)
class Finding:
    """What the rule says.

    Attributes:
        states: of each cause.
        alarms: all of them, in the order of time.
        charts: by quantity.
    """

    states: Mapping[str, State]
    alarms: Sequence[Alarm]
    charts: Mapping[str, Chart] = field(default_factory=dict)


def judge(
    verdicts: Verdicts,
    reference: Reference,
    shifts: Shifts,
    now: int,
    *,
    noted: Mapping[str, Sequence[int]] | None = None,
) -> Finding:
    """Say what changed since what is usual was learnt.

    What is usual is learnt anew for scores with each model, and for everything with models that look at photos in another
    way: only the verdicts since then count.

    Args:
        verdicts: of a product, since it was last said that this is how it is.
        reference: of the model that judges now.
        shifts: of the factory.
        now: ms UTC.
        noted: cause -> when its alarms were taken note of, ms UTC.
    """
    noted = noted or {}
    seen = verdicts[_since_change(verdicts.optics) :]
    blocks = cut(seen.at, shifts, now)
    charts = {}
    for name, (cause, tolerance) in _QUANTITIES.items():
        values = getattr(seen, name)
        if np.isfinite(values).any():
            noted_here = noted.get(cause, ())
            charts[name] = draw(blocks.medians(values), blocks, now=now, tolerance=tolerance, noted=noted_here)
    scored = verdicts[_since_change(verdicts.model) :]
    if (scores := _scores(scored.raw_score, reference.scores)) is not None:
        of_model = cut(scored.at, shifts, now)
        every_note = [at for times in noted.values() for at in times]  # what moved the scores may be any of them
        charts[_SCORE] = draw(of_model.means(scores), of_model, now=now, tolerance=_SCORE_TOLERANCE, noted=every_note)
    alarms = _alarms(charts)
    states = {cause: _state(cause, charts, alarms) for cause in CAUSES}
    return Finding(states, [alarm for alarm, _ in alarms], charts)


def _since_change(which: np.ndarray) -> int:
    """Since when they are all what the last one is."""
    changes = np.flatnonzero(np.diff(which))
    return int(changes[-1]) + 1 if len(changes) else 0


def _scores(raw: np.ndarray, calibration: np.ndarray) -> np.ndarray | None:
    """Raw scores in robust spreads of the calibration scores from their median, clipped; None where there is no spread."""
    if len(calibration) < _FEWEST_SCORES:
        return None
    middle = np.median(calibration)
    spread = 1.4826 * np.median(np.abs(calibration - middle))
    return np.clip((raw - middle) / spread, -_FARTHEST, _FARTHEST) if spread > 0 else None


def _alarms(charts: Mapping[str, Chart]) -> list[tuple[Alarm, int | None]]:
    """The alarms of all charts, and when each was taken note of; of what is known already none is raised again."""
    events = [(excursion, name) for name, chart in charts.items() for excursion in chart.excursions]
    found: list[tuple[Alarm, int | None]] = []
    for excursion, name in sorted(events, key=lambda event: (event[0].first.at, event[1] == _SCORE)):
        first = excursion.first
        known = {alarm.cause for alarm, until in found if until is None or until > first.at}
        cause = _explanation(first.at, charts) if name == _SCORE else _QUANTITIES[name][0]
        if cause not in known and not (name == _SCORE and known):
            alarm = Alarm(cause, name, first.at, first.is_sudden, float(first.usual or 0.0), first.value)
            found.append((alarm, excursion.until))
    return found


def _explanation(at: int, charts: Mapping[str, Chart]) -> str:
    """Why scores moved: the cause that is nearest to an alarm of its own, if one is halfway; else the parts."""
    levels = {cause: _level(cause, charts, at) for cause in (LIGHT, FOCUS, POSITION)}
    nearest = max(levels, key=levels.__getitem__)
    return nearest if levels[nearest] >= _EXPLAINS else PARTS


def _level(cause: str, charts: Mapping[str, Chart], at: int | None = None) -> float:
    """How near a cause is to an alarm, at a time or after the last block."""
    last = [
        next((point.level for point in reversed(charts[name].points) if at is None or point.at <= at), 0.0)
        for name in _quantities_of(cause)
        if name in charts
    ]
    return max(last, default=0.0)


def _quantities_of(cause: str) -> list[str]:
    return [_SCORE] if cause == PARTS else [name for name, (one, _) in _QUANTITIES.items() if one == cause]


def _state(cause: str, charts: Mapping[str, Chart], alarms: Sequence[tuple[Alarm, int | None]]) -> State:
    own = [charts[name] for name in _quantities_of(cause) if name in charts]
    is_on = [alarm for alarm, until in alarms if alarm.cause == cause and until is None]
    learnt = min((chart.learnt for chart in own), default=0)
    return State(bool(own), learnt, LEARNT, _level(cause, charts), is_on[-1] if is_on else None)
