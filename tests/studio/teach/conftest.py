"""A studio as a process of its own, somebody who is signed in, and small pictures of a part that is easy to learn."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from paddlex.studio.jobs import UNFINISHED, is_at_work

ROOT = Path(__file__).parents[3]
NAME, PASSWORD = "anna", "correct horse battery"


def picture(number: int, size: int = 96) -> np.ndarray:
    """A good part: a ring on a grey plate, a little elsewhere and a little larger each time, uint8 [size, size, 3]."""
    rng = np.random.default_rng(number)
    image = np.full((size, size, 3), 120, np.uint8)
    for place in range(0, size, 12):
        cv2.line(image, (place, 0), (place, size), (135, 140, 130), 1)
    centre = tuple(int(size / 2 + step) for step in rng.integers(-4, 5, 2))
    cv2.circle(image, centre, int(size / 4 + rng.integers(-3, 4)), (40, 60, 70), size // 16)
    for _ in range(3):
        cv2.circle(image, tuple(int(at) for at in rng.integers(4, size - 4, 2)), 3, (160, 170, 175), -1)
    noise = rng.normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def png_of(image: np.ndarray) -> bytes:
    """Its file."""
    return cv2.imencode(".png", image)[1].tobytes()


class StudioProcess:
    """``python -m paddlex --studio …`` on a free port of 127.0.0.1, and an engineer who is signed in."""

    def __init__(self, workspace: Path, log: Path) -> None:
        self.workspace, self._log = workspace, log
        command = [sys.executable, "-m", "paddlex", "--studio", str(workspace), "--port", "0", "--device", "cpu"]
        with log.open("ab") as file:
            self._before = log.stat().st_size
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=file, stdout=file, env={**os.environ})
        self.client = httpx.Client(base_url=self._url(), timeout=120)
        self._sign_in()

    @property
    def log(self) -> str:
        return self._log.read_bytes()[self._before :].decode("utf-8", "replace")

    def _url(self) -> str:
        return self._until(lambda: (found := re.search(r"Serving on (http://[^\s)]+)", self.log)) and found[1])

    def _sign_in(self) -> None:
        def is_ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return self.client.get("/readyz").status_code == 200
            return False

        self._until(is_ready)
        session = self.client.get("/studio/session").json()
        path = "/studio/setup" if session["needsSetup"] else "/studio/session"
        answer = self.client.post(path, json={"name": NAME, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.client.headers["X-CSRF-Token"] = answer.json()["csrf"]

    def _until(self, found: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            if value := found():
                return value
            time.sleep(0.05)
        raise AssertionError(self.log)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The answer's JSON, which must be no error."""
        answer = self.client.request(method, f"/studio{path}", **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def add_product(self, name: str, images: list[np.ndarray], **settings: Any) -> None:
        """A product with good pictures."""
        self.call("POST", "/products", json={"name": name})
        if settings:
            self.call("PATCH", f"/products/{name}", json={"settings": settings})
        self.send(name, images)

    def send(self, name: str, images: list[np.ndarray], role: str = "good", first: int = 0) -> list[dict[str, Any]]:
        """Send pictures; returns what is told of each."""
        files = [("files", (f"part {first + at}.png", png_of(image))) for at, image in enumerate(images)]
        return self.call("POST", f"/products/{name}/pictures?role={role}", files=files)["pictures"]

    def follow(self, number: int) -> dict[str, Any]:
        """A job when it has ended."""
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            job = self.call("GET", f"/jobs/{number}")
            if job["state"] not in UNFINISHED:
                return job
            time.sleep(0.1)
        raise AssertionError(self.log)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(60)

    def stop(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)


@pytest.fixture(scope="module")
def start_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., StudioProcess]]:
    """Starts one, on a new workspace or on one that is given; whatever it has started ends with the tests."""
    started: list[StudioProcess] = []

    def start(workspace: Path | None = None) -> StudioProcess:
        folder = tmp_path_factory.mktemp("studio")
        started.append(StudioProcess(workspace or folder / "workspace", folder / "log.txt"))
        return started[-1]

    yield start
    for studio in started:
        studio.client.close()
        if studio.process.poll() is None:
            studio.kill()
        for folder in (studio.workspace / "jobs").iterdir():
            if is_at_work(folder):
                with contextlib.suppress(OSError, ValueError):
                    os.killpg(int((folder / "process").read_text()), signal.SIGKILL)


@pytest.fixture(scope="module")
def studio(start_studio: Callable[..., StudioProcess]) -> StudioProcess:
    """One for all tests of a file. Do not stop it."""
    return start_studio()
