"""What writing leaves when the process is killed: temporary files and folders, and how the next process finishes with them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there, and nothing tidied up
    fcntl = None  # type: ignore[assignment]

#: What ``tempfile`` makes of ``.stem.``, the mark and a suffix, and what ``atomic_directory`` appends when it retires a folder.
_TEMPORARY_NAME = re.compile(
    r"\.(?P<stem>.+)\.(?P<mark>paddlex-)?[a-z0-9_]{8}(?:(?P<retired>\.old)|(?P<suffix>\.[^.]+))?"
)
#: In every temporary name, so that nobody else's file is taken for ours.
MARK = "paddlex-"

#: Of a name, so many letters are in its temporary one.
LONGEST_STEM = 40

#: What is younger may be about to be locked.
_SECONDS_TO_LOCK = 60.0


@contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty folder that is removed after the block, or by ``tidy_up`` if the process is killed in it."""
    folder = Path(tempfile.mkdtemp(prefix=f".{name[:LONGEST_STEM]}.{MARK}", dir=parent))
    try:
        with locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tidy_up(folder: Path, own: re.Pattern[str] | None = None) -> list[str]:
    """Finish what processes that were killed have left half done in a folder; what a living one holds is left alone.

    Temporary files and folders go. A folder that was retired in favour of a new one comes back if the new one never took its
    place. Who writes holds a lock of the kernel on what it writes, which ends with the process. Where the file system knows
    no locks nothing is removed.

    Args:
        folder: where ``atomic_path`` and ``atomic_directory`` were at work; it need not exist.
        own: matches names that no other process can be writing now, which need not be a minute old.

    Returns:
        The names of what was removed or put back.
    """
    if fcntl is None or not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.startswith("."))
    done = []
    for name in names:
        match = _TEMPORARY_NAME.fullmatch(name)
        if match is None:
            continue
        is_own = own is not None and own.fullmatch(match["stem"] + (match["suffix"] or "")) is not None
        if not (is_own or match["mark"]):
            continue
        with contextlib.suppress(OSError):  # another process tidies up as well, or is at work on it
            if is_own or _is_old(folder / name):
                _finish_if_left(folder / name, match)
                done.append(name)
    return done


def _is_old(path: Path) -> bool:
    return time.time() - path.lstat().st_mtime >= _SECONDS_TO_LOCK


def _finish_if_left(path: Path, match: re.Match[str]) -> None:
    """Raises an OSError if a living process holds it."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _finish(path, match)
    finally:
        os.close(handle)


def _finish(path: Path, match: re.Match[str]) -> None:
    """Remove what was left, or put it back if it was retired in favour of a folder that never came."""
    if path.is_dir() and match["retired"] and not path.with_name(match["stem"]).exists():
        if len(match["stem"]) < LONGEST_STEM:  # else its whole name is not known: it stays as it is
            os.replace(path, path.with_name(match["stem"]))
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that ``tidy_up`` respects on a file or folder; nothing where there is none, or no locks."""
    handle = None
    with contextlib.suppress(OSError):  # it is not there, or on a network file system that knows no locks
        if fcntl is not None:
            handle = os.open(path, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)
