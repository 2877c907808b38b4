"""A station of real parts, but for what judges: a judge that does what a test tells it, and a port that remembers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddlex.line.config import LineConfig, LineSection
from paddlex.line.contract import Answer, DeliveryError, PortOptions, State, Trigger, new_id
from paddlex.line.judge import Verdict
from paddlex.line.outbox import Outbox
from paddlex.line.sources.nothing import NoOptions, NoSource
from paddlex.line.station import Station


def made_answer(id: str = "a", port: str = "plc", sequence: int = 0, **others: Any) -> Answer:
    given: dict[str, Any] = {
        "is_ok": True, "fail_safe": None, "score": 1.5, "threshold": 2.0, "model": "ab", "product": None,
        "at": "2026-01-01T00:00:00.000+00:00", "seconds": 0.01,
    }  # fmt: skip
    return Answer(sequence, id, port, **{**given, **others})


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something that comes; however slow the machine is, it need not come at a certain time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it has not come"
        time.sleep(0.005)


class Remembers:
    """A port that takes every answer, or raises ``error``."""

    options = PortOptions

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.states: list[State] = []
        self.error: Exception | None = None
        self.is_closed = False

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        self.trigger = trigger

    def deliver(self, answer: Answer) -> None:
        if self.error is not None:
            raise self.error
        self.answers.append(answer)

    def beat(self, state: State) -> None:
        self.states.append(state)

    def check(self) -> str:
        return "remembers"

    def close(self) -> None:
        self.is_closed = True

    def answer_to(self, id: str) -> Answer:
        until(lambda: any(answer.id == id for answer in self.answers))
        return next(answer for answer in self.answers if answer.id == id)


class Judges:
    """Says OK, or what it is told by ``does``: called with the picture, it raises or returns whether the part is good."""

    def __init__(self) -> None:
        self.judged: list[Any] = []
        self.does: Callable[[Any], bool] = lambda picture: True

    def judge(self, picture: Any, product: str | None) -> Verdict:
        self.judged.append(picture)
        return Verdict(self.does(picture), 1.0, 2.0, "digest", product)


class Camera(NoSource):
    """A source that shows a grey picture, or does what it is told."""

    def __init__(self) -> None:
        super().__init__(NoOptions())
        self.does: Callable[[float], np.ndarray] = lambda seconds: np.zeros((4, 4, 3), np.uint8)
        self.why = ""

    def capture(self, seconds: float) -> np.ndarray:
        return self.does(seconds)

    def fault(self) -> str:
        return self.why


class Line:
    """A station, and all that it works with."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        options = {"deadline_s": 60.0, "heartbeat_s": 0.02, "stop_s": 0.1, "outbox": str(folder), **settings}
        self.judge, self.camera, self.port = Judges(), Camera(), Remembers()
        self.outbox = Outbox(folder, ["plc"], 10**9)
        config = LineConfig(LineSection(**options), self.camera, {"plc": self.port})
        self.station = Station(config, self.judge, self.outbox)
        self.station.start()

    def trigger(self, id: str | None = None, picture: Any = b"picture", **others: Any) -> str:
        id = id or new_id()
        self.station.trigger(Trigger(id, time.monotonic(), picture=picture, port="plc", **others))
        return id

    def ask(self, picture: Any = b"picture", **others: Any) -> Answer:
        return self.port.answer_to(self.trigger(picture=picture, **others))

    def close(self) -> None:
        self.station.stop()
        self.outbox.close()


@pytest.fixture
def make_line(tmp_path: Path) -> Iterator[Callable[..., Line]]:
    lines: list[Line] = []

    def make(**settings: Any) -> Line:
        lines.append(Line(tmp_path / "outbox", **settings))
        return lines[-1]

    yield make
    for line in lines:
        line.close()


@pytest.fixture
def line(make_line: Callable[..., Line]) -> Line:
    return make_line()


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    """What something that hangs waits for; set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def refused(may_have_arrived: bool = True) -> DeliveryError:
    return DeliveryError("nobody takes it", may_have_arrived=may_have_arrived)
