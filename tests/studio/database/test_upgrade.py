"""A database gets the tables that the code knows, by migrations that are whole or not there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from paddlex.errors import WorkspaceError
from paddlex.studio.database.schema import Base
from paddlex.studio.workspace import Workspace


def test_the_migrations_make_exactly_the_tables_of_the_schema(workspace: Workspace) -> None:
    with workspace.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_workspace_opens_again_with_what_is_in_it(tmp_path: Path, database_url: str | None) -> None:
    for _ in range(2):
        workspace = Workspace(tmp_path / "workspace", database_url)
        with workspace.writing() as session:
            session.execute(
                text("INSERT INTO settings (name, value) SELECT CAST(count(*) AS VARCHAR(9)), '{}' FROM settings")
            )
        with workspace.reading() as session:
            count = session.scalar(text("SELECT count(*) FROM settings"))
        workspace.close()
    assert count == 3  # beside the workspace's own


def test_a_workspace_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path, database_url: str | None) -> None:
    workspace = Workspace(tmp_path / "workspace", database_url)
    with workspace.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    workspace.close()
    for is_shared in (False, True):
        with pytest.raises(WorkspaceError, match=r"used by a newer version of the studio .*9999.*Install") as caught:
            Workspace(tmp_path / "workspace", database_url, is_shared=is_shared)
        assert "\n" not in str(caught.value)


def test_a_look_at_a_workspace_waits_for_nobody_and_makes_nothing(tmp_path: Path, database_url: str | None) -> None:
    with pytest.raises(WorkspaceError, match="there is no such workspace"):
        Workspace(tmp_path / "workspace", database_url, is_shared=True)
    (tmp_path / "workspace").mkdir()
    with pytest.raises(WorkspaceError, match="older version of the studio, or never"):
        Workspace(tmp_path / "workspace", database_url, is_shared=True)
    studio = Workspace(tmp_path / "workspace", database_url)
    look = Workspace(tmp_path / "workspace", database_url, is_shared=True)

    def looked() -> int | None:
        with look.reading() as session:
            return session.scalar(text("SELECT count(*) FROM settings"))

    with studio.writing() as session, ThreadPoolExecutor(1) as another:
        session.execute(text("DELETE FROM settings"))
        assert another.submit(looked).result(timeout=30) == 1
        session.rollback()
    look.close()
    studio.close()


def test_a_migration_that_fails_leaves_no_table(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    engine = create_engine(f"sqlite:///{tmp_path}/workspace/studio.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE versions (what TEXT)")  # the last that the first migration makes
    with pytest.raises(WorkspaceError, match=r"versions already exists.*Choose a database that nothing else uses"):
        Workspace(tmp_path / "workspace")
    with engine.connect() as connection:
        tables = set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
    assert tables <= {"versions", "alembic_version"}
