"""Fetches files over HTTP(S)."""

from __future__ import annotations

import http.client
import io
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import quote, urlsplit

from paddlex.errors import DownloadError
from paddlex.utils.files import atomic_path, file_digest
from paddlex.utils.leftovers import tidy_up
from paddlex.utils.logging import logger

_MAX_IMAGE_BYTES = 256 * 2**20
_MAX_IMAGE_SECONDS = 60.0
_MAX_FILE_BYTES = 8 * 2**30
_MAX_FILE_SECONDS = 6 * 3600.0
_SILENCE_SECONDS = 20.0  # a server that says nothing for so long is taken for dead
_CHUNK_BYTES = 2**18


def fetch_bytes(url: str, max_bytes: int = _MAX_IMAGE_BYTES, max_seconds: float = _MAX_IMAGE_SECONDS) -> bytes:
    """Fetch a small file, such as an image, into memory.

    Raises:
        DownloadError: the URL is not http(s), cannot be reached or answers with an error; the answer is truncated,
            larger than ``max_bytes`` or takes longer than ``max_seconds``.
    """
    sink = io.BytesIO()
    with _open(url, remedy="Check the URL and the network") as response:
        _receive(response, sink, max_bytes=max_bytes, deadline=time.monotonic() + max_seconds)
    return sink.getvalue()


def download(
    url: str,
    path: str | os.PathLike[str],
    *,
    md5: str | None = None,
    sha256: str | None = None,
    max_bytes: int = _MAX_FILE_BYTES,
) -> Path:
    """Download ``url`` to ``path``, unless it is there already (with the right checksum, if one is given).

    The file takes its name only when it is complete and verified: until then, and when anything fails, what was there
    stays. Several processes may download the same file at once.

    Args:
        url: http or https.
        path: where the file goes; missing folders are made.
        md5: expected checksum in hexadecimal.
        sha256: expected checksum in hexadecimal.
        max_bytes: a larger file is refused.

    Returns:
        ``path``.

    Raises:
        DownloadError: the file cannot be fetched, is truncated, too large, or has another checksum.
    """
    target = Path(path)
    expected = {name: digest.lower() for name, digest in (("md5", md5), ("sha256", sha256)) if digest}
    if target.is_file():
        if _checksums(target, expected) == expected:
            logger.info("Using %s, downloaded before from %s", target, url)
            return target
        logger.warning("%s has the wrong checksum: downloading it again", target)
    logger.info("Downloading %s to %s", url, target)
    remedy = (
        f"Check the network (a proxy is taken from HTTPS_PROXY), or fetch the file elsewhere and put it at {target}"
    )
    tidy_up(target.parent)
    with _open(url, remedy) as response, atomic_path(target) as temporary:
        with temporary.open("wb") as file, _progress_bar(response, target.name) as bar:
            deadline = time.monotonic() + _MAX_FILE_SECONDS
            _receive(response, file, max_bytes=max_bytes, deadline=deadline, bar=bar)
        got = _checksums(temporary, expected)
        if got != expected:
            name = next(name for name in expected if got[name] != expected[name])
            raise DownloadError(
                f"the downloaded file has the {name} {got[name]}, but {expected[name]} was expected",
                where=url,
                remedy=f"Download again; if that does not help, the file at the URL has changed, or a proxy answers in "
                f"its place: put the right file at {target}",
            )
    return target


class _Bar(Protocol):
    def update(self, n: float) -> object: ...


class _HttpOnlyRedirects(urllib.request.HTTPRedirectHandler):
    """Follows to http(s) alone, and from https to nothing less."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        _check_scheme(newurl)
        if req.type == "https" and not newurl.lower().startswith("https://"):
            raise ValueError(f"it leads from https:// to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _open(url: str, remedy: str) -> Iterator[http.client.HTTPResponse]:
    """Open ``url``; whatever goes wrong while the block reads becomes a DownloadError."""
    _check_scheme(url)
    try:
        request = urllib.request.Request(_quoted(url), headers={"User-Agent": "paddlex"})
        opener = urllib.request.build_opener(_HttpOnlyRedirects)
        with opener.open(request, timeout=_SILENCE_SECONDS) as response:
            yield response
    except urllib.error.HTTPError as error:
        raise DownloadError(f"the server answers {error.code} {error.reason}", where=url, remedy=remedy) from error
    except urllib.error.URLError as error:
        raise DownloadError(f"the server cannot be reached: {error.reason}", where=url, remedy=remedy) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(f"the download failed: {error}", where=url, remedy=remedy) from error


def _check_scheme(url: str) -> None:
    if not url.lower().startswith(("http://", "https://")):
        raise DownloadError("only http:// and https:// are fetched", where=url, remedy="Give such a URL")


def _quoted(url: str) -> str:
    """Percent-encode spaces and letters beyond ASCII, as a browser does; what is encoded already stays."""
    parts = urlsplit(url)
    safe = "%/:?#[]@!$&'()*+,;=~"
    return parts._replace(path=quote(parts.path, safe), query=quote(parts.query, safe), fragment="").geturl()


def _receive(
    response: http.client.HTTPResponse,
    sink: BinaryIO,
    *,
    max_bytes: int,
    deadline: float = float("inf"),
    bar: _Bar | None = None,
) -> None:
    announced = response.length  # None if the server does not say
    received = 0
    while chunk := response.read1(_CHUNK_BYTES):
        sink.write(chunk)
        received += len(chunk)
        if received > max_bytes:
            raise ValueError(f"the file is larger than {max_bytes} bytes")
        if time.monotonic() > deadline:
            raise ValueError("the server is too slow")
        if bar is not None:
            bar.update(len(chunk))
    if announced is not None and received != announced:
        raise ValueError(f"the connection broke off after {received} of {announced} bytes")


@contextmanager
def _progress_bar(response: http.client.HTTPResponse, name: str) -> Iterator[_Bar]:
    from tqdm import tqdm

    with tqdm(desc=name, total=response.length, unit="B", unit_scale=True, disable=None, delay=0.5, leave=False) as bar:
        yield bar


def _checksums(path: Path, expected: dict[str, str]) -> dict[str, str]:
    """The checksums of a file, of the kinds that ``expected`` names."""
    return {name: file_digest(path, name) for name in expected}
