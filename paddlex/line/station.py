"""A station: triggers wait in a short queue, one worker judges, and whatever happens each has an answer by its deadline."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from paddlex.errors import ImageReadError, PhotoError, in_one_line
from paddlex.line.config import LineConfig
from paddlex.line.contract import Answer, CameraError, FailSafe, State, Trigger
from paddlex.line.delivery import Deliverer
from paddlex.line.judge import Verdict
from paddlex.line.metrics import Metrics
from paddlex.line.outbox import DiskFull, Outbox, OutboxFull
from paddlex.utils.logging import logger

#: What a failure to judge is called; the first that fits, and "model" for any other.
_FAIL_SAFE: dict[type[Exception], FailSafe] = {
    CameraError: "camera",
    ImageReadError: "picture",
    PhotoError: "unlike the product",
}

#: How many seconds more than its deadline a trigger may take where the station is stopped.
_GRACE = 1.0

_PAUSE = 0.05


class Judges(Protocol):
    """What a station needs of ``judge.Judge``."""

    def judge(self, picture: bytes | np.ndarray | Path, product: str | None) -> Verdict:
        """See there."""


@dataclass(eq=False)
class _Pending:
    """A trigger without an answer.

    Attributes:
        at: when it came, UTC.
        is_settled: what the answer is has been decided.
    """

    trigger: Trigger
    at: datetime
    is_settled: bool = False


class Station:
    """One source, one model, one queue.

    Args:
        config: all of its settings, and its source and ports, which it starts and closes.
        judge: what says whether a part is good.
        outbox: opened for the ports; who made it closes it.
        utc: the time of day. What is measured is measured by ``time.monotonic``, which nobody sets.
    """

    def __init__(
        self,
        config: LineConfig,
        judge: Judges,
        outbox: Outbox,
        utc: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._line, self._source, self._ports = config.line, config.source, config.ports
        self._judge, self._outbox, self._utc = judge, outbox, utc
        self._deliverers = {
            name: Deliverer(name, port, outbox, name in config.only_own) for name, port in self._ports.items()
        }
        self._metrics = Metrics(self._ports, outbox.undelivered)
        self._changed = threading.Condition()
        self._pending: dict[str, _Pending] = {}
        self._deadlines: list[tuple[float, int, _Pending]] = []
        self._numbers = itertools.count()  # of equal deadlines the first is the lesser
        self._queue: queue.Queue[_Pending | None] = queue.Queue(self._line.queue)
        self._busy_since: float | None = None
        self._is_stopping = False
        self._end = threading.Event()
        self._unstored = ""
        self._answers = self._beats = 0
        self._threads = [
            threading.Thread(target=target, name=target.__name__.strip("_"), daemon=True)
            for target in (self._work, self._keep_deadlines, self._beat)
        ]

    def start(self) -> None:
        """Open source and ports, and take triggers.

        Raises:
            LineError: one cannot be opened; all that were are closed again.
        """
        for thread in self._threads:
            thread.start()
        try:
            for name, port in self._ports.items():
                port.start(self.trigger)
                self._deliverers[name].start()
            self._source.start(self.trigger)
        except BaseException:
            self._close()
            raise

    def trigger(self, trigger: Trigger) -> None:
        """Take a trigger, which will have its answer; returns at once."""
        pending = _Pending(trigger, self._utc())
        with self._changed:
            if trigger.id in self._pending:
                return  # its answer comes
            self._pending[trigger.id] = pending
        try:
            known = self._outbox.find(trigger.id)
        except DiskFull:
            known = None
        if known is not None:
            with self._changed:
                del self._pending[trigger.id]
            self._tell_again(trigger, known)
        elif self._is_stopping and trigger.port:
            self._settle(pending, "stopping")
        elif self._is_stopping:  # nobody waits: it comes again after the next start
            with self._changed:
                del self._pending[trigger.id]
        else:
            try:
                self._queue.put_nowait(pending)
            except queue.Full:
                self._settle(pending, "queue full")
                return
            with self._changed:
                deadline = trigger.received + self._line.deadline_s
                heapq.heappush(self._deadlines, (deadline, next(self._numbers), pending))
                self._changed.notify_all()

    def is_alive(self) -> bool:
        """Whether it works as it should: nothing that it waits for has taken longer than ``restart_after_s``."""
        busy_since = self._busy_since
        is_stuck = busy_since is not None and time.monotonic() - busy_since > self._line.restart_after_s
        threads = [*self._threads, *(deliverer.thread for deliverer in self._deliverers.values())]
        return not is_stuck and all(thread.is_alive() for thread in threads)

    def state(self) -> State:
        """How it is."""
        if self._unstored and not self._end.is_set():
            self._unstored = self._outbox.fault()
        stopping = "the station is being stopped" if self._is_stopping else ""
        reason = self._unstored or self._source.fault() or self._hang() or stopping
        word: Literal["ready", "busy", "fault"] = "fault" if reason else "busy" if self._pending else "ready"
        return State(word, self._beats, reason, self._answers, self._outbox.undelivered(), self._metrics.text())

    def stop(self) -> None:
        """Answer all triggers that have come, let the ports deliver for a while, and close everything but the outbox."""
        self._is_stopping = True
        with self._changed:
            self._changed.wait_for(lambda: not self._pending, self._line.deadline_s + _GRACE)
        until = time.monotonic() + self._line.stop_s
        while time.monotonic() < until and any(
            count and not self._deliverers[name].is_failing for name, count in self._outbox.undelivered().items()
        ):
            time.sleep(_PAUSE)
        self._close()

    def _close(self) -> None:
        self._end.set()
        self._source.close()
        for deliverer in self._deliverers.values():
            deliverer.close()
        with self._changed:
            self._changed.notify_all()
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            logger.warning("A part was still being judged.")

    def _hang(self) -> str:
        busy_since = self._busy_since
        seconds = 0.0 if busy_since is None else time.monotonic() - busy_since
        return f"a part has been judged for {seconds:.0f} s" if seconds > self._line.deadline_s + _GRACE else ""

    def _work(self) -> None:
        """Judge, one trigger after the other."""
        while (pending := self._queue.get()) is not None:
            if pending.is_settled:
                continue
            self._busy_since = time.monotonic()
            outcome = self._judged(pending.trigger)
            self._busy_since = None
            if not self._settle(pending, outcome):
                self._metrics.late()
                seconds = time.monotonic() - pending.trigger.received
                logger.warning("Trigger %s: the verdict came after %.3f s, too late.", pending.trigger.id, seconds)

    def _judged(self, trigger: Trigger) -> Verdict | FailSafe:
        try:
            picture = trigger.picture
            if picture is None:
                picture = self._source.capture(trigger.received + self._line.deadline_s - time.monotonic())
            return self._judge.judge(picture, trigger.product)
        except Exception as error:  # whatever it is, the part was not judged, and the next one may be
            logger.warning("Trigger %s is answered with NG: %s", trigger.id, in_one_line(error))
            return next((word for kind, word in _FAIL_SAFE.items() if isinstance(error, kind)), "model")

    def _keep_deadlines(self) -> None:
        """Answer what nobody else has answered in time."""
        while not self._end.is_set():
            with self._changed:
                now = time.monotonic()
                if not self._deadlines or self._deadlines[0][0] > now:
                    self._changed.wait(self._deadlines[0][0] - now if self._deadlines else None)
                    continue
                pending = heapq.heappop(self._deadlines)[2]
            if self._settle(pending, "deadline"):
                logger.warning("Trigger %s is answered with NG: the deadline has passed.", pending.trigger.id)

    def _settle(self, pending: _Pending, outcome: Verdict | FailSafe) -> bool:
        """Store and send the answer to a trigger; False where it has one."""
        with self._changed:
            if pending.is_settled:
                return False
            pending.is_settled = True
        trigger = pending.trigger
        pending.trigger = replace(trigger, picture=None)  # it waits for its deadline still, and a picture is large
        answer = Answer(
            0, trigger.id, trigger.port, False, None, None, None, None, trigger.product,
            pending.at.isoformat(timespec="milliseconds"), round(time.monotonic() - trigger.received, 6),
        )  # fmt: skip
        if isinstance(outcome, Verdict):
            answer = replace(
                answer, is_ok=outcome.is_ok, score=outcome.score, threshold=outcome.threshold, model=outcome.model,
                product=outcome.product,
            )  # fmt: skip
        else:
            answer = replace(answer, fail_safe=outcome)
        answer = self._stored(answer)
        self._metrics.answered(answer)
        if not trigger.port:
            self._source.answered(trigger, answer)
        with self._changed:
            self._answers += 1
            del self._pending[trigger.id]
            self._changed.notify_all()
        return True

    def _stored(self, answer: Answer) -> Answer:
        """The answer as it is on the disk; what cannot be stored is NG, and told to who listens now."""
        try:
            return self._outbox.put(answer)
        except (DiskFull, OutboxFull) as error:
            reason: FailSafe = "disk full" if isinstance(error, DiskFull) else "outbox full"
            if not self._unstored:
                logger.error("%s", error)
            self._unstored = error.what
        answer = replace(answer, is_ok=False, fail_safe=reason, score=None, threshold=None, model=None)
        for deliverer in self._deliverers.values():
            deliverer.beside(answer)
        return answer

    def _tell_again(self, trigger: Trigger, answer: Answer) -> None:
        if trigger.port:
            self._deliverers[trigger.port].again(answer)
        else:
            self._source.answered(trigger, answer)

    def _beat(self) -> None:
        while not self._end.wait(self._line.heartbeat_s):
            self._beats += 1
            state = self.state()
            for port in self._ports.values():
                port.beat(state)
