"""A port's own thread: it delivers the answers of the outbox, in order, each until the other side has it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from paddlex.errors import in_one_line
from paddlex.line.contract import Answer, Port
from paddlex.line.outbox import DiskFull, Outbox
from paddlex.utils.logging import logger

#: Seconds until an answer is tried again, twice as long each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0

#: Answers beside those of the outbox that may wait for a port: whoever asks more often than it takes gets no more.
_MOST_BESIDE = 100


class Deliverer:
    """Delivers to one port.

    Args:
        name: of the port.
        port: started or not.
        outbox: its answers.
        only_own: whether it delivers the answers to its own triggers alone.
        wait: called with seconds to pause. For tests, another.
    """

    def __init__(
        self, name: str, port: Port, outbox: Outbox, only_own: bool, wait: Callable[[float], object] | None = None
    ) -> None:
        self.name, self._port, self._outbox, self._only_own = name, port, outbox, only_own
        self._end = threading.Event()
        self._wait = wait or self._pause
        self._beside: deque[Answer] = deque()
        self._failures = 0
        self._again = 0  # the sequence of an answer that may have arrived, although nobody said so
        self.thread = threading.Thread(target=self._work, name=f"deliver to {name}", daemon=True)

    @property
    def is_failing(self) -> bool:
        """Whether the last answer was not taken."""
        return self._failures > 0

    def start(self) -> None:
        self.thread.start()

    def again(self, answer: Answer) -> None:
        """Deliver an answer of the outbox that the port asks for once more; nothing where it comes anyway."""
        if self._is_others(answer) or not self._outbox.waits(self.name, answer.sequence):
            self.beside(replace(answer, port=self.name))

    def beside(self, answer: Answer) -> None:
        """Deliver an answer that is not the next one of the outbox; it is tried once: whoever still wants it asks again."""
        if self._is_others(answer):
            return
        with self._outbox.changed:
            if len(self._beside) < _MOST_BESIDE:
                self._beside.append(answer)
                self._outbox.changed.notify_all()

    def close(self) -> None:
        """Close the port, and end."""
        self._end.set()
        self._port.close()
        with self._outbox.changed:
            self._outbox.changed.notify_all()
        if self.thread.is_alive():
            self.thread.join(timeout=_FIRST_PAUSE * 10)

    def deliver_next(self) -> bool:
        """Deliver one answer, or wait where it was not taken; False where there is none."""
        with self._outbox.changed:
            beside = self._beside.popleft() if self._beside else None
        try:
            answer = beside or self._outbox.next(self.name)
            if answer is None:
                return False
            if beside is None and answer.sequence == self._again:
                answer = replace(answer, repeated=True)
            if not self._is_others(answer):
                self._port.deliver(answer)
        except Exception as error:  # of a library, say: whatever it is, the answer was not acknowledged
            self._failed(error, None if beside or isinstance(error, DiskFull) else answer)
            return True
        if self._failures:
            logger.info("Port %s takes answers again.", self.name)
        self._failures = 0
        if beside is None:
            self._outbox.delivered(self.name, answer.sequence)
        return True

    def _is_others(self, answer: Answer) -> bool:
        return self._only_own and answer.port != self.name

    def _failed(self, error: Exception, answer: Answer | None) -> None:
        """Note that an answer was not taken, of the outbox if it is given, and pause."""
        if not self._failures and not self._end.is_set():
            logger.warning("Port %s has not taken an answer, and is tried again: %s", self.name, in_one_line(error))
        self._failures += 1
        if answer is not None and getattr(error, "may_have_arrived", True):
            self._again = answer.sequence
        if not getattr(error, "has_waited", False):
            self._wait(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10)))

    def _work(self) -> None:
        while not self._end.is_set():
            if not self.deliver_next():
                with self._outbox.changed:
                    self._outbox.changed.wait_for(lambda: self._end.is_set() or self._beside or self._has_next())

    def _has_next(self) -> bool:
        return self._outbox.undelivered()[self.name] > 0

    def _pause(self, seconds: float) -> None:
        """Wait, but not where there is something else to try."""
        with self._outbox.changed:
            self._outbox.changed.wait_for(lambda: self._end.is_set() or self._beside, seconds)
