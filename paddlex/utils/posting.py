"""JSON sent to a URL that somebody has set: a webhook."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

_LONGEST_URL = 2048


class PostError(Exception):
    """A URL has not taken what was sent; the message does not hold the URL, which may hold a token.

    Args:
        why: in a few words.
        may_have_arrived: False where nobody was reached.
    """

    def __init__(self, why: str, may_have_arrived: bool = True) -> None:
        super().__init__(why)
        self.may_have_arrived = may_have_arrived


def post_json(
    url: str,
    content: dict[str, Any],
    timeout: float,
    headers: Sequence[tuple[str, str]] = (),
    tls: ssl.SSLContext | None = None,
) -> None:
    """POST JSON to a URL, which must answer with 2xx. A redirect is not followed.

    Args:
        url: see ``checked_url``.
        content: what is sent.
        timeout: seconds for all of it: name, connection, request and the head of the answer.
        headers: more of them.
        tls: which certificates are trusted; None for those of the system.

    Raises:
        PostError: it was not taken.
    """
    import httpcore

    try:
        body = json.dumps(content, allow_nan=False).encode()
        status = asyncio.run(asyncio.wait_for(_post(url, body, headers, tls), timeout))
    except (TimeoutError, asyncio.TimeoutError):
        raise PostError(f"it took longer than {timeout:g} s") from None
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError, ValueError) as error:
        kind = type(error).__name__
        raise PostError(f"it cannot be reached ({kind})", not isinstance(error, httpcore.ConnectError)) from error
    if 300 <= status < 400:
        raise PostError(f"it answers {status}, a redirect, which is not followed")
    if not 200 <= status < 300:
        raise PostError(f"it answers {status}")


async def _post(url: str, content: bytes, headers: Sequence[tuple[str, str]], tls: ssl.SSLContext | None) -> int:
    import httpcore

    own = [("Content-Type", "application/json"), ("User-Agent", "paddlex"), *headers]
    if tls is None and urlsplit(url).scheme == "https":
        tls = ssl.create_default_context()
    async with (
        httpcore.AsyncConnectionPool(ssl_context=tls, retries=0) as pool,
        pool.stream("POST", url, headers=own, content=content) as response,
    ):
        return int(response.status)  # what it says besides is nobody's business


def checked_url(url: str) -> str:
    """A URL that can be posted to.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or 0 < parts.port < 65536
    except ValueError:
        raise ValueError("it is no URL") from None
    is_plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= _LONGEST_URL
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid or not is_plain:
        raise ValueError("it is no http(s) URL in ASCII")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it holds a user name or a password; a token may stand behind its ? instead")
    return parts._replace(fragment="").geturl()


def place_of(url: str) -> str:
    """A URL without what may be secret in it: scheme, host and port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
