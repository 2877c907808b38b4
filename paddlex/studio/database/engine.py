"""How a workspace's database is opened: SQLite by default, PostgreSQL by its URL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect

from paddlex.studio.database.audit_guard import guard_audit
from paddlex.studio.database.schema import AuditEntry, Base

#: The database of a workspace that names no other.
DEFAULT_URL = "sqlite:///{path}/studio.db"

#: The execution option of a connection that will write.
WRITES = "paddlex_writes"

_BUSY_MS = 10_000


def open_database(url: str) -> Engine:
    """The database at a URL, with its tables brought up to date."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    is_new = not inspect(engine).has_table(AuditEntry.__tablename__)
    Base.metadata.create_all(engine)
    if is_new:
        with engine.begin() as connection:
            guard_audit(connection)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin when SQLAlchemy says so, not when Python's module guesses
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    """A transaction that will write says so at once: one that begins by reading cannot wait for its turn later."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITES) else "BEGIN")
