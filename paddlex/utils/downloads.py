"""Fetches files over HTTP(S), and unpacks archives that strangers made."""

from __future__ import annotations

import hashlib
import http.client
import io
import lzma
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, Protocol
from urllib.parse import quote, urlsplit

from paddlex.errors import DownloadError
from paddlex.utils.files import atomic_directory, atomic_path
from paddlex.utils.logging import logger

_MAX_IMAGE_BYTES = 256 * 2**20
_MAX_IMAGE_SECONDS = 60.0
_MAX_FILE_BYTES = 8 * 2**30
_SILENCE_SECONDS = 20.0  # a server that says nothing for so long is taken for dead
_CHUNK_BYTES = 2**18

_MAX_ARCHIVE_BYTES = 64 * 2**30
_MAX_ARCHIVE_MEMBERS = 1_000_000


def cache_folder() -> Path:
    """Where downloads are kept: ``$PADDLEX_HOME``, or ``~/.cache/paddlex`` if it is not set."""
    return Path(os.environ.get("PADDLEX_HOME") or "~/.cache/paddlex").expanduser()


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


def download(url: str, path: str | os.PathLike[str], *, md5: str | None = None, sha256: str | None = None) -> Path:
    """Download ``url`` to ``path``, unless it is there already (with the right checksum, if one is given).

    The file takes its name only when it is complete and verified: until then, and when anything fails, what was there
    stays. Several processes may download the same file at once.

    Args:
        url: http or https.
        path: where the file goes; missing folders are made.
        md5: expected checksum in hexadecimal.
        sha256: expected checksum in hexadecimal.

    Returns:
        ``path``.

    Raises:
        DownloadError: the file cannot be fetched, is truncated or has another checksum.
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
    with _open(url, remedy) as response, atomic_path(target) as temporary:
        with temporary.open("wb") as file, _progress_bar(response, target.name) as bar:
            _receive(response, file, max_bytes=_MAX_FILE_BYTES, bar=bar)
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


def extract_tar(
    archive: str | os.PathLike[str], folder: str | os.PathLike[str], max_bytes: int = _MAX_ARCHIVE_BYTES
) -> Path:
    """Extract a tar archive (.tar, .tar.gz, .tar.bz2, .tar.xz) into ``folder``, which it replaces.

    Only plain files and folders below ``folder`` are accepted, and they get default permissions. If anything is wrong,
    nothing is extracted and ``folder`` stays as it was.

    Returns:
        ``folder``.

    Raises:
        DownloadError: the archive is damaged, holds links, devices, absolute paths or ``..``, or is larger than
            ``max_bytes`` when extracted.
    """
    try:
        with tarfile.open(archive, "r:*") as tar, atomic_directory(folder) as temporary:
            for member in _safe_members(tar, max_bytes):
                _extract(tar, member, temporary)
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
        raise DownloadError(
            f"the archive cannot be extracted: {error}", where=archive, remedy="Download it again"
        ) from error
    return Path(folder)


class _Bar(Protocol):
    def update(self, n: float) -> object: ...


class _HttpOnlyRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        _check_scheme(newurl)
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
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in expected}
    if digests:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                for digest in digests.values():
                    digest.update(chunk)
    return {name: digest.hexdigest() for name, digest in digests.items()}


def _safe_members(tar: tarfile.TarFile, max_bytes: int) -> Iterator[tarfile.TarInfo]:
    total = 0
    for count, member in enumerate(tar):
        if any(
            name.anchor or ".." in name.parts for name in (PurePosixPath(member.name), PureWindowsPath(member.name))
        ):
            raise ValueError(f"{member.name!r} would lie outside the folder")
        if not (member.isreg() or member.isdir()):
            raise ValueError(f"{member.name!r} is a link or a device")
        total += member.size
        if total > max_bytes or count >= _MAX_ARCHIVE_MEMBERS:
            raise ValueError(f"it is larger than {max_bytes} bytes or holds over {_MAX_ARCHIVE_MEMBERS} files")
        yield member


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    target = folder / member.name
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None  # only links and devices have none
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
