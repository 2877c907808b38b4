"""Reads plain tar archives that anybody may have made: every header bounded, every name one file below the folder.

``tarfile`` reads compressed archives, sparse files and headers of any size, keeps a record of each member and lets a
name occur twice: what it makes of a small file has no bound. Here it only decodes the single header of 512 bytes.
"""

from __future__ import annotations

import tarfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

_BLOCK = 512
_CHUNK = 2**18
_MAX_EXTENSION = 2**16  # bytes of a header that gives another header's name or times
_MAX_NAME = 512  # characters
_FOLDER, _FILES, _LONG_NAME, _PAX = tarfile.DIRTYPE, (tarfile.REGTYPE, tarfile.AREGTYPE), b"L", (b"x", b"g")

#: Records of pax headers that change nothing of the content; ``path`` gives the name.
_HARMLESS = ("path", "mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment", "charset", "hdrcharset")
_HARMLESS_PREFIXES = ("SCHILY.", "LIBARCHIVE.")


class TarError(ValueError):
    """The archive is damaged, or more than a plain archive of files and folders."""


@dataclass
class Member:
    """One file or folder of an archive.

    Attributes:
        name: relative, with ``/`` between its parts and none of them ``..``; "" for the folder itself.
        is_folder: whether it is a folder.
        size: bytes of a file.
    """

    name: str
    is_folder: bool
    size: int
    _file: BinaryIO

    def chunks(self) -> Iterator[bytes]:
        """The content of a file, to be read before the next member is asked for.

        Raises:
            TarError: the archive ends in it.
        """
        left = self.size
        while left:
            chunk = _exactly(self._file, min(left, _CHUNK))
            left -= len(chunk)
            yield chunk

    def save(self, folder: Path) -> None:
        """Write the file, or make the folder, below ``folder``."""
        path = folder / self.name
        if self.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for chunk in self.chunks():
                file.write(chunk)


def members(archive: BinaryIO, max_bytes: int, max_members: int) -> Iterator[Member]:
    """The members of a plain tar archive, in its order.

    Args:
        archive: an open file at its beginning.
        max_bytes: of all files together.
        max_members: files, folders and headers of other kinds that are taken.

    Raises:
        TarError: no plain tar, damaged or cut off; a link, a device or a sparse file; a name that is absolute, too long,
            leads outside, is not the same on every system, or occurs twice; or more than is taken.
    """
    names, total, count, long_name = _Names(), 0, 0, ""
    while header := _header(archive):
        count += 1
        if count > max_members:
            raise TarError(f"it holds more than {max_members} files")
        if header.type in (_LONG_NAME, *_PAX):
            long_name = _extension(archive, header) or long_name
            continue
        name = names.add(long_name or header.name, is_folder=header.type == _FOLDER)
        long_name = ""
        if header.type not in (_FOLDER, *_FILES):
            raise TarError(f"{name!r} is a link, a device or a sparse file")
        size = 0 if header.type == _FOLDER else header.size
        total += size
        if total > max_bytes:
            raise TarError(f"it is larger than {max_bytes} bytes")
        end = archive.tell() + size
        yield Member(name, header.type == _FOLDER, size, archive)
        archive.seek(end + -size % _BLOCK)  # whoever asked may not have read it


def _header(archive: BinaryIO) -> tarfile.TarInfo | None:
    """The next header; None at the mark of the end."""
    is_first = archive.tell() == 0
    try:
        block = _exactly(archive, _BLOCK)
        if not any(block):
            return None
        header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        damage = str(error) if isinstance(error, TarError) else "it is damaged"
        raise TarError("it is no plain .tar" if is_first else damage) from None
    if header.size < 0:
        raise TarError("it is damaged")
    return header


def _exactly(archive: BinaryIO, count: int) -> bytes:
    data = archive.read(count)
    if len(data) < count:
        raise TarError("it is cut off")
    return data


def _extension(archive: BinaryIO, header: tarfile.TarInfo) -> str:
    """The name that a header of another kind gives to the next member; "" if it says something else."""
    if header.size > _MAX_EXTENSION:
        raise TarError(f"it has a header of {header.size} bytes")
    data = _exactly(archive, header.size)
    _exactly(archive, -header.size % _BLOCK)
    try:
        if header.type == _LONG_NAME:
            return data.rstrip(b"\0").decode("utf-8")
        return _pax_path(data)
    except TarError:
        raise
    except ValueError:
        raise TarError("it has a header that cannot be read") from None


def _pax_path(data: bytes) -> str:
    """The path in the records of a pax header, each ``LENGTH KEY=VALUE`` and a line feed."""
    path = ""
    while data:
        length = int(data[: data.index(b" ")])
        key, _, value = data[data.index(b" ") + 1 : length].decode("utf-8").partition("=")
        if key not in _HARMLESS and not key.startswith(_HARMLESS_PREFIXES):
            raise TarError(f"its headers state {key[:40]!r}, which a plain archive has not")
        if not 0 < length <= len(data) or not value.endswith("\n"):
            raise ValueError
        path = value[:-1] if key == "path" else path
        data = data[length:]
    return path


@dataclass
class _Names:
    """The names met so far, as the least discerning file system would keep them apart -> as they were written."""

    _seen: dict[str, str] = field(default_factory=dict)
    _files: set[str] = field(default_factory=set)

    def add(self, name: str, is_folder: bool) -> str:
        """The name in its plain form.

        Raises:
            TarError: it cannot be a name, or stands for something that was there before.
        """
        parts = [part for part in name.split("/") if part not in ("", ".")]
        windows = PureWindowsPath(name)
        if PurePosixPath(name).is_absolute() or windows.anchor or ".." in (*parts, *windows.parts):
            raise TarError(f"{name[:100]!r} would lie outside the folder")
        is_plain = name.isprintable() and not set(name) & set('\\:*?"<>|') and not windows.is_reserved()
        if len(name) > _MAX_NAME or not is_plain or any(part[-1] in ". " for part in parts) or not (parts or is_folder):
            raise TarError(f"{name[:100]!r} is no name that every system has")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            alike = unicodedata.normalize("NFC", path).casefold()
            is_known, is_this_file = alike in self._seen, depth == len(parts) and not is_folder
            if self._seen.setdefault(alike, path) != path or alike in self._files or (is_known and is_this_file):
                raise TarError(f"{path[:100]!r} occurs twice")
            if is_this_file:
                self._files.add(alike)
        return "/".join(parts)
