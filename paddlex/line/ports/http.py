"""HTTP: a picture or a trigger is POSTed, and its answer comes back as the response, in the shape of the service's."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Annotated, Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field

from paddlex.config_schema import UserPath
from paddlex.errors import LineError, in_one_line
from paddlex.line.config import read_secret
from paddlex.line.contract import Answer, PortOptions, State, Trigger, new_id
from paddlex.utils.logging import logger
from paddlex.utils.strict import Malformed, parse_json

_TEXT = re.compile(r"[^\x00-\x1f\x7f]{1,200}")

#: Seconds until the next piece of a request must be there.
_PATIENCE = 10.0


class HttpOptions(PortOptions):
    """Of an HTTP port; the shipped file explains each."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, strict=True)] = 8090
    token_file: UserPath | None = None
    max_body_mb: Annotated[float, Field(gt=0, le=1024)] = 64.0
    max_connections: Annotated[int, Field(ge=1, le=1000, strict=True)] = 16
    answer_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0


class _Refused(Exception):
    """A request is not taken."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class HttpPort:
    """See ``Port``. An answer is delivered when it is there for whoever waits: who has gone asks again by the same id.

    Args:
        name: of the port.
        options: see docs/line.md.

    Raises:
        ConfigError: the token cannot be read.
    """

    options: ClassVar[type[PortOptions]] = HttpOptions

    def __init__(self, name: str, options: HttpOptions) -> None:
        self.name, self._options = name, options
        self._token = None if options.token_file is None else read_secret(options.token_file)
        self._changed = threading.Condition()
        self._waiting: dict[str, tuple[int, Answer | None]] = {}  # id -> how many wait, and what for
        self._state: State | None = None
        self._server: ThreadingHTTPServer | None = None
        self._is_closed = False

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._server is not None
        return str(self._server.server_address[0]), int(self._server.server_address[1])

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        self._trigger = trigger
        self._server = self._listening()
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name=self.name, daemon=True).start()

    def deliver(self, answer: Answer) -> None:
        with self._changed:
            if answer.id in self._waiting:
                self._waiting[answer.id] = (self._waiting[answer.id][0], answer)
                self._changed.notify_all()

    def beat(self, state: State) -> None:
        self._state = state

    def check(self) -> str:
        self._listening().server_close()
        return f"{self._options.host}:{self._options.port} is free to listen on"

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _listening(self) -> ThreadingHTTPServer:
        host, port = self._options.host, self._options.port
        try:
            return _Server((host, port), _handler_of(self), self._options.max_connections)
        except OSError as error:
            remedy = "Set another port or host, or end the program that listens there"
            what = f"port {self.name} cannot listen: {error.strerror or error}"
            raise LineError(what, where=f"{host}:{port}", remedy=remedy) from None

    def answer(self, trigger: Trigger) -> Answer:
        """Hand in a trigger, and wait for its answer."""
        with self._changed:
            count, answer = self._waiting.get(trigger.id, (0, None))
            self._waiting[trigger.id] = (count + 1, answer)
        try:
            self._trigger(trigger)
            with self._changed:
                self._changed.wait_for(
                    lambda: self._waiting[trigger.id][1] is not None or self._is_closed, self._options.answer_s
                )
                answer = self._waiting[trigger.id][1]
        finally:
            with self._changed:
                count, last = self._waiting.pop(trigger.id)
                if count > 1:
                    self._waiting[trigger.id] = (count - 1, last)
        if answer is None:
            raise _Refused(504, f"there is no answer yet: ask again with the id {trigger.id}, and take the part for NG")
        return answer

    def read(self, request: BaseHTTPRequestHandler, received: float) -> Trigger:
        """The trigger that a request is."""
        length = request.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in request.headers or not length.isdecimal():
            raise _Refused(411, "the request must say its Content-Length")
        if int(length) > self._options.max_body_mb * 2**20:
            raise _Refused(413, f"the request is larger than {self._options.max_body_mb:g} MB")
        body = request.rfile.read(int(length))
        if len(body) < int(length):
            raise _Refused(400, "the request breaks off")
        given: dict[str, Any] = dict(parse_qsl(urlsplit(request.path).query))
        picture: bytes | None = body or None
        if request.headers.get_content_type() == "application/json":
            given, picture = _from_json(body)
        for key, value in given.items():
            if key not in ("id", "product") or not isinstance(value, str) or not _TEXT.fullmatch(value):
                raise _Refused(422, f"{key[:50]} cannot be used: give id, product and image, each as text")
        return Trigger(given.get("id") or new_id(), received, given.get("product"), picture, self.name)

    def check_token(self, headers: Any) -> None:
        """Refuse who has no token, and pages that a browser shows: those send an Origin."""
        if self._token is not None:
            sent = headers.get("X-API-Key") or headers.get("Authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(sent.encode("latin-1", "replace"), self._token.encode()):
                raise _Refused(401, "the token is missing or wrong: send it as X-API-Key")
        if "Origin" in headers:
            raise _Refused(403, "pages in a browser are not answered")

    def look(self, path: str) -> tuple[int, str, bytes]:
        """What a GET sees: status, content type and content."""
        state = self._state
        if path == "/healthz":
            return 200, "text/plain", b"ok\n"
        if path == "/metrics" and state is not None and state.metrics:
            return 200, "text/plain; version=0.0.4; charset=utf-8", state.metrics
        if path == "/readyz":
            is_ready = state is not None and state.word != "fault"
            reason = "no heartbeat yet" if state is None else state.reason or state.word
            return 200 if is_ready else 503, "text/plain; charset=utf-8", f"{reason}\n".encode()
        raise _Refused(404, "there are POST /trigger, GET /healthz, GET /readyz and GET /metrics")


class _Server(ThreadingHTTPServer):
    """Bounded in its connections: who comes on top is cut off."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], most: int) -> None:
        self._places = threading.BoundedSemaphore(most)
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Without asking the network for a name, which may take seconds."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of another side that has gone."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            logger.error("A request could not be answered: %s", in_one_line(error))


