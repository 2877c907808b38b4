"""How a workspace's database is opened: SQLite by default, PostgreSQL by its URL."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from paddlex.errors import MissingPackageError, WorkspaceError
from paddlex.studio.database.failures import failures_in_one_line, where
from paddlex.utils.extras import install

#: The database of a workspace that names no other.
DEFAULT_NAME = "studio.db"

#: The execution option of a connection that will write.
WRITES = "paddlex_writes"

#: What is noted with a connection to SQLite: the path, and device and number of the file that it has opened there.
_FILE = "paddlex_file"

_BUSY_MS = 10_000
_CONNECT_SECONDS = 10

#: Of PostgreSQL's advisory locks: that of whoever works in a workspace, and that of the transaction that writes.
_LOCK, _WRITER = 0x53747564, 0x53747565

#: JSON has no NaN; nor has any column, whichever the database.
_JSON = partial(json.dumps, allow_nan=False)


def parse_url(text_of_url: str) -> URL:
    """The URL of a database.

    Raises:
        WorkspaceError: it is none, or of a database that is not known; the message shows nothing of it.
    """
    try:
        url = make_url(text_of_url)
        kind = url.get_backend_name()
    except (ArgumentError, ValueError):
        what = "the database's URL cannot be understood"
        raise WorkspaceError(what, remedy="Give postgresql://user@host/name, the password with %40 for @") from None
    if kind in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if kind == "sqlite" and url.database and url.database != ":memory:":
        return url.set(drivername="sqlite")
    what = f"the database is of no kind that keeps a workspace: {kind[:40]}"
    raise WorkspaceError(what, remedy="Give postgresql://user@host/name, or sqlite:///path")


def make_engine(url: URL) -> Engine:
    """Connections to a database, which is not looked at yet.

    Raises:
        MissingPackageError: what speaks with it is not installed.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, json_serializer=_JSON)
        event.listen(engine, "connect", partial(_prepare_sqlite, url.database or ""))
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    arguments = {"connect_timeout": _CONNECT_SECONDS, "application_name": "paddlex studio"}
    arguments = {key: value for key, value in arguments.items() if key not in url.query}
    try:
        engine = create_engine(url, json_serializer=_JSON, pool_pre_ping=True, connect_args=arguments)
        event.listen(engine, "begin", _begin_postgresql)
        return engine
    except ImportError:
        what = "PostgreSQL needs psycopg, which is not installed or finds no libpq"
        raise MissingPackageError(what, remedy=f"Install it: {install('postgresql')}") from None


@contextmanager
def working_alone(engine: Engine) -> Iterator[None]:
    """Hold the database against any other studio while the block runs; SQLite's is in the folder, which is held itself.

    Raises:
        WorkspaceError: another studio works with it.
    """
    if engine.dialect.name == "sqlite":
        yield
        return
    with failures_in_one_line(engine.url):
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        with failures_in_one_line(engine.url):
            is_held = connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK})
        if not is_held:
            what = "another studio works with this database"
            raise WorkspaceError(what, where=where(engine.url), remedy="Stop it, or choose another database")
        yield
    finally:
        connection.invalidate()  # the lock ends with the connection, which must not go back to be used again
        connection.close()


def _prepare_sqlite(path: str, connection: Any, record: Any) -> None:
    connection.isolation_level = None  # transactions begin when SQLAlchemy says so, not when Python's module guesses
    for pragma in (f"busy_timeout={_BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    record.info[_FILE] = path, _file_at(path)


def _file_at(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _begin_sqlite(connection: Any) -> None:
    """A transaction that will write says so at once: one that begins by reading cannot wait for its turn later.

    What is written to a file that somebody has removed or replaced would be lost without a word.
    """
    is_writing = connection.get_execution_options().get(WRITES)
    if is_writing:
        path, opened = connection.info[_FILE]
        if opened != _file_at(path):
            raise sqlite3.OperationalError("its file was removed or replaced while it was at work")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


def _begin_postgresql(connection: Any) -> None:
    """One transaction writes at a time, as with SQLite: none rests on what another changes, and no two wait for each other."""
    if connection.get_execution_options().get(WRITES):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_BUSY_MS}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER})")
