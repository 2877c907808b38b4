"""What every request passes before it reaches a route: who asks, under which name, from which page, how much at once."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paddlex.inference.serving.body import BodyReader
from paddlex.inference.serving.budget import Budget, Hold
from paddlex.inference.serving.errors import Busy, RequestError, error_body, failure, new_log_id
from paddlex.inference.serving.metrics import Metrics
from paddlex.inference.serving.settings import ServerSettings, is_loopback
from paddlex.utils.logging import logger

#: Needs no API key: health checks cannot send one, and the page must open before it can ask for one.
_OPEN = frozenset({"/", "/healthz", "/readyz", "/health", "/openapi.json", "/docs", "/favicon.ico"})
_OPEN_BELOW = ("/page/", "/docs/")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

#: Health checks get through when nothing else does.
_ALWAYS = frozenset({"/healthz", "/readyz", "/health", "/metrics"})

#: Bytes of an answer that are handed to the server at a time.
_PIECE = 2**16

#: On every answer; a page brings its own Content-Security-Policy.
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}


class Gate:
    """ASGI middleware around the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: ServerSettings,
        metrics: Metrics,
        bodies: Budget,
        is_draining: Callable[[], bool] = lambda: False,
        check_access: Callable[[Scope, Mapping[bytes, bytes]], Awaitable[None]] | None = None,
    ) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._requests = 0
        self._bodies = bodies
        self._is_draining = is_draining
        self._check_access = check_access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        method = scope["method"] if scope["method"] in _METHODS else "other"
        scope = {**scope, **_without_host(scope["path"], headers), "log_id": new_log_id()}
        if method == "HEAD":
            scope["method"] = "GET"  # the server leaves the body out
        scope["hold"] = hold = Hold()
        body = BodyReader(receive, headers, self._settings, self._bodies, hold)
        answer = _Answer(send, lambda: self._connection(headers, body))
        self._requests += 1
        self._metrics.requests_in_flight.inc()
        try:
            await self._check(scope, headers)
            await self._app(scope, body.receive, answer.send)
        except ClientDisconnect:
            answer.status = 499  # nginx's number for a client that left
        except Exception as error:
            await self._fail(error, scope, answer)
        finally:
            self._requests -= 1
            hold.close()
            self._metrics.requests_in_flight.dec()
            endpoint = endpoint_of(scope)
            self._metrics.requests.labels(method, endpoint, str(answer.status)).inc()
            self._metrics.request_seconds.labels(endpoint).observe(time.perf_counter() - start)

    def _connection(self, headers: Mapping[bytes, bytes], body: BodyReader) -> list[tuple[bytes, bytes]]:
        """What the client is told of its connection: it ends if the rest of the body is not wanted, or the service stops."""
        if not body.is_complete or self._is_draining():
            return [(b"connection", b"close")]
        if b"close" in headers.get(b"connection", b"").lower():
            return []
        # a little less than it is: who sends in the moment in which the connection is closed would lose the request
        return [(b"keep-alive", b"timeout=%d" % max(1, int(0.9 * self._settings.idle_timeout)))]

    async def _check(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        self._check_host(headers)
        path = scope["path"]
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise RequestError(415, "the body is compressed", remedy="Send it as it is, without Content-Encoding")
        if not is_safe(scope["method"]):
            _check_origin(headers)
        is_open = path in _OPEN or path.startswith(_OPEN_BELOW)
        if self._check_access is not None and not is_open:
            await self._check_access(scope, headers)
        elif self._settings.api_key is not None and not is_open:
            check_key(headers, self._settings.api_key)
        if self._requests > self._settings.max_requests and path not in _ALWAYS:
            raise Busy(f"{self._settings.max_requests} requests are at work already")

    def _check_host(self, headers: Mapping[bytes, bytes]) -> None:
        """A page of a stranger whose name suddenly leads here (DNS rebinding) still sends its own name."""
        settings = self._settings
        if not settings.is_loopback and not settings.allowed_hosts:
            return
        host = _host_name(headers.get(b"host", b"").decode("latin-1"))
        if host in settings.allowed_hosts or host == settings.host or is_loopback(host):
            return
        if not settings.is_loopback and _is_address(host):
            return
        raise RequestError(421, "this server does not go by that name", remedy="Start it with --allowed_host NAME")

    async def _fail(self, error: Exception, scope: Scope, answer: _Answer) -> None:
        if not isinstance(error, RequestError):
            logger.error("The service failed at %s.", endpoint_of(scope), exc_info=error)
            error = failure()
        if answer.is_complete:
            return
        if answer.has_started:  # all that is left is to break off, so that nobody takes half an answer for a whole
            raise error
        content = error_body(error.status, str(error), scope["log_id"])
        start = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        start += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
        await answer.send({"type": "http.response.start", "status": error.status, "headers": start})
        await answer.send({"type": "http.response.body", "body": content})


class _Answer:
    """Wraps an ASGI ``send``: adds headers, notes the status, and hands on no more at once than the client takes.

    Args:
        send: the server's.
        connection: headers that are known only when the answer begins.
    """

    def __init__(self, send: Send, connection: Callable[[], list[tuple[bytes, bytes]]]) -> None:
        self._send = send
        self._connection = connection
        self.status = 0
        self.has_started = self.is_complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            self.status = message["status"]
            headers = list(message.get("headers", []))
            present = {name for name, _ in headers}
            headers += [(name, value) for name, value in _HEADERS.items() if name not in present]
            message = {**message, "headers": headers + self._connection()}
        elif message["type"] == "http.response.body":
            content = message.get("body", b"")
            last = max(0, len(content) - 1) // _PIECE * _PIECE
            for start in range(0, last, _PIECE):  # the server buffers all it is given, however little the client reads
                await self._send({**message, "body": content[start : start + _PIECE], "more_body": True})
            message = {**message, "body": content[last:]}
            self.is_complete = not message.get("more_body", False)
        await self._send(message)


def is_safe(method: str) -> bool:
    """Whether a method of HTTP changes nothing."""
    return method in _SAFE_METHODS


def has_key(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request brings an API key, be it the right one or not."""
    return _sent_key(headers) is not None


def check_key(headers: Mapping[bytes, bytes], key: str) -> None:
    """See that a request brings the API key.

    Raises:
        RequestError: 401.
    """
    # digests are of one length, and compared in constant time
    if not hmac.compare_digest(_digest(_sent_key(headers) or b""), _digest(key.encode())):
        raise RequestError(
            401,
            "the API key is missing or wrong",
            remedy="Send it as X-API-Key",
            headers={"WWW-Authenticate": "Bearer"},
        )


def _sent_key(headers: Mapping[bytes, bytes]) -> bytes | None:
    if (sent := headers.get(b"x-api-key")) is not None:
        return sent
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None


def came_through_proxy(headers: Mapping[str, str]) -> bool:
    """Whether a request says that a proxy has handed it on."""
    return any(name in headers for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via"))


def check_reload(headers: Mapping[str, str], client: Any, settings: ServerSettings) -> None:
    """Only whoever has the key, or without one sits at this machine, may reload a model.

    A proxy on this machine makes everyone look local, so what came through one counts as coming from outside.

    Raises:
        RequestError: 403.
    """
    if settings.api_key is not None:
        return  # it was checked at the gate
    if came_through_proxy(headers) or client is None or not is_loopback(client.host):
        raise RequestError(403, "models are reloaded from the server's own machine only", remedy="Or set an API key")


def endpoint_of(scope: Mapping[str, Any]) -> str:
    """The route's template: a client can make up any number of paths, and metrics would keep each for ever."""
    route = scope.get("route")
    return str(getattr(route, "path", "other"))


def _without_host(path: str, headers: dict[bytes, bytes]) -> dict[str, str]:
    """The path of a request that names scheme and host as well, as one to a proxy does; then this host counts."""
    scheme, found, rest = path.partition("://")
    if not found or scheme.lower() not in ("http", "https"):
        return {}
    host, _, path = rest.partition("/")
    headers[b"host"] = host.encode()
    return {"path": f"/{path}"}


def _check_origin(headers: Mapping[bytes, bytes]) -> None:
    """A browser says which page a request comes from; only our own page may change or ask anything."""
    origin = headers.get(b"origin")
    site = headers.get(b"sec-fetch-site", b"none")
    if origin is None and site in (b"none", b"same-origin"):
        return
    own = headers.get(b"host", b"").decode("latin-1").lower()
    if origin is not None and _netloc(origin.decode("latin-1")) == _without_default_port(own):
        return
    raise RequestError(403, "the request comes from a page of another site")


def _netloc(origin: str) -> str | None:
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return None
    return _without_default_port(parts.netloc) if parts.scheme in ("http", "https") else None


def _without_default_port(netloc: str) -> str:
    return netloc.removesuffix(":80").removesuffix(":443")


def _host_name(host: str) -> str:
    """The Host header without its port, in lower case; [::1]:8080 -> ::1."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
