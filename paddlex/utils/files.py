"""Files that are either whole or not there: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from paddlex.utils.leftovers import LONGEST_STEM, MARK, locked, temporary_folder, tidy_up

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


@contextmanager
def atomic_path(path: str | os.PathLike[str], durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; it takes the name ``path`` only if the block succeeds.

    The temporary name keeps the suffix, because encoders choose the format by it. Missing parent folders are made. With
    ``durable`` the content is on the disk before the name is; without, a power failure may leave an empty file, which is
    the price of writing thousands of small ones quickly. What a killed process leaves, ``tidy_up`` removes.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.stem[:LONGEST_STEM]}.{MARK}"
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with locked(temporary):
            yield temporary
        if durable:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        _name(error, target)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: str | os.PathLike[str], keep: Path | None = None) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path``; it replaces ``path`` only if the block succeeds.

    What is in it is on the disk before it takes the name. What killed processes have left beside ``path`` is tidied up; one
    that was killed between the two renamings of a replacement has left the old folder, which comes back.

    Args:
        path: the folder to write.
        keep: the name, beside it, that the folder it replaces gets, in the place of what has that name; None deletes it.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    tidy_up(target.parent)
    with temporary_folder(target.parent, target.name) as temporary:
        os.chmod(temporary, 0o777 & ~_umask())
        retired = temporary.with_name(temporary.name + ".old")
        try:
            yield temporary
            for part in [temporary, *temporary.rglob("*")]:
                flush(part)
            with locked(target):
                if target.exists():
                    os.replace(target, retired)
                os.replace(temporary, target)
                if keep is not None and retired.exists():
                    shutil.rmtree(keep, ignore_errors=True)
                    os.replace(retired, keep)
            flush(target.parent)
        except OSError as error:
            _name(error, target)
            raise
        finally:
            if retired.exists() and not target.exists():
                os.replace(retired, target)
            shutil.rmtree(retired, ignore_errors=True)


def copy_files(source: Path, target: Path) -> None:
    """Copy the files of a folder and of those below it into a folder that exists.

    ``shutil.copytree`` goes on after an error and raises a list in the end; this stops at the first, such as a full disk.
    """
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir(exist_ok=True)
        else:
            shutil.copyfile(path, copy)


def move_folder(source: Path, target: Path) -> None:
    """Give a folder, whose content is on the disk, a name on the same disk that is free; the name is on the disk then."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(source, target)
    for folder in (target.parent, target.parent.parent, source.parent):
        flush(folder)


def link_or_copy(source: Path, target: Path) -> None:
    """Let a file, which nobody will ever write into, be found at another path too; missing folders are made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


@contextmanager
def open_regular_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a regular file for reading; a pipe without a writer, or a device, is never waited for.

    Raises:
        OSError: it is not there, not a regular file, or cannot be read; ``strerror`` says which.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.EINVAL, "it is not a regular file, but a socket", os.fspath(path)) from None
        raise
    try:  # what was opened is what is looked at: nothing can be exchanged in between
        kind = stat.S_IFMT(os.fstat(handle).st_mode)
        if kind != stat.S_IFREG:
            what = f"it is not a regular file, but {_KINDS.get(kind, 'something else')}"
            raise OSError(errno.EINVAL, what, os.fspath(path))
        with open(handle, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(handle)


def read_regular_file(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    """The content of a regular file of at most ``max_bytes`` bytes; a larger one is not read.

    Raises:
        OSError: as ``open_regular_file``, or it is too large.
    """
    with open_regular_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            what = f"the file is too large: {size / 1e6:.0f} MB, more than {max_bytes / 1e6:.0f} MB"
            raise OSError(errno.EFBIG, what, os.fspath(path))
        return file.read()


def file_digest(path: str | os.PathLike[str], name: str = "sha256") -> str:
    """A checksum of a regular file, in hexadecimal."""
    digest = hashlib.new(name, usedforsecurity=False)
    with open_regular_file(path) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of all files of a folder.

    Raises:
        OSError: one cannot be read.
    """
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(f"{path.relative_to(folder).as_posix()}\0{file_digest(path)}\n".encode())
    return whole.hexdigest()


def write_text(path: str | os.PathLike[str], text: str, durable: bool = True) -> None:
    r"""Write UTF-8 text atomically, see ``atomic_path``. A name in it that is not UTF-8 gets JSON's escapes (``\udce9``)."""
    with atomic_path(path, durable) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write JSON atomically: UTF-8, indented, with NaN refused because it is not JSON."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def _name(error: OSError, target: Path) -> None:
    """Let an error of writing, which names no file, say which one was being written: a full disk has no name else."""
    if error.errno is not None and error.filename is None:
        error.filename = str(target)


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
