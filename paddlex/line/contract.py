"""What a station, its source and its ports say to each other."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from paddlex.config_schema import Section
from paddlex.errors import LineError

#: Why an answer is no model's verdict.
FailSafe = Literal[
    "deadline",  # neither the camera nor the model was done in time
    "camera",  # it gave no picture
    "picture",  # the picture cannot be read
    "model",  # it failed, or there is none of the product that was asked for
    "unlike the product",  # the picture shows no part that the model can judge
    "queue full",  # so many triggers wait already
    "disk full",  # the answer could not be stored
    "outbox full",  # nor be stored, because of what nobody has taken yet
    "stopping",  # the station is being stopped
]


@dataclass(frozen=True)
class Trigger:
    """Judge a part now.

    Attributes:
        id: the caller's, or made here; each is judged once.
        received: ``time.monotonic()`` when it came: the deadline counts from here.
        product: whose model judges, with a bank of models; None for what the station's config says.
        picture: encoded bytes, uint8 [H, W, 3] BGR, or a file; None for whatever the source shows.
        port: the name of the port that asks; "" for the source itself.
    """

    id: str
    received: float
    product: str | None = None
    picture: bytes | np.ndarray | Path | None = None
    port: str = ""


def new_id() -> str:
    """An id for a trigger that brings none."""
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Answer:
    """What is stored and sent.

    Attributes:
        sequence: 1, 2, 3, … without gaps, over restarts; 0 for an answer that could not be stored, and is sent once at most.
        id, port: of the trigger.
        is_ok: whether the part is good; False in any doubt.
        fail_safe: why no model's verdict stands; None where one does.
        score, threshold: raw, on the scale of the anomaly map; None with ``fail_safe``.
        model: SHA-256 of its folder; None where none has judged.
        product: of the model.
        at: when the trigger came: UTC, ISO 8601 with milliseconds and offset.
        seconds: from the trigger to the verdict.
        repeated: whether it may have been delivered before.
    """

    sequence: int
    id: str
    port: str
    is_ok: bool
    fail_safe: FailSafe | None
    score: float | None
    threshold: float | None
    model: str | None
    product: str | None
    at: str
    seconds: float
    repeated: bool = False

    @property
    def verdict(self) -> Literal["OK", "NG"]:
        return "OK" if self.is_ok else "NG"

    def to_json(self) -> dict[str, Any]:
        """What is sent as JSON: the attributes, and ``verdict``."""
        return {
            "sequence": self.sequence, "id": self.id, "port": self.port, "is_ok": self.is_ok, "verdict": self.verdict,
            "fail_safe": self.fail_safe, "score": self.score, "threshold": self.threshold, "model": self.model,
            "product": self.product, "at": self.at, "seconds": self.seconds, "repeated": self.repeated,
        }  # fmt: skip


@dataclass(frozen=True)
class State:
    """What a heartbeat says.

    Attributes:
        word: ``ready``; ``busy``, a part is being judged; or ``fault``, for all that is known the next answer is a fail-safe
            NG.
        counter: of the heartbeats, from 1.
        reason: of the fault, in one line; "" without one.
        answers: since the start.
        undelivered: answers that each port has still to deliver, by its name.
        metrics: all of it and more in Prometheus' text format; b"" where prometheus-client is not installed.
    """

    word: Literal["ready", "busy", "fault"]
    counter: int
    reason: str
    answers: int
    undelivered: dict[str, int]
    metrics: bytes = b""


class DeliveryError(LineError):
    """The other side has not acknowledged an answer, which is delivered again.

    Args:
        may_have_arrived: False where it was certainly not sent: the answer is not marked repeated then.
        has_waited: the port has waited for the other side itself, so that no pause is needed until it is tried again.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        remedy: str | None = None,
        may_have_arrived: bool = True,
        has_waited: bool = False,
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.may_have_arrived, self.has_waited = may_have_arrived, has_waited


class CameraError(LineError):
    """The source gives no picture."""


class PortOptions(Section):
    """What the config may say of every port, beside its ``type``.

    Attributes:
        answers: which answers it delivers: ``all``, or those to its ``own`` triggers.
    """

    answers: Literal["all", "own"] = "all"


class Port(Protocol):
    """One way in and out.

    The class has its ``options`` and is called with the port's name and an object of these; that opens nothing yet.
    """

    options: ClassVar[type[PortOptions]]

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        """Begin to take triggers. It does not wait for the other side, and reconnects by itself for ever; ``trigger`` never
        blocks.

        Raises:
            LineError: what no waiting puts right, such as a TCP port that another program holds.
        """

    def deliver(self, answer: Answer) -> None:
        """Hand over an answer; returns when the other side has acknowledged it. Called from one thread, in order.

        Raises:
            DeliveryError: it has not. The answer comes again after a pause that grows, until it is taken.
        """

    def beat(self, state: State) -> None:
        """Tell the other side, if it listens, every ``Line.heartbeat_s``; from a thread of its own. Never raises."""

    def check(self) -> str:
        """What of it works, in one line, for who commissions it; of a port that was not started.

        Raises:
            LineError: it does not.
        """

    def close(self) -> None:
        """Let go of everything, and let a ``deliver`` that waits end at once."""


class Source(Protocol):
    """Where pictures come from; made and started as a port is."""

    options: ClassVar[type[Section]]

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        """Open it without waiting, and hand in the triggers that are its own."""

    def capture(self, seconds: float) -> np.ndarray:
        """A picture taken after this call, uint8 [H, W, 3] BGR. Called from one thread.

        Args:
            seconds: within which it must be there.

        Raises:
            CameraError: it is not.
        """

    def fault(self) -> str:
        """Why ``capture`` would fail now, in one line; "" where nothing is known against it. Asked every ``Line.heartbeat_s``:
        it neither waits nor raises.
        """

    def answered(self, trigger: Trigger, answer: Answer) -> None:
        """An answer to one of its own triggers is stored. Never raises."""

    def check(self) -> str:
        """As a port's."""

    def close(self) -> None:
        """Let go of everything, and let a ``capture`` that waits end at once."""
