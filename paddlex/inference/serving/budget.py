"""Bounds on what all requests hold together, so that memory is bounded whatever they send. For one event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from paddlex.inference.serving.errors import Busy
from paddlex.inference.serving.settings import ServerSettings


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


class Budgets:
    """Those of one service.

    Attributes:
        bodies: bytes of requests, and of images fetched from URLs.
        pixels: of decoded images, until their answers are made; where ``answers`` is spent, until these are read.
        answers: bytes of answers that the clients have not read yet.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.bodies = Budget(settings.max_bytes_in_flight, "bytes")
        self.pixels = Budget(settings.max_pixels_in_flight, "pixels")
        self.answers = Budget(settings.max_bytes_in_flight, "unread answers")


class Hold:
    """What one request, or one of its images, has taken; ``close`` gives all of it back, its parts' too."""

    def __init__(self) -> None:
        self._taken: dict[Budget, int] = {}
        self._parts: list[Hold] = []

    def part(self) -> Hold:
        """A hold that is closed with this one at the latest."""
        part = Hold()
        self._parts.append(part)
        return part

    def take_now(self, budget: Budget, amount: int) -> None:
        """See ``Budget.take_now``."""
        budget.take_now(amount)
        self._note(budget, amount)

    async def take(self, budget: Budget, amount: int) -> None:
        """See ``Budget.take``."""
        await budget.take(amount)
        self._note(budget, amount)

    def give_back(self, budget: Budget, amount: int | None = None) -> None:
        """Give ``amount`` back, or as much as there is; None for all."""
        taken = self._taken.pop(budget, 0)
        given = taken if amount is None else min(amount, taken)
        self._note(budget, taken - given)
        budget.give_back(given)

    def close(self) -> None:
        for part in self._parts:
            part.close()
        for budget in list(self._taken):
            self.give_back(budget)

    def _note(self, budget: Budget, amount: int) -> None:
        if amount:
            self._taken[budget] = self._taken.get(budget, 0) + amount


class Turns:
    """The order in which the images of one request take their pixels.

    A later one may have to keep them until its answer is read, which comes after the earlier ones' answers: if these then
    waited for the same pixels, both would wait for ever.
    """

    def __init__(self) -> None:
        self._started = self._next = 0
        self._ended: dict[int, asyncio.Event] = {}

    def start(self) -> Turn:
        """The turn of the next image."""
        turn = Turn(self, self._started)
        self._ended[self._started] = asyncio.Event()
        self._started += 1
        return turn

    async def wait(self, number: int) -> None:
        while self._next < number:
            await self._ended[self._next].wait()

    def end(self, number: int) -> None:
        if number in self._ended:
            self._ended[number].set()
        while self._next in self._ended and self._ended[self._next].is_set():
            del self._ended[self._next]
            self._next += 1


@dataclass(frozen=True)
class Turn:
    """That of one image. It must end, whatever becomes of the image."""

    turns: Turns
    number: int

    async def wait(self) -> None:
        """Until all earlier ones have ended."""
        await self.turns.wait(self.number)

    def end(self) -> None:
        self.turns.end(self.number)
