"""Where things are kept that can be fetched or computed again."""

from __future__ import annotations

import os
import stat
import tempfile
from functools import cache
from pathlib import Path

from paddlex.utils.logging import logger


def cache_folder() -> Path:
    """``$PADDLEX_HOME``, or ``~/.cache/paddlex`` if it is not set; for a user without a home, one among the temporary files."""
    try:
        return Path(os.environ.get("PADDLEX_HOME") or "~/.cache/paddlex").expanduser()
    except RuntimeError:  # no HOME, and no entry for the user
        return _temporary_cache()


def cache_path(relative: str) -> Path:
    """The place of something in the cache: where it is already, or where it can be put.

    A cache that cannot be written to, such as a container's, is read; what is not in it goes among the temporary files.
    """
    path = cache_folder() / relative
    if path.exists() or _is_writable(path.parent):
        return path
    return _temporary_cache() / relative


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


@cache
def _temporary_cache() -> Path:
    """A folder of this user alone: others may write where temporary files are, and could put another model there."""
    owner = os.getuid() if hasattr(os, "getuid") else None
    folder = Path(tempfile.gettempdir()) / ("paddlex" if owner is None else f"paddlex-{owner}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and (owner is None or (found.st_uid == owner and not found.st_mode & 0o022))
    if not is_ours:
        folder = Path(tempfile.mkdtemp(prefix="paddlex-"))
    logger.warning("The cache cannot be written to: %s takes its place. Set PADDLEX_HOME to another folder.", folder)
    return folder
