"""A bound on what all requests hold together, so that memory is bounded whatever they send. For one event loop."""

from __future__ import annotations

import asyncio
from collections import deque

from paddlex.inference.serving.errors import Busy


class Budget:
    """An amount that may be taken and must be given back.

    Args:
        limit: the largest sum that may be taken at once; whoever comes while nothing is taken may have more.
        what: what is counted, for the error.
    """

    def __init__(self, limit: int, what: str) -> None:
        self._limit = limit
        self._what = what
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def taken(self) -> int:
        return self._taken

    def take_now(self, amount: int) -> None:
        """Take ``amount``.

        Raises:
            Busy: it is not there.
        """
        if not self._has(amount):
            raise Busy(f"too many {self._what} are at work already")
        self._taken += amount

    async def take(self, amount: int) -> None:
        """Take ``amount`` as soon as it is there; first come, first served."""
        if not self._waiting and self._has(amount):
            self._taken += amount
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (amount, turn)
        self._waiting.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was handed over in the very moment of giving up
                self.give_back(amount)
            else:
                self._waiting.remove(entry)
                self._hand_over()  # who comes next may want less
            raise

    def give_back(self, amount: int) -> None:
        self._taken -= amount
        self._hand_over()

    def _has(self, amount: int) -> bool:
        return not self._taken or self._taken + amount <= self._limit

    def _hand_over(self) -> None:
        while self._waiting and self._has(self._waiting[0][0]):
            amount, turn = self._waiting.popleft()
            self._taken += amount
            turn.set_result(None)
