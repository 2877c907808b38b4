"""Images at a URL, fetched so that a stranger cannot make the server look into its own network.

A name is resolved once for each connection, every address that it has must be public, and the connection goes to the address
that was checked: a name that changes its mind in between (DNS rebinding) gains nothing. Each redirect starts anew.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore

from paddlex.inference.serving.addresses import is_public
from paddlex.inference.serving.errors import RequestError
from paddlex.inference.serving.settings import ServerSettings

#: host, port -> the addresses that the name has now.
Resolver = Callable[[str, int], Awaitable[list[str]]]

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_URL = 2048
_CONNECTIONS = 8


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a name, as the system resolves it."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class ForbiddenAddress(Exception):
    """A name leads to an address that is not public."""


class PublicOnly(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only; TLS and the Host header keep the name.

    Args:
        backend: what connects to an address.
        resolver: from a name to its addresses.
        may_connect: which addresses are allowed.
    """

    def __init__(
        self,
        backend: httpcore.AsyncNetworkBackend,
        resolver: Resolver = resolve,
        may_connect: Callable[[str], bool] = is_public,
    ) -> None:
        self._backend = backend
        self._resolver = resolver
        self._may_connect = may_connect

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} cannot be resolved") from error
        if not addresses or not all(self._may_connect(address) for address in addresses):
            raise ForbiddenAddress(host)
        return await self._backend.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, *arguments: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        raise ForbiddenAddress("a Unix socket")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class ImageFetcher:
    """Fetches images over http(s), within limits of size, time and redirects.

    Args:
        settings: ``allow_urls``, ``url_timeout``, ``max_redirects`` and ``max_body_bytes`` count.
        backend: connects; for tests, another.
    """

    def __init__(self, settings: ServerSettings, backend: httpcore.AsyncNetworkBackend | None = None) -> None:
        self._settings = settings
        self._backend = backend or PublicOnly(httpcore.AnyIOBackend())
        self._slots = asyncio.Semaphore(_CONNECTIONS)

    async def fetch(self, url: str, take: Callable[[int], None] = lambda size: None) -> bytes:
        """The bytes at a URL.

        Args:
            url: of http or https.
            take: called for each piece with its bytes; raises where there are too many.

        Raises:
            RequestError: 403, URLs are off, or this one leads to an address that is not public; 400, it cannot be fetched;
                413, it is too large.
        """
        if not self._settings.allow_urls:
            raise RequestError(
                403, "image URLs are off on this server", remedy="Send base64, or start it with --allow_urls"
            )
        try:
            async with self._slots:
                return await asyncio.wait_for(self._follow(url, take), self._settings.url_timeout)
        except ForbiddenAddress as error:
            raise RequestError(403, "the URL leads to an address that is not public") from error
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise _failed(f"it took longer than {self._settings.url_timeout:g} s") from error
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            # no more detail than this: which ports answer how is nobody's business
            raise _failed("the server cannot be reached or does not speak HTTP") from error

    async def _follow(self, url: str, take: Callable[[int], None]) -> bytes:
        parts = _checked(url)
        for _ in range(self._settings.max_redirects + 1):
            # a pool for each hop: a kept connection could belong to a name whose addresses were never checked
            async with httpcore.AsyncConnectionPool(
                ssl_context=ssl.create_default_context(), network_backend=self._backend, retries=0
            ) as pool:
                content, location = await self._get(pool, parts, take)
            if location is None:
                return content
            parts = _checked(location, parts.geturl())
        raise _failed("it redirects too often")

    async def _get(
        self, pool: httpcore.AsyncConnectionPool, parts: SplitResult, take: Callable[[int], None]
    ) -> tuple[bytes, str | None]:
        headers = [
            ("Host", parts.netloc),
            ("User-Agent", "paddlex"),
            ("Accept", "image/*"),
            ("Accept-Encoding", "identity"),
        ]
        async with pool.stream("GET", parts.geturl(), headers=headers) as response:
            found = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status in _REDIRECTS and b"location" in found:
                return b"", found[b"location"]
            if response.status != 200:
                raise _failed(f"the server answers {response.status}")
            limit = self._settings.max_body_bytes
            content = bytearray()
            async for chunk in response.aiter_stream():
                await asyncio.sleep(0)  # it may come in crumbs: in between, others get their turn
                take(len(chunk))
                content += chunk
                if len(content) > limit:
                    raise RequestError(413, f"the file at the URL is larger than {limit} bytes")
            return bytes(content), None


def is_url(text: str) -> bool:
    """Whether a string asks to be fetched."""
    return text[:8].lower().startswith(("http://", "https://"))


def _checked(url: str, base: str = "") -> SplitResult:
    """A URL, or where a redirect from ``base`` leads, that can be asked for: http(s), a host, no password, ASCII."""
    try:
        url = urljoin(base, url)
        parts = urlsplit(url)
        port_is_valid = parts.port is None or 0 < parts.port < 65536
    except ValueError as error:
        raise _failed("it is no URL") from error
    is_plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= _MAX_URL
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid or not is_plain:
        raise _failed("it is no http(s) URL in ASCII")
    if parts.username is not None or parts.password is not None:
        raise _failed("it holds a user name")
    return parts._replace(fragment="")


def _failed(why: str) -> RequestError:
    return RequestError(400, f"the image cannot be fetched from its URL: {why}", remedy="Check the URL, or send base64")
