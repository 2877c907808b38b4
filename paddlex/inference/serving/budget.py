"""A bound on what all requests hold together, so that memory is bounded whatever they send."""

from __future__ import annotations

import threading

from paddlex.inference.serving.errors import Busy


class Budget:
    """An amount that may be taken and must be given back; usable from any thread.

    Args:
        limit: the largest sum that may be taken at once; a first taker may have more, or it would wait for ever.
        what: what is counted, for the error.
    """

    def __init__(self, limit: int, what: str) -> None:
        self._limit = limit
        self._what = what
        self._lock = threading.Lock()
        self._taken = 0

    @property
    def taken(self) -> int:
        return self._taken

    def take(self, amount: int) -> None:
        """Take ``amount``.

        Raises:
            Busy: it is not there now.
        """
        with self._lock:
            if self._taken and self._taken + amount > self._limit:
                raise Busy(f"too many {self._what} are being worked on")
            self._taken += amount

    def give_back(self, amount: int) -> None:
        with self._lock:
            self._taken -= amount
