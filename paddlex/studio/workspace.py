"""A workspace: a folder with pictures, models and a database, which one studio works in at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from paddlex.studio.database.engine import DEFAULT_URL, WRITES, open_database
from paddlex.studio.pictures import Pictures


def now_ms() -> int:
    """Milliseconds since 1970 in UTC, as all times of a workspace."""
    return time.time_ns() // 1_000_000


class Workspace:
    """One folder, opened.

    Args:
        path: the folder; made where there is none.
        database_url: of the database, see ``open_database``; None for a file in the folder.

    Attributes:
        path: of the folder, absolute.
        engine: of the database.
        pictures: kept by content.
        models: the folder of the products' models, ``models/<product>/<number>/``: inference folders.
        jobs: the folder of what is done beside the service.

    Raises:
        WorkspaceError: the folder or the database cannot be used.
    """

    def __init__(self, path: Path, database_url: str | None = None) -> None:
        self.path = path.resolve()
        self.models, self.jobs = self.path / "models", self.path / "jobs"
        for folder in (self.models, self.jobs):
            folder.mkdir(parents=True, exist_ok=True)
        self.engine: Engine = open_database(database_url or DEFAULT_URL.format(path=self.path))
        self.pictures = Pictures(self.path)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are committed together at its end, or not at all."""
        engine = self.engine.execution_options(**{WRITES: True})
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()
