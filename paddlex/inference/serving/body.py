"""The body of a request as it comes in: bounded in size and in time, and counted towards what all requests hold."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive

from paddlex.inference.serving.budget import Budget
from paddlex.inference.serving.errors import RequestError
from paddlex.inference.serving.settings import ServerSettings

#: Seconds for which the rest of a body that is too large is read and thrown away: a client that is still sending would not
#: read the answer, and would see its connection break instead.
_LINGER_SECONDS = 2.0


class BodyReader:
    """Wraps an ASGI ``receive``.

    Args:
        receive: the server's.
        headers: of the request, names in lower case.
        settings: the limits.
        budget: for the bytes of all requests; ``close`` gives them back.

    Attributes:
        is_complete: whether nothing of the body is left on the connection.
    """

    def __init__(self, receive: Receive, headers: dict[bytes, bytes], settings: ServerSettings, budget: Budget) -> None:
        self._receive = receive
        self._settings = settings
        self._budget = budget
        self._received = 0
        self._held = 0
        self._start = asyncio.get_running_loop().time()
        length = headers.get(b"content-length", b"0")
        self._announced = int(length) if length.isdigit() else 0
        self.is_complete = not self._announced and b"transfer-encoding" not in headers

    async def receive(self) -> dict[str, Any]:
        """The next piece.

        Raises:
            RequestError: 413, the body is too large; 408, it comes too slowly.
            Busy: all requests together hold too much.
        """
        if self.is_complete:
            return dict(await self._receive())
        if self._announced > self._settings.max_body_bytes:
            await self._throw_away()
            raise self._too_large()
        message = dict(await self._next())
        if message["type"] != "http.request":
            return message
        size = len(message.get("body", b""))
        self._received += size
        if self._received > self._settings.max_body_bytes:
            await self._throw_away()
            raise self._too_large()
        self._budget.take_now(size)
        self._held += size
        self.is_complete = not message.get("more_body", False)
        return message

    def close(self) -> None:
        """Give back what was taken."""
        self._budget.give_back(self._held)
        self._held = 0

    async def _next(self) -> Any:
        settings = self._settings
        deadline = self._start + settings.body_grace + self._received / settings.body_rate
        try:
            return await asyncio.wait_for(self._receive(), deadline - asyncio.get_running_loop().time())
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise RequestError(
                408, f"the body came too slowly: {self._received} bytes", remedy="Send it faster"
            ) from error

    async def _throw_away(self) -> None:
        """Read on for a moment, unless far too much is announced."""
        if self._announced > 4 * self._settings.max_body_bytes:
            return
        try:
            await asyncio.wait_for(self._drain(), _LINGER_SECONDS)
        except (TimeoutError, asyncio.TimeoutError):
            return

    async def _drain(self) -> None:
        while not self.is_complete and self._received <= 4 * self._settings.max_body_bytes:
            message = await self._receive()
            self._received += len(message.get("body", b""))
            self.is_complete = message["type"] != "http.request" or not message.get("more_body", False)

    def _too_large(self) -> RequestError:
        return RequestError(
            413,
            f"the request is larger than {self._settings.max_body_bytes} bytes",
            remedy="Send smaller images, or fewer",
        )
