"""A studio in a process of its own, as people start it, with an engineer and an operator."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher

from paddlex.studio.sessions import csrf_of
from paddlex.studio.users import Users
from paddlex.studio.workspace import Workspace, now_ms

ROOT = Path(__file__).parents[3]

PASSWORD = "correct horse battery staple"
KEY = "k" * 32

#: Of that password, as it was hashed when hashing was cheaper.
PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)

_NETWORKS = itertools.count(1)


class StudioProcess:
    """``python -m paddlex --studio …`` on a free port."""

    def __init__(self, log: Path, workspace: Path, *arguments: str, **environment: str) -> None:
        self.workspace, self.arguments = workspace, arguments
        self._log = log
        command = [sys.executable, "-m", "paddlex", "--studio", str(workspace), "--port", "0", "--device", "cpu"]
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [*command, *arguments], cwd=ROOT, stdout=file, stderr=file, env={**os.environ, **environment}
            )
        self.url = ""
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := re.search(r"Serving on http://\S+:(\d+) ", self.log):
                self.url = f"http://127.0.0.1:{found[1]}"
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{self.url}/readyz", timeout=240).status_code == 200:
                        return
            time.sleep(0.05)
        raise AssertionError(self.log)

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def client(self, **headers: str) -> httpx.Client:
        """A browser in which nobody is signed in; behind a proxy each is at an address of its own."""
        if "--behind_proxy" in self.arguments:
            headers = {"X-Forwarded-For": f"2001:db8:0:{next(_NETWORKS):x}::1", **headers}
        return httpx.Client(base_url=self.url, timeout=240, verify=False, headers=headers)

    def add_user(self, role: str = "operator") -> str:
        """Another user, for a test that changes it; returns the name."""
        name = f"{role} {next(_NETWORKS)}"
        row = (name, role, PASSWORD_HASH, True, 0, 0, now_ms())
        with contextlib.closing(sqlite3.connect(self.workspace / "studio.db", timeout=60)) as database, database:
            database.execute(
                "INSERT INTO users (name, role, password, is_active, failures, locked_until, made_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)", row,
            )  # fmt: skip
        return name

    def signed_in(self, name: str, *, made_ago: int = 0, seen_ago: int = 0) -> Browser:
        """A browser in which somebody signed in that many milliseconds ago; it costs no hash of a password."""
        token = os.urandom(24).hex()[:43]
        with contextlib.closing(sqlite3.connect(self.workspace / "studio.db", timeout=60)) as database, database:
            (user,) = database.execute("SELECT id FROM users WHERE name = ?", (name,)).fetchone()
            digest = hashlib.sha256(token.encode()).hexdigest()
            row = (digest, user, now_ms() - made_ago, now_ms() - seen_ago)
            database.execute("INSERT INTO sessions (token_digest, user_id, made_at, seen_at) VALUES (?, ?, ?, ?)", row)
        return Browser(self.url, token)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(240)


class Browser(httpx.Client):
    """A client with a session's cookie and its CSRF token."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Cookie": f"studio_session={token}", "X-CSRF-Token": csrf_of(token)}
        super().__init__(base_url=url, headers=headers, timeout=240, verify=False)  # verifying would cost a test 30 ms
        self.token = token


def with_users(folder: Path) -> Path:
    """A workspace with the engineer anna and the operator bert."""
    workspace = Workspace(folder)
    users = Users(workspace)
    users.set_up("anna", PASSWORD)
    users.add("bert", "operator", PASSWORD, "anna")
    users.sessions.close()
    workspace.close()
    return folder


@pytest.fixture(scope="session")
def start_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., StudioProcess]]:
    started: list[StudioProcess] = []

    def start(workspace: Path, *arguments: str, **environment: str) -> StudioProcess:
        started.append(StudioProcess(tmp_path_factory.mktemp("studio") / "log", workspace, *arguments, **environment))
        return started[-1]

    yield start
    for studio in started:
        if studio.process.poll() is None:
            studio.process.kill()
            studio.process.wait()


@pytest.fixture(scope="session")
def studio(start_studio: Callable[..., StudioProcess], tmp_path_factory: pytest.TempPathFactory) -> StudioProcess:
    """With an API key. Change none of its users."""
    return start_studio(with_users(tmp_path_factory.mktemp("access") / "workspace"), PADDLEX_API_KEY=KEY)


@pytest.fixture(scope="session")
def proxied(start_studio: Callable[..., StudioProcess], tmp_path_factory: pytest.TempPathFactory) -> StudioProcess:
    """Behind a proxy, so that each browser comes from elsewhere. Add users to change them."""
    return start_studio(with_users(tmp_path_factory.mktemp("proxied") / "workspace"), "--behind_proxy")
