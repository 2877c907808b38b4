"""What a database says when it fails, in one line, without the password of its URL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from paddlex.errors import WorkspaceError

#: A part of what a database says -> what to do about it.
_REMEDIES = {
    "removed or replaced": "Stop the studio, put the file back, and start it again",
    "disk is full": "Free some space on the disk",
    "no space left": "Free some space on the disk of the database",
    "disk i/o error": "See that the disk is sound and has space",
    "readonly database": "Check who owns the workspace and may write it",
    "unable to open database file": "Check who owns the workspace and may write it",
    "not a database": "Put a copy of the file in its place, or move it away",
    "malformed": "Put a copy of the file in its place, or move it away",
    "is locked": "End the other program that writes to it",
    "lock timeout": "End the other program that writes to it",
    "authentication failed": "Correct the user or the password of its URL",
    "no password supplied": "Give the password in its URL, or in a .pgpass file",
    "does not exist": "Create it, or correct its URL",
    "permission denied": "Give the database to the user of its URL",
    "already exists": "Choose a database that nothing else uses",
}
_OTHERWISE = "See that the database's server runs and can be reached"
_OTHERWISE_A_FILE = "See that the disk is sound and has space"


class DatabaseError(WorkspaceError):
    """A database fails at what was asked of it: it is not there, full, broken, or does not let us in."""


@contextmanager
def failures_in_one_line(url: URL) -> Iterator[None]:
    """Let a failure of the database, whatever it was doing, be a ``DatabaseError``.

    That a constraint is violated is none: whoever writes knows what to make of it.
    """
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, sqlite3.Error) as error:
        raise _known(str(getattr(error, "orig", error)), url) from error
    except PoolTimeoutError as error:
        raise _known("it has no connection to spare", url) from error


def _known(said: str, url: URL) -> DatabaseError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    what = next((line for line in reversed(lines) if "rror" in line or "FATAL" in line), lines[0] if lines else said)
    if url.password:
        what = what.replace(str(url.password), "***")
    otherwise = _OTHERWISE_A_FILE if url.get_backend_name() == "sqlite" else _OTHERWISE
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in what.lower()), otherwise)
    return DatabaseError(f"the database cannot be used: {what}", where=where(url), remedy=remedy)


def where(url: URL) -> str:
    """Where a database is, for people: its file, or its URL without the password and what may hold another."""
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    return url.set(query={}).render_as_string(hide_password=True)
