"""What was measured of each disturbance: which good parts are called defective at each strength, and up to where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from paddlex.evaluation.analyses.disturbances import Direction, Disturbance
from paddlex.evaluation.metrics import share_interval

_RESAMPLES = 1000
_CONFIDENCE = 0.95
_ROUNDING = 1e-9  # a share of 2 of 20 is not above 0.1


def passes(called: np.ndarray, limit: float) -> bool:
    """Whether no more than a share of photos is called defective, bool [n]."""
    return bool(called.mean() <= limit + _ROUNDING)


@dataclass(frozen=True)
class Standing:
    """How one direction of a disturbance is stood.

    Attributes:
        direction: what it is.
        levels: strength -> whether each of the n photos of good parts is called defective, bool [n]. At 0 they are as they
            are.
        limit: the share of them that may be.
        found: strength -> how many of the drawn defects are found; only the strengths that were asked about.
        drawn: how many are found in undisturbed photos, none others count; 0 where these are too few.
    """

    direction: Direction
    levels: Mapping[float, np.ndarray]
    limit: float
    found: Mapping[float, int] = field(default_factory=dict)
    drawn: int = 0

    @property
    def strengths(self) -> list[float]:
        """All that were tried, ascending, 0 first."""
        return sorted(self.levels)

    @property
    def first_failure(self) -> float | None:
        """The weakest at which more than ``limit`` are called defective; None where there is none."""
        return next((one for one in self.strengths if not passes(self.levels[one], self.limit)), None)

    @property
    def stands_up_to(self) -> float | None:
        """The strongest up to which no more than ``limit`` are; None where too many undisturbed photos are."""
        failure = self.first_failure
        return max((one for one in self.strengths if failure is None or one < failure), default=None)

    @property
    def is_blind_from(self) -> float | None:
        """The weakest that it stands at which fewer than half of the drawn defects are found; None where there is none."""
        return min((strength for strength, found in self.found.items() if 2 * found < self.drawn), default=None)

    def interval(self) -> tuple[float, float | None]:
        """How ``stands_up_to`` would move with other good parts: the 95 % interval of a bootstrap over the photos.

        Its ends are strengths that were tried; the upper one is None where it may lie beyond all of these.
        """
        strengths, called = self.strengths, np.array([self.levels[one] for one in self.strengths])
        photos = called.shape[1]
        weights = np.random.default_rng(0).multinomial(photos, np.full(photos, 1 / photos), _RESAMPLES)
        fails = weights @ called.T > (self.limit + _ROUNDING) * photos
        first = np.where(fails.any(axis=1), fails.argmax(axis=1), len(strengths))
        tail = (1 - _CONFIDENCE) / 2
        low, high = np.quantile(first, [tail, 1 - tail], method="inverted_cdf").tolist()
        return strengths[max(low - 1, 0)], strengths[max(high - 1, 0)] if high < len(strengths) else None

    def to_dict(self) -> dict[str, Any]:
        """As it stands in evaluate_result.json."""
        return {
            "name": self.direction.name,
            "stands_up_to": self.stands_up_to,
            "interval_95": None if self.stands_up_to is None else list(self.interval()),
            "first_failure": self.first_failure,
            "blind_from": self.is_blind_from,
            "levels": [
                {"strength": strength, **_level(self.levels[strength]), "drawn_defects_found": self.found.get(strength)}
                for strength in self.strengths
            ],
        }


def _level(called: np.ndarray) -> dict[str, Any]:
    count = int(called.sum())
    interval = share_interval(count, len(called), _CONFIDENCE)
    return {"called_anomalous": count, "share": count / len(called), "interval_95": list(interval)}


@dataclass(frozen=True)
class Withstood:
    """A disturbance, and how each of its directions is stood.

    Attributes:
        disturbance: what it is.
        standings: one for each direction.
        side: pixels of the photo that 100 % are, of what moves; None for anything else.
    """

    disturbance: Disturbance
    standings: Sequence[Standing]
    side: int | None = None

    def amount(self, strength: float) -> str:
        """A strength with its unit: ``12 %``, ``2 px``, ``2 % (10 px)``."""
        unit = self.disturbance.unit if strength != 1 else self.disturbance.unit.removesuffix("s")
        text = f"{strength:.3g}\N{NO-BREAK SPACE}{unit}"
        return text if self.side is None else f"{text} ({round(strength / 100 * self.side)}\N{NO-BREAK SPACE}px)"

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.disturbance.name,
            "unit": self.disturbance.unit,
            "pixels": self.side,
            "directions": [standing.to_dict() for standing in self.standings],
        }
