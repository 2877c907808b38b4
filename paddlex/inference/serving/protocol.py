"""HTTP/1.1 on one connection, with the time limits that uvicorn lacks: for a request's head, and for reading the answer."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from paddlex.inference.serving.settings import ServerSettings


class GuardedProtocol(H11Protocol):
    """uvicorn's own protocol; a client that is too slow, or one too many, loses its connection."""

    settings = ServerSettings()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.settings.max_connections:
            self._abort()
        else:
            self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_write()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch_write()  # closing waits for what is not yet sent

    def shutdown(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            if self.conn.our_state is h11.ERROR or self.transport.is_closing():
                return
            if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
                self._abort()  # in the middle of a head: whoever sends it will not be waited for
                return
        super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_write()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _watch_head(self) -> None:
        """Start the clock when a request's head is due, or has begun; stop it when the head is complete."""
        is_working = self.cycle is not None and not self.cycle.response_complete
        has_begun = self.cycle is None or bool(self.conn.trailing_data[0])
        if is_working or not has_begun:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.settings.header_timeout, self._abort)

    def _watch_write(self) -> None:
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.settings.write_timeout, self._abort)

    def _abort(self) -> None:
        self.transport.abort()


def guarded_protocol(settings: ServerSettings) -> type[GuardedProtocol]:
    """The protocol class for a server with these settings; uvicorn makes one object a connection."""
    return type("GuardedProtocol", (GuardedProtocol,), {"settings": settings})
