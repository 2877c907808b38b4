"""What the tests of the studio share: workspaces, with either database."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import URL, NullPool, create_engine
from sqlalchemy.orm import Session

from paddlex.studio.database.schema import Product, Verdict, Version
from paddlex.studio.workspace import Workspace, now_ms

#: That of PostgreSQL's user ``postgres``.
PASSWORD = "s3cret@/"


def _as_postgres(*command: str | Path) -> None:
    """Run a program of PostgreSQL's, which refuses to run as root."""
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    subprocess.run([*user, *command], check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=120)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[URL]:
    """A server of Debian's, in a folder of its own, and the URL of a database in which nothing is yet."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or (os.geteuid() == 0 and shutil.which("setpriv") is None):
        pytest.skip("PostgreSQL is not here: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # the path of a socket is short
    try:
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        if os.geteuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        _as_postgres(
            programs[-1] / "initdb", "--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync",
            f"--pwfile={folder / 'password'}", f"--pgdata={folder / 'data'}",
        )  # fmt: skip
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        pg_ctl, data = programs[-1] / "pg_ctl", folder / "data"
        _as_postgres(pg_ctl, "start", "--wait", "-D", data, "-l", folder / "log", "-o", options)
        try:
            query = {"host": str(folder)}
            yield URL.create("postgresql", "postgres", PASSWORD, database="postgres", query=query)
        finally:
            _as_postgres(pg_ctl, "stop", "-D", data, "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def free_databases() -> list[URL]:
    """Those that an earlier test has used: emptying one is quicker than making one, which copies 7 MB."""
    return []


@pytest.fixture
def new_database(postgresql: URL, free_databases: list[URL]) -> Iterator[Callable[[], str]]:
    """Gives an empty database of the server; returns its URL, password and all."""
    used: list[URL] = []

    def run(url: URL, *statements: str) -> None:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT", poolclass=NullPool
        )
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def made() -> str:
        if free_databases:
            url = free_databases.pop()
            others = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            run(url, others, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        else:
            url = postgresql.set(database=f"studio_{uuid.uuid4().hex}")
            run(postgresql, f"CREATE DATABASE {url.database}")
        used.append(url)
        return url.render_as_string(hide_password=False)

    yield made
    free_databases.extend(used)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """What a workspace is opened with: None for SQLite, then the URL of a new PostgreSQL database."""
    return None if request.param == "sqlite" else request.getfixturevalue("new_database")()


@pytest.fixture
def workspace(tmp_path: Path, database_url: str | None) -> Iterator[Workspace]:
    """An empty workspace, of either database."""
    opened = Workspace(tmp_path / "workspace", database_url)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def one_connection_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that waits for a second connection while it has one waits for ever once all threads do."""
    holds = threading.local()

    def guarded(
        opened: Callable[[Workspace], AbstractContextManager[Session]],
    ) -> Callable[[Workspace], Iterator[Session]]:
        @contextmanager
        def alone(self: Workspace) -> Iterator[Session]:
            assert not getattr(holds, "one", False), "this thread has a session already"
            with opened(self) as session:
                holds.one = True
                try:
                    yield session
                finally:
                    holds.one = False

        return alone

    for name in ("reading", "writing"):
        monkeypatch.setattr(Workspace, name, guarded(getattr(Workspace, name)))


@pytest.fixture(scope="session")
def png() -> Callable[[int], bytes]:
    """Number -> the file of a small picture, another one for each number."""

    def drawn(number: int) -> bytes:
        picture = np.random.default_rng(number).integers(0, 255, (8, 12, 3), np.uint8)
        return cv2.imencode(".png", picture)[1].tobytes()

    return drawn


@pytest.fixture
def add_version() -> Callable[..., Version]:
    """(workspace, product) -> the row of a version of it, whose model nobody has trained; its product is made as needed."""

    def added(workspace: Workspace, product: str = "grid", number: int = 1) -> Version:
        with workspace.writing() as session:
            row = session.query(Product).filter_by(name=product).one_or_none()
            if row is None:
                row = Product(name=product, made_at=now_ms())
                session.add(row)
                session.flush()
            version = Version(
                product_id=row.id, number=number, folder=f"models/{product}/{number}", digest=f"{number:064x}", how="train",
                pictures=30, learnt_at=now_ms(), made_at=now_ms(), made_by="anna",
            )  # fmt: skip
            session.add(version)
            session.flush()
            row.live_id = version.id
        return version

    return added


@pytest.fixture
def fill(add_version: Callable[..., Version]) -> Callable[..., list[Verdict]]:
    """(workspace, how many) -> verdicts on three products at random, several in the same millisecond; without pictures."""

    def filled(workspace: Workspace, count: int, seed: int = 0) -> list[Verdict]:
        rng = np.random.default_rng(seed)
        versions = [add_version(workspace, name) for name in ("grid", "网格", "screw")]
        words = ("IMG_0001.png", "img%5.PNG", "teil_a.bmp", "=cmd|' /C calc'!A0", "图像.png", "PRüfling", "")
        verdicts = []
        for _ in range(count):
            version, score = versions[rng.integers(3)], round(float(rng.random()), 2)
            corrected = str(rng.choice(["", "", "", "good", "bad"]))
            verdicts.append(
                Verdict(
                    at=1_700_000_000_000 + int(rng.integers(count // 2)), product_id=version.product_id, version_id=version.id,
                    model_digest=version.digest, name=words[rng.integers(len(words))], digest=f"{rng.integers(40):064x}",
                    is_anomalous=score > 0.5, score=score, raw_score=score * 40, threshold=20.0, area=score / 9, by="api",
                    regions=[{"box": [1, 2, 3, 4], "score": score}] if score > 0.5 else [], corrected=corrected,
                    brightness=0.5 if score > 0.3 else None, corrected_by="anna" if corrected else "",
                    corrected_at=1_700_000_100_000 if corrected else None,
                )
            )  # fmt: skip
        with workspace.writing() as session:
            session.add_all(verdicts)
        return verdicts

    return filled
