"""When shifts and days begin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

#: More shifts a day there may not be: the rate of false alarms is stated for three, see ``rule``.
MOST_SHIFTS = 4

_CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True)
class Shifts:
    """The shifts of a factory; without gaps, each lasts until the next begins.

    Attributes:
        starts: when they begin, as clocks there show it (``06:00``), ascending; the first begins the day.
        time_zone: as in the IANA database, such as ``Europe/Berlin``.

    Raises:
        ValueError: a start or a time zone that is none.
    """

    starts: Sequence[str] = ("06:00", "14:00", "22:00")
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        if not 1 <= len(self.starts) <= MOST_SHIFTS or list(self.starts) != sorted(set(self.starts)):
            raise ValueError(f"shifts must have one to {MOST_SHIFTS} starts, ascending and different")
        wrong = next((start for start in self.starts if not _CLOCK.fullmatch(start)), None)
        if wrong is not None:
            raise ValueError(f"the start of a shift must be a time such as 06:00, not {wrong!r}")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"the time zone must be one such as Europe/Berlin or UTC, not {self.time_zone!r}"
            ) from None

    @property
    def days(self) -> Shifts:
        """Each lasting a day, from the first shift of it on."""
        return Shifts(self.starts[:1], self.time_zone)

    def edges(self, first: int, last: int) -> np.ndarray:
        """When shifts begin, int64 ascending, ms UTC: from the one that is on at ``first`` to the one that follows ``last``."""
        zone = ZoneInfo(self.time_zone)
        day = datetime.fromtimestamp(first / 1000, zone).date() - timedelta(1)
        begin: list[int] = []
        while len(begin) < 2 or begin[-1] <= last:
            begin += [_ms(day, start, zone) for start in self.starts]
            day += timedelta(1)
        found = np.unique(np.array(begin, np.int64))  # a clock that is put back shows a time twice
        on_at = int(np.searchsorted(found, first, "right")) - 1
        return found[on_at : int(np.searchsorted(found, last, "right")) + 1]


def _ms(day: date, start: str, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time.fromisoformat(start), zone).timestamp() * 1000)
