"""What systemd is told of a service (sd_notify): that it is ready, that it lives, that it stops."""

from __future__ import annotations

import os
import socket


class Systemd:
    """Says nothing where no service manager has started the program.

    Args:
        environment: that the manager has set (systemd.exec(5)): ``NOTIFY_SOCKET``, ``WATCHDOG_USEC``.
    """

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        given = dict(os.environ) if environment is None else environment
        self._address = given.get("NOTIFY_SOCKET", "")
        microseconds = given.get("WATCHDOG_USEC", "")
        #: How often it wants to hear ``WATCHDOG=1``, in seconds: twice in the time that it waits.
        self.interval = int(microseconds) / 2e6 if microseconds.isdecimal() else None

    def say(self, *words: str) -> None:
        """Tell it, such as ``READY=1``. That it does not listen is no reason to stop."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix:
                unix.setblocking(False)
                unix.sendto("\n".join(words).encode(), address)
        except OSError:
            pass
