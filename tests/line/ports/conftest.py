"""What the tests of ports share: a stand-in for the station, which answers each trigger as a test says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from paddlex.line.contract import Answer, DeliveryError, Port, Trigger


class Station:
    """Takes the triggers of a port, numbers the answers and delivers them in order, as the real one does."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.triggers: list[Trigger] = []
        self.answers: list[Answer] = []
        self.judge: Callable[[Trigger], bool | None] = lambda trigger: True  # None: not yet
        self._changed = threading.Condition()
        self._is_closed = False
        self._delivering = threading.Thread(target=self._deliver, daemon=True)

    def start(self) -> Station:
        self.port.start(self.trigger)
        self._delivering.start()
        return self

    def trigger(self, trigger: Trigger) -> None:
        with self._changed:
            self.triggers.append(trigger)
            is_ok = self.judge(trigger)
            if is_ok is not None:
                self.answer(trigger.id, is_ok=is_ok)
            self._changed.notify_all()

    def answer(self, identity: str, *, is_ok: bool = True, port: str = "port") -> None:
        with self._changed:
            before = next((one for one in self.answers if one.id == identity), None)
            made = replace(before, repeated=True) if before else Answer(
                len(self.answers) + 1, identity, port, is_ok, None, 0.25 if is_ok else 1.5, 1.0, "digest", "bolt",
                "2026-01-02T03:04:05.678+00:00", 0.05,
            )  # fmt: skip
            self.answers.append(made)
            self._changed.notify_all()

    def wait_for(self, count: int, seconds: float = 60) -> list[Trigger]:
        """The triggers, once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.triggers) >= count, seconds), self.triggers
            return list(self.triggers)

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self.port.close()
        self._delivering.join(10)

    def _deliver(self) -> None:
        done = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or len(self.answers) > done)  # noqa: B023
                if self._is_closed:
                    return
                answer = self.answers[done]
            try:
                self.port.deliver(answer)
                done += 1
            except DeliveryError as error:
                with self._changed:
                    self.answers[done] = replace(answer, repeated=answer.repeated or error.may_have_arrived)
                time.sleep(0.1)


def stations() -> Iterator[Callable[[Port], Station]]:
    """A port -> a station that has started it, and closes it."""
    started: list[Station] = []

    def made(port: Port) -> Station:
        started.append(Station(port))
        return started[-1].start()

    yield made
    for one in started:
        one.close()


station = pytest.fixture(stations)
station_of_module = pytest.fixture(stations, scope="module")


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


free_port = pytest.fixture(unused_port)
port_of_module = pytest.fixture(unused_port, scope="module")
