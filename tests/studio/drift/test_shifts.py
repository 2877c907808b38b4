"""When shifts and days begin."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from paddlex.studio.drift.shifts import Shifts


def ms(text: str, zone: str = "UTC") -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def test_the_edges_go_from_the_shift_that_is_on_to_the_one_that_follows() -> None:
    edges = Shifts().edges(ms("2026-03-02T03:00"), ms("2026-03-02T14:00"))

    expected = ["2026-03-01T22:00", "2026-03-02T06:00", "2026-03-02T14:00", "2026-03-02T22:00"]
    assert edges.tolist() == [ms(text) for text in expected]


def test_a_night_shift_is_an_hour_shorter_where_the_clock_is_put_forward() -> None:
    berlin = Shifts(time_zone="Europe/Berlin")

    edges = berlin.edges(ms("2026-03-28T22:00", "Europe/Berlin"), ms("2026-03-29T05:59", "Europe/Berlin"))

    assert np.diff(edges).tolist() == [7 * 3_600_000]


def test_a_day_begins_with_its_first_shift() -> None:
    edges = Shifts(("05:30", "13:30")).days.edges(ms("2026-03-02T05:00"), ms("2026-03-02T05:30"))

    starts = [datetime.fromtimestamp(edge / 1000, timezone.utc).isoformat()[:16] for edge in edges]
    assert starts == ["2026-03-01T05:30", "2026-03-02T05:30", "2026-03-03T05:30"]


@pytest.mark.parametrize(
    ("starts", "zone", "said"),
    [
        ((), "UTC", "one to 4 starts"),
        (("06:00", "06:00"), "UTC", "ascending and different"),
        (("14:00", "06:00"), "UTC", "ascending"),
        (("6:00",), "UTC", "not '6:00'"),
        (("24:00",), "UTC", "not '24:00'"),
        (("06:00",), "Berlin", "not 'Berlin'"),
        (("06:00",), "../etc", "not '../etc'"),
    ],
)
def test_shifts_that_cannot_be_are_refused(starts: tuple[str, ...], zone: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Shifts(starts, zone)
