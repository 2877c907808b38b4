"""Plain TCP for a PLC: lines of ASCII, see docs/line.md for each byte."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import Annotated, ClassVar
from urllib.parse import quote

from pydantic import Field

from paddlex.errors import LineError
from paddlex.line.contract import Answer, DeliveryError, PortOptions, State, Trigger, new_id

_LONGEST_LINE = 256

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

#: Seconds until an answer goes to nobody, where nobody is connected; then until the other side must have read what was sent.
_WAIT, _SEND = 30.0, 2.0

_POLL = 0.2


class TcpOptions(PortOptions):
    """Of a TCP port; the shipped file explains each."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, strict=True)] = 9100
    acknowledge: bool = True
    acknowledge_s: Annotated[float, Field(gt=0, le=60)] = 2.0


class TcpPort:
    """See ``Port``. One PLC at a time: whoever connects takes the place of who was connected.

    Args:
        name: of the port.
        options: see docs/line.md.
    """

    options: ClassVar[type[PortOptions]] = TcpOptions

    def __init__(self, name: str, options: TcpOptions) -> None:
        self.name, self._options = name, options
        self._changed = threading.Condition()
        self._server: socket.socket | None = None
        self._client: socket.socket | None = None
        self._acknowledged = -1
        self._sending = threading.Lock()
        self._is_closed = False

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._server is not None
        host, port = self._server.getsockname()[:2]
        return host, port

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        self._trigger = trigger
        self._server = self._listening()
        threading.Thread(target=self._accept, name=f"{self.name} accepts", daemon=True).start()

    def deliver(self, answer: Answer) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._client is not None or self._is_closed, _WAIT):
                raise self._failed("nobody is connected", False)
            client = self._client
            if client is None or self._is_closed:
                raise self._failed("the port is closed", False)
            self._acknowledged = -1
        if not self._send(client, _answer_line(answer)):
            raise self._failed("the connection has broken", True)
        if not (self._options.acknowledge and answer.sequence):
            return
        with self._changed:
            self._changed.wait_for(
                lambda: self._acknowledged == answer.sequence or self._client is not client or self._is_closed,
                self._options.acknowledge_s,
            )
            if self._acknowledged != answer.sequence:
                raise self._failed(f"no ACK {answer.sequence} within {self._options.acknowledge_s:g} s", True)

    def beat(self, state: State) -> None:
        client = self._client
        if client is not None:
            self._send(client, f"STATE {state.word} {state.counter}")

    def check(self) -> str:
        server = self._listening()
        server.close()
        return f"{self._options.host}:{self._options.port} is free to listen on"

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._drop(self._client)
        if self._server is not None:
            self._server.close()

    def _listening(self) -> socket.socket:
        host, port = self._options.host, self._options.port
        try:
            server = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            remedy = "Set another port or host, or end the program that listens there"
            what = f"port {self.name} cannot listen: {error.strerror or error}"
            raise LineError(what, where=f"{host}:{port}", remedy=remedy) from None
        server.settimeout(_POLL)  # that a socket is closed wakes nobody who waits on it
        return server

    def _accept(self) -> None:
        assert self._server is not None
        while not self._is_closed:
            try:
                client, _ = self._server.accept()
            except TimeoutError:
                continue
            except OSError:
                time.sleep(_POLL)  # no more files may be open, say
                continue
            client.settimeout(_SEND)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._drop(self._client)
            with self._changed:
                self._client = client
                self._changed.notify_all()
            threading.Thread(target=self._read, args=(client,), name=f"{self.name} reads", daemon=True).start()

    def _read(self, client: socket.socket) -> None:
        """Take the lines of one connection until it ends."""
        buffer = b""
        try:
            while self._client is client:
                try:
                    data = client.recv(4096)
                except TimeoutError:
                    continue
                except OSError:
                    break
                if not data:
                    break
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    self._take(client, line.rstrip(b"\r"))
                if len(buffer) > _LONGEST_LINE:
                    self._send(client, "ERROR the line is too long")
                    break
        finally:
            self._drop(client)

    def _take(self, client: socket.socket, line: bytes) -> None:
        received = time.monotonic()
        word, *rest = line.decode("ascii", "replace").split(" ") if len(line) <= _LONGEST_LINE else [""]
        if word == "TRIGGER" and len(rest) <= 2 and all(map(_ID.fullmatch, rest)):
            id, product = [*rest, None, None][:2]
            self._trigger(Trigger(id or new_id(), received, product, port=self.name))
        elif word == "ACK" and len(rest) == 1 and rest[0].isdecimal() and len(rest[0]) < 20:
            with self._changed:
                self._acknowledged = int(rest[0])
                self._changed.notify_all()
        else:
            self._send(client, "ERROR the line is no TRIGGER [ID [PRODUCT]] and no ACK NUMBER")

    def _send(self, client: socket.socket, line: str) -> bool:
        try:
            with self._sending:
                client.sendall(line.encode("ascii") + b"\n")
        except OSError:  # also: it has not read for so long that a line may be cut in two
            self._drop(client)
            return False
        return True

    def _drop(self, client: socket.socket | None) -> None:
        if client is None:
            return
        with self._changed:
            if self._client is client:
                self._client = None
                self._changed.notify_all()
        with contextlib.suppress(OSError):  # closing alone does not wake who reads
            client.shutdown(socket.SHUT_RDWR)
        client.close()

    def _failed(self, why: str, may_have_arrived: bool) -> DeliveryError:
        where = f"{self._options.host}:{self._options.port}"
        remedy = "See that the PLC is connected and sends ACK and the number of each ANSWER"
        return DeliveryError(
            why, where=where, remedy=remedy, may_have_arrived=may_have_arrived, has_waited=not may_have_arrived
        )


def _answer_line(answer: Answer) -> str:
    id = quote(answer.id, safe=":")  # of a hot folder's it may be any text
    fail_safe = (answer.fail_safe or "-").replace(" ", "_")
    numbers = ["-" if value is None else f"{value:.6g}" for value in (answer.score, answer.threshold)]
    return f"ANSWER {answer.sequence} {id} {answer.verdict} {' '.join(numbers)} {fail_safe} {answer.repeated:d}"
