"""A workspace: a folder with pictures, models and a database, which one studio works in at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import URL, Engine
from sqlalchemy.orm import Session

from paddlex.errors import WorkspaceError, in_one_line
from paddlex.studio.database.engine import DEFAULT_NAME, WRITES, make_engine, parse_url, working_alone
from paddlex.studio.database.failures import failures_in_one_line
from paddlex.studio.database.identity import check_identity
from paddlex.studio.database.upgrade import check_current, upgrade
from paddlex.studio.pictures import Pictures
from paddlex.utils.locks import exclusive_folder


def now_ms() -> int:
    """Milliseconds since 1970 in UTC, as all times of a workspace."""
    return time.time_ns() // 1_000_000


class Workspace:
    """One folder, opened.

    Args:
        path: the folder; made where there is none.
        database_url: of the database, see ``parse_url``; None for a file in the folder.
        is_shared: whether a studio may be at work in it: nothing is made, brought up to date or tidied up. For looking.

    Attributes:
        path: of the folder, absolute.
        engine: of the database.
        pictures: kept by content.
        models: the folder of the products' models, ``models/<product>/<number>/``: inference folders.
        jobs: the folder of what is done beside the service.

    Raises:
        WorkspaceError: the folder or the database cannot be used, or another studio works with it.
    """

    def __init__(self, path: Path, database_url: str | None = None, is_shared: bool = False) -> None:
        self.path = path.resolve()
        self.models, self.jobs = self.path / "models", self.path / "jobs"
        self.pictures = Pictures(self.path)
        own = URL.create("sqlite", database=str(self.path / DEFAULT_NAME))
        url = parse_url(database_url) if database_url else own
        with ExitStack() as held:
            if is_shared and not self.path.is_dir():
                raise WorkspaceError("there is no such workspace", where=self.path, remedy="Correct the path")
            if not is_shared:
                held.enter_context(self._folder())
            self.engine: Engine = make_engine(url)
            held.callback(self.engine.dispose)
            if is_shared:
                check_current(self.engine)
            else:
                held.enter_context(working_alone(self.engine))
                upgrade(self.engine)
                self._begin()
            self._held = held.pop_all()

    @contextmanager
    def _folder(self) -> Iterator[None]:
        """Make the folder, and hold it."""
        try:
            if not self.path.exists():
                self.path.mkdir(mode=0o700, parents=True)  # hashes of passwords, and pictures of what is made here
            for folder in (self.models, self.jobs):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(f"the workspace cannot be made: {in_one_line(error)}") from error
        what = "another studio is at work in this workspace"
        refusal = WorkspaceError(what, where=self.path, remedy="Stop it, or choose another folder")
        with exclusive_folder(self.path, refusal):
            yield

    def _begin(self) -> None:
        """See that folder and database go together, and put in order what a killed studio has left."""
        try:
            with self.writing() as session:
                check_identity(session, self.path)
            with self.reading() as session:
                self.pictures.tidy(session)
        except OSError as error:
            raise WorkspaceError(f"the workspace cannot be used: {in_one_line(error)}") from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that changes nothing.

        Raises:
            WorkspaceError: the database fails.
        """
        with failures_in_one_line(self.engine.url), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are committed together at its end, or not at all; the only one that writes meanwhile.

        Raises:
            WorkspaceError: the database fails.
        """
        engine = self.engine.execution_options(**{WRITES: True})
        with failures_in_one_line(engine.url), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Let go of the folder and the database."""
        self._held.close()
