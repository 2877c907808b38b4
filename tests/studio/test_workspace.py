"""A workspace belongs to one studio at a time, and says in one line why it cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from paddlex.errors import WorkspaceError
from paddlex.studio.database.schema import Picture, Setting
from paddlex.studio.workspace import Workspace


def refused(path: Path, url: str | None = None) -> str:
    with pytest.raises(WorkspaceError) as caught:
        Workspace(path, url).close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_studio_works_in_a_workspace(workspace: Workspace) -> None:
    code = "import sys; from paddlex.studio.workspace import *; Workspace(Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, workspace.path], capture_output=True, text=True)
    assert done.returncode == 1
    assert "another studio is at work in this workspace" in done.stderr.splitlines()[-1]


def test_a_killed_studio_holds_nothing(tmp_path: Path, database_url: str | None) -> None:
    code = """if True:
        import os, sys
        from paddlex.studio.workspace import *
        held = Workspace(Path(sys.argv[1]), *sys.argv[2:])
        os.kill(os.getpid(), 9)"""
    url = [] if database_url is None else [database_url]
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "w"), *url]).returncode == -9
    Workspace(tmp_path / "w", database_url).close()


def test_one_studio_works_with_a_postgresql_database(tmp_path: Path, new_database: Callable[[], str]) -> None:
    url = new_database()
    first = Workspace(tmp_path / "first", url)
    assert "another studio works with this database" in refused(tmp_path / "second", url)
    first.close()
    Workspace(tmp_path / "second", url).close()


def test_a_closed_workspace_holds_no_connection(tmp_path: Path, new_database: Callable[[], str]) -> None:
    url = new_database()
    Workspace(tmp_path / "first", url).close()
    other = Workspace(tmp_path / "other", new_database())
    with other.reading() as session:
        query = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
        assert session.scalar(query, {"name": make_url(url).database}) == 0
    other.close()


def test_a_folder_goes_with_its_own_database_alone(tmp_path: Path, database_url: str | None) -> None:
    workspace = Workspace(tmp_path / "workspace", database_url)
    with workspace.writing() as session:
        session.add(Picture(digest="0" * 64, suffix=".png", width=1, height=1, size=1, added_at=0))
    workspace.close()
    other = f"sqlite:///{tmp_path}/other.db"
    assert "the database has nothing of this workspace, or is another's" in refused(tmp_path / "workspace", other)
    Workspace(tmp_path / "elsewhere", other).close()
    assert "has nothing of this workspace" in refused(tmp_path / "workspace", other)
    own = database_url or f"sqlite:///{tmp_path}/workspace/studio.db"
    assert "that of another workspace" in refused(tmp_path / "empty", own)
    Workspace(tmp_path / "workspace", database_url).close()


def test_a_studio_that_is_killed_while_it_makes_a_workspace_has_not_spoilt_it(
    tmp_path: Path, database_url: str | None
) -> None:
    Workspace(tmp_path / "w", database_url).close()
    (tmp_path / "w" / "workspace.json").unlink()
    Workspace(tmp_path / "w", database_url).close()
    assert (tmp_path / "w" / "workspace.json").exists()


def test_a_wrong_password_is_named_and_no_password_shown(tmp_path: Path, postgresql: object) -> None:
    url = postgresql.set(password="wrong-one")  # type: ignore[attr-defined]
    said = refused(tmp_path / "w", url.render_as_string(hide_password=False))
    assert "password authentication failed" in said
    assert "Correct the user or the password" in said
    assert "wrong-one" not in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:hidden@127.0.0.1:1/none", "onnection refused"),
        ("postgresql://me:hidden@/none?host=/nowhere&password=hidden", "No such file or directory"),
        ("postgresql://me:hid:den@127.0.0.1:port/none", "the database's URL cannot be understood"),
        ("hidden", "the database's URL cannot be understood"),
        ("mysql://me:hidden@host/name", "of no kind that keeps a workspace: mysql"),
        ("sqlite://", "of no kind that keeps a workspace: sqlite"),
        ("sqlite:////nowhere/studio.db", "unable to open database file"),
        ("sqlite:///file:/dev/null?mode=ro&uri=true", "readonly database"),
    ],
)  # fmt: skip
def test_a_database_that_cannot_be_used_is_said_in_one_line(tmp_path: Path, url: str, said: str) -> None:
    answer = refused(tmp_path / "w", url)
    assert said in answer
    assert "hid" not in answer


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 8192])
def test_a_broken_file_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "studio.db").write_bytes(content)
    assert "Put a copy of the file in its place" in refused(tmp_path)
    assert (tmp_path / "studio.db").read_bytes() == content


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "the workspace cannot be made: Not a directory" in refused(tmp_path / "file" / "workspace")


def test_a_full_disk_is_an_error_of_one_line_and_loses_nothing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    with workspace.writing() as session:
        session.add(Setting(name="before", value={}))
    with (
        pytest.raises(WorkspaceError, match=r"disk is full.*Free some space") as caught,
        workspace.writing() as session,
    ):
        session.execute(text("PRAGMA max_page_count = 1"))  # no page more than there are
        session.add(Setting(name="after", value={"much": "x" * 100_000}))
    assert "\n" not in str(caught.value)
    workspace.close()
    again = Workspace(tmp_path / "w")
    with again.reading() as session:
        assert session.get(Setting, "before") is not None
        assert session.get(Setting, "after") is None
    again.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone who may write nothing")
def test_a_read_only_folder_is_said_in_one_line(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    workspace.close()
    for parent in (tmp_path / "w", tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    code = "import sys; from paddlex.studio.workspace import *; Workspace(Path(sys.argv[1]))"
    command = [
        "setpriv",
        "--reuid=nobody",
        "--regid=nogroup",
        "--clear-groups",
        sys.executable,
        "-c",
        code,
        tmp_path / "w",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "DatabaseError: the database cannot be used" in done.stderr.splitlines()[-1]
    assert "Check who owns the workspace and may write it" in done.stderr
