"""A connection, or a server, that is made again whenever it is lost, for ever."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from paddlex.errors import LineError, in_one_line
from paddlex.utils.logging import logger

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
"""Seconds between two attempts: doubled after each, until a connection has held."""

_HELD = 10.0
"""Seconds that a connection has held after."""


class Reconnecting:
    """Runs ``connect`` in a thread of its own, again and again until it is closed.

    Args:
        name: of the port, for messages.
        connect: makes a connection and serves it. Returns when one that was up is lost; raises where there was none.
    """

    def __init__(self, name: str, connect: Callable[[], None]) -> None:
        self._name, self._connect = name, connect
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"port {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, seconds: float = 6) -> None:
        """Begin no other connection, and wait for the end of this one, which the caller brings about."""
        self.closing.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def _run(self) -> None:
        pause, told = _FIRST_PAUSE, ""
        while not self.closing.is_set():
            begun = time.monotonic()
            try:
                self._connect()
                told = ""
            except Exception as error:  # whatever a library does, the port tries again
                text = in_one_line(error)
                if text != told and not self.closing.is_set():
                    logger.warning("%s: %s. Trying again.", self._name, text.rstrip("."))
                told = text
            if time.monotonic() > begun + _HELD:
                pause = _FIRST_PAUSE
            self.closing.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def begin(coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> Future[Any]:
    """Begin a coroutine in the event loop of a port's thread; where that has ended meanwhile, what is returned is cancelled."""
    try:
        return asyncio.run_coroutine_threadsafe(coroutine, loop)
    except RuntimeError:  # it is closed
        coroutine.close()
        ended: Future[Any] = Future()
        ended.cancel()
        ended.set_running_or_notify_cancel()
        return ended


async def set_event(event: asyncio.Event) -> None:
    """For ``begin``: let go of whoever waits for an event of its loop."""
    event.set()


def check_free(name: str, host: str, port: int) -> None:
    """Make sure that a server can listen at an address.

    Raises:
        LineError: it cannot.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        remedy = "Set another port or host, or end the program that listens there"
        what = f"port {name} cannot listen: {os.strerror(error.errno) if error.errno else error}"
        raise LineError(what, where=f"{host}:{port}", remedy=remedy) from None
