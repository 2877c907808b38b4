"""HTTP/1.1 on one connection, with what uvicorn lacks: time limits, room for new clients, an end that loses no answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import Any

import h11
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from paddlex.inference.serving.errors import error_body, new_log_id
from paddlex.inference.serving.settings import ServerSettings
from paddlex.utils.logging import logger

#: What is still sent to a connection that is being closed is dropped, up to so many times the largest body.
_DROPPED_BODIES = 16

#: Bytes that wait in the kernel for a client to read; without this bound megabytes do, and a slow reader looks like none.
_UNSENT_BYTES = 2**17

#: Bytes of the head of a request.
MAX_HEAD_BYTES = 32 * 2**10

#: The chunks of a body may be small at first, and then hold so many bytes on average.
_MIN_CHUNKS, _CHUNK_BYTES = 2**12, 64

_MESSAGES = {431: "the head of the request is too large"}


class GuardedTransport:
    """A transport whose ``close`` lets the client read the answer first.

    Closing a socket on which something is still unread resets the connection, and what the client had not yet read is lost
    (RFC 9112, 9.6): whoever sends a body that is refused would never learn why. So only the own side is closed at once.
    """

    def __init__(self, transport: asyncio.Transport, protocol: GuardedProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self.is_lingering = False

    def close(self) -> None:
        if self.is_closing():
            return
        self.is_lingering = True
        self._protocol.linger()
        with contextlib.suppress(OSError):  # the client has gone in the meantime
            self._transport.write_eof()  # after what is still to be sent

    def close_idle(self) -> None:
        """Close at once, where the client has sent nothing that is not answered."""
        self._transport.close()

    def is_closing(self) -> bool:
        return self.is_lingering or self._transport.is_closing()

    def is_closed(self) -> bool:
        return self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class GuardedConnection(h11.Connection):
    """Refuses what h11 lets pass: two kinds of length in one request (RFC 9112, 6.1), and bodies of crumbs.

    Each chunk of a body costs time of the event loop, however little it holds.
    """

    _chunks = _bytes = 0

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
            names = {name for name, _ in event.headers}
            if b"content-length" in names and b"transfer-encoding" in names:  # a proxy may read it otherwise than we do
                raise h11.RemoteProtocolError("two lengths")
        elif isinstance(event, h11.Data):
            self._chunks += event.chunk_start
            self._bytes += len(event.data)
            if self._chunks > _MIN_CHUNKS + self._bytes / _CHUNK_BYTES:
                raise h11.RemoteProtocolError("the chunks are too small")
        return event


class GuardedProtocol(H11Protocol):
    """uvicorn's own protocol; a client that is too slow loses its connection, and an idle one makes room for a new one."""

    settings = ServerSettings()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conn = GuardedConnection(h11.SERVER, MAX_HEAD_BYTES)
        self.timeout_keep_alive = self.settings.idle_timeout  # type: ignore[assignment]
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._idle_since = self._linger_since = self.loop.time()
        self._unwritten = self._dropped = 0
        self._has_served = self._has_eof = False

    # What happens to the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._guard = GuardedTransport(transport, self)
        super().connection_made(self._guard)  # type: ignore[arg-type]
        with contextlib.suppress(OSError, AttributeError):  # not on every system
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        if len(self.connections) > self.settings.max_connections:
            self._make_room()
        self._watch_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._guard.is_lingering:
            self._dropped += len(data)
            return
        try:
            super().data_received(data)
        except Exception as error:  # asyncio would log a page
            logger.error("A connection was broken off: %r", error)
            self._abort()
        self._watch_request()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Whoever has sent whole requests and closes their own side may still want to read the answers."""
        self._has_eof = True
        if self._is_at_work and not self.cycle.more_body and not self._guard.is_lingering:
            return True
        self._watch_write()  # closing waits for what is not yet sent
        return None

    def on_response_complete(self) -> None:
        self._has_served = True
        super().on_response_complete()  # and begin with the next request, if it has come already
        is_last = self._has_eof and (not self._is_at_work or self.cycle.more_body)
        if is_last and not self.transport.is_closing():
            self.timeout_keep_alive_handler()
        self._watch_request()

    def timeout_keep_alive_handler(self) -> None:
        self._guard.close_idle()
        self._watch_write()  # closing waits for what is not yet sent

    def shutdown(self) -> None:
        if self._is_at_work:
            self.cycle.keep_alive = False
            self.cycle.default_headers = [*self.cycle.default_headers, CLOSE_HEADER]
        elif self._guard.is_lingering:
            return
        elif self.conn.trailing_data[0]:
            self._abort()  # in the middle of a head: whoever sends it will not be waited for
        else:
            self._guard.close_idle()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in the form of every other error."""
        if self._is_at_work:
            self.cycle.disconnected = True  # there is nobody left whom the route could answer
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self._abort()
            return
        status = getattr(sys.exc_info()[1], "error_status_hint", 400)
        content = error_body(status, _MESSAGES.get(status, "the request is not valid HTTP"), new_log_id())
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            CLOSE_HEADER,
        ]
        start = h11.Response(status_code=status, headers=headers, reason=STATUS_PHRASES.get(status, b""))
        for event in (start, h11.Data(data=content), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_write()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None and not self.transport.is_closing():
            self._write_timer.cancel()
            self._write_timer = None

    # Time limits

    @property
    def _is_at_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch_request(self) -> None:
        """Start the clock for a head that has begun, or else for the connection to be idle."""
        is_waiting = not self._is_at_work and not self.transport.is_closing()
        has_begun = is_waiting and bool(self.conn.trailing_data[0])
        if not has_begun and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if has_begun:
            self._unset_keepalive_if_required()
            if self._head_timer is None:
                self._head_timer = self.loop.call_later(self.settings.header_timeout, self._abort)
        elif is_waiting and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        if is_waiting and not has_begun:
            self._idle_since = self.loop.time()

    def _watch_write(self) -> None:
        if self._write_timer is None:
            self._unwritten = self.transport.get_write_buffer_size()
            self._write_timer = self.loop.call_later(self.settings.write_timeout, self._check_write)

    def _check_write(self) -> None:
        """A client may read slowly, but not as good as not at all."""
        self._write_timer = None
        left = self.transport.get_write_buffer_size()
        if left and self._unwritten - left < self.settings.write_rate * self.settings.write_timeout:
            self._abort()
        elif left:
            self._watch_write()

    # The end

    def linger(self) -> None:
        """Read on and drop what comes, so that the client gets to read its answer; under the limits of a body."""
        self._unset_keepalive_if_required()
        self._watch_request()
        self._watch_write()
        self._linger_since = self.loop.time()
        if self._has_eof:
            self._guard.close_idle()
        else:
            self.flow.resume_reading()
            self._check_linger()

    def _check_linger(self) -> None:
        settings = self.settings
        left = self._linger_since + settings.body_grace + self._dropped / settings.body_rate - self.loop.time()
        if left <= 0 or self._dropped > _DROPPED_BODIES * settings.max_body_bytes:
            self._abort()
        else:
            self._linger_timer = self.loop.call_later(min(left, 1.0), self._check_linger)

    def _make_room(self) -> None:
        """Close the connection that is missed least: one without a request, first those that had none yet, the oldest first."""
        others = [one for one in self.connections if isinstance(one, GuardedProtocol) and one is not self]
        idle = [one for one in others if not (one._is_at_work or one._guard.is_closed())]
        if idle:
            min(idle, key=lambda one: (one._rank, one._idle_since))._abort()

    @property
    def _rank(self) -> int:
        if self._guard.is_lingering or not self._has_served:
            return 0
        return 2 if self.transport.get_write_buffer_size() else 1

    def _cancel_timers(self) -> None:
        for timer in (self._head_timer, self._write_timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        self._unset_keepalive_if_required()

    def _abort(self) -> None:
        self.transport.abort()


def guarded_protocol(settings: ServerSettings) -> type[GuardedProtocol]:
    """The protocol class for a server with these settings; uvicorn makes one object a connection."""
    return type("GuardedProtocol", (GuardedProtocol,), {"settings": settings})