def _handler_of(port: HttpPort) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "paddlex", ""
        timeout = _PATIENCE
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            received = time.monotonic()
            trigger = None

            def answered() -> Answer:
                nonlocal trigger
                port.check_token(self.headers)
                if urlsplit(self.path).path != "/trigger":
                    raise _Refused(404, "triggers are POSTed to /trigger")
                trigger = port.read(self, received)
                return port.answer(trigger)

            try:
                answer = answered()
            except _Refused as error:
                self.close_connection = True  # its body may not have been read
                self._refuse(error, trigger)
                return
            envelope = {"logId": answer.id, "errorCode": 0, "errorMsg": "Success", "result": answer.to_json()}
            self._send(200, "application/json", json.dumps(envelope, allow_nan=False).encode())

        def do_GET(self) -> None:
            try:
                self._send(*port.look(urlsplit(self.path).path))
            except _Refused as error:
                self._refuse(error, None)

        def _refuse(self, error: _Refused, trigger: Trigger | None) -> None:
            log_id = new_id() if trigger is None else trigger.id
            envelope = {"logId": log_id, "errorCode": error.status, "errorMsg": str(error)}
            self._send(error.status, "application/json", json.dumps(envelope, allow_nan=False).encode())

        def _send(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing: the answers are in the outbox."""

    return Handler


def _from_json(body: bytes) -> tuple[dict[str, Any], bytes | None]:
    """``id`` and ``product``, and the picture that ``image`` is in base64."""
    try:
        given = parse_json(body.decode("utf-8"))
    except (Malformed, UnicodeDecodeError) as error:
        raise _Refused(400, f"the body {error}" if isinstance(error, Malformed) else "the body is not UTF-8") from None
    if not isinstance(given, dict):
        raise _Refused(422, "the body must be an object with id, product and image")
    image = given.pop("image", None)
    if image is None:
        return given, None
    try:
        return given, base64.b64decode(image, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise _Refused(422, "image is no base64") from None
