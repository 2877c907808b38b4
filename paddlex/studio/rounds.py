"""What a studio does again and again beside the service: look, rest, and look again."""

from __future__ import annotations

import threading
from collections.abc import Callable

from paddlex.errors import in_one_line
from paddlex.utils.logging import logger


class Rounds:
    """Rounds on a thread of their own.

    Args:
        name: of the thread.
        look: one round; returns how many seconds to rest, None until somebody wakes it.
        failed: what is logged, with the reason, of a round that fails: a disk that is full now may not be later.
        rest: seconds after a round that has failed.

    Attributes:
        is_closed: whether a round that is under way should end early.
    """

    def __init__(self, name: str, look: Callable[[], float | None], *, failed: str, rest: float) -> None:
        self._look, self._failed, self._rest = look, failed, rest
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self.is_closed = False

    def start(self) -> None:
        """Begin with the first."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once, or once more if it looks just now."""
        self._wake.set()

    def close(self, *, waits: bool = True) -> None:
        """End, and wait for the round that is under way, unless told otherwise."""
        self.is_closed = True
        self._wake.set()
        if waits and self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self.is_closed:
            try:
                rest = self._look()
            except Exception as error:
                logger.error("%s: %s", self._failed, in_one_line(error))
                rest = self._rest
            self._wake.wait(rest)
            self._wake.clear()
