"""What a port does when its connection, or its library, fails."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError

import pytest

from paddlex.errors import LineError
from paddlex.line.ports import reconnecting
from paddlex.line.ports.reconnecting import Reconnecting, begin, set_event


class Clock:
    """Stands in for the time and for ``closing``: a wait takes no time, and the last one closes."""

    def __init__(self, waits: int) -> None:
        self.now, self.pauses, self._waits = 0.0, [], waits

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def is_set(self) -> bool:
        return len(self.pauses) >= self._waits

    set = is_set


def run(monkeypatch: pytest.MonkeyPatch, waits: int, connect) -> Clock:
    clock = Clock(waits)
    monkeypatch.setattr(reconnecting, "time", clock)
    made = Reconnecting("plc", lambda: connect(clock))
    made.closing = clock  # type: ignore[assignment]
    made.start()
    made._thread.join(20)
    assert not made._thread.is_alive()
    return clock


def test_pauses_grow_to_thirty_seconds_and_no_error_ends_the_port(monkeypatch, caplog):
    errors = iter(
        [LineError("refused"), LineError("refused"), ZeroDivisionError("of a library"), *[OSError("gone")] * 7]
    )

    def connect(clock: Clock) -> None:
        raise next(errors)

    clock = run(monkeypatch, 10, connect)
    assert clock.pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3  # each reason once
    assert told[0] == "plc: refused. Trying again."


def test_after_a_connection_that_has_held_the_first_pause_is_short_again(monkeypatch):
    held = iter([0.0, 0.0, 0.0, 60.0, 0.0])

    def connect(clock: Clock) -> None:
        clock.now += next(held)

    assert run(monkeypatch, 5, connect).pauses == [0.5, 1, 2, 0.5, 1]


def test_what_is_asked_of_a_loop_that_has_ended_is_cancelled_and_raises_nothing_at_once():
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(CancelledError):
        begin(set_event(asyncio.Event()), loop).result(1)
