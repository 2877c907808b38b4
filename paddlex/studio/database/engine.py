"""How a workspace's database is opened: SQLite by default, PostgreSQL by its URL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event

from paddlex.studio.database.schema import Base

#: The database of a workspace that names no other.
DEFAULT_URL = "sqlite:///{path}/studio.db"

_BUSY_MS = 10_000


def open_database(url: str) -> Engine:
    """The database at a URL, with its tables brought up to date."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    Base.metadata.create_all(engine)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin when SQLAlchemy says so, not when Python's module guesses
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN")
