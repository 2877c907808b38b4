"""The body of a request as it comes in: bounded in size and in time, and counted towards what all requests hold."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive

from paddlex.inference.serving.budget import Budget, Hold
from paddlex.inference.serving.errors import RequestError
from paddlex.inference.serving.settings import ServerSettings


class BodyReader:
    """Wraps an ASGI ``receive``.

    Args:
        receive: the server's.
        headers: of the request, names in lower case.
        settings: the limits.
        budget: for the bytes of all requests.
        hold: takes them for this one.

    Attributes:
        is_complete: whether nothing of the body is left on the connection.
    """

    def __init__(
        self, receive: Receive, headers: dict[bytes, bytes], settings: ServerSettings, budget: Budget, hold: Hold
    ) -> None:
        self._receive = receive
        self._settings = settings
        self._budget = budget
        self._hold = hold
        self._received = 0
        self._start = asyncio.get_running_loop().time()
        length = headers.get(b"content-length", b"0")
        self._announced = int(length) if length.isdigit() else 0  # h11 lets no more than 20 digits pass
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
            raise self._too_large()
        message = dict(await self._next())
        if message["type"] != "http.request":
            return message
        size = len(message.get("body", b""))
        self._received += size
        if self._received > self._settings.max_body_bytes:
            raise self._too_large()
        self._hold.take_now(self._budget, size)
        self.is_complete = not message.get("more_body", False)
        return message

    async def _next(self) -> Any:
        settings = self._settings
        deadline = self._start + settings.body_grace + self._received / settings.body_rate
        try:
            return await asyncio.wait_for(self._receive(), deadline - asyncio.get_running_loop().time())
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise RequestError(
                408, f"the body came too slowly: {self._received} bytes", remedy="Send it faster"
            ) from error

    def _too_large(self) -> RequestError:
        return RequestError(
            413,
            f"the request is larger than {self._settings.max_body_bytes} bytes",
            remedy="Send smaller images, or fewer",
        )
