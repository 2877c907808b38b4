"""One process at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paddlex.errors import PaddleXError
from paddlex.utils.logging import logger

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there
    fcntl = None  # type: ignore[assignment]


@contextmanager
def exclusive(path: str | os.PathLike[str], wait_seconds: float = 0) -> Iterator[int]:
    """Hold a lock while the block runs; the kernel lets go of it when its last holder ends, however it ends.

    Args:
        path: of the lock file, which stays; missing parent folders are made.
        wait_seconds: how long to wait for another holder.

    Yields:
        the file descriptor that holds the lock: a child process that inherits it holds the lock too.

    Raises:
        PaddleXError: another process holds it.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _acquire(descriptor, path, time.monotonic() + wait_seconds)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: str | os.PathLike[str], deadline: float) -> None:
    is_waiting = False
    while fcntl is not None:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise PaddleXError(
                    "another process is at work in this folder",
                    where=Path(path).parent,
                    remedy="Let it finish or stop it, or choose another folder",
                ) from None
            if not is_waiting:
                logger.info("Another process is at work in %s: waiting for it to end.", Path(path).parent)
                is_waiting = True
            time.sleep(0.1)


@contextmanager
def exclusive_folder(folder: Path, refusal: PaddleXError) -> Iterator[bool]:
    """Hold a lock on a folder itself, which leaves no file there, while the block runs.

    Args:
        folder: one that is there.
        refusal: what is raised if another holds it.

    Yields:
        whether it is held: not where the system, or the file system, knows no locks.
    """
    if fcntl is None:
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield _is_locked(descriptor, refusal)
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int, refusal: PaddleXError) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise refusal from None
    except OSError:  # some network file systems
        return False
    return True
