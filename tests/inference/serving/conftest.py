"""A real server process for the whole run, and servers with other settings in threads of the tests' own process."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import cv2
import httpx
import numpy as np
import pytest

from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.serving.registry import Loaded
from paddlex.inference.serving.server import Server, listen
from paddlex.inference.serving.settings import ServerSettings
from paddlex.inference.serving.web_pages import PAGE

R = TypeVar("R")
ROOT = Path(__file__).parents[3]


class ServerProcess:
    """``python -m paddlex --serve …`` on a free port of 127.0.0.1."""

    def __init__(self, log: Path, *arguments: str, **environment: str) -> None:
        self._log = log
        command = [sys.executable, "-m", "paddlex", "--serve", "--port", "0", "--device", "cpu", *arguments]
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=file, env={**os.environ, **environment})

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        """Where it listens; known before the models are loaded."""
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := re.search(r"Serving on (http://\S+)", self.log):
                return found[1]
            time.sleep(0.02)
        raise AssertionError(self.log)

    def wait_until_ready(self) -> ServerProcess:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):  # if it died, its log says more
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return self
            time.sleep(0.05)
        raise AssertionError(self.log)

    def stop(self) -> int:
        """SIGTERM, then its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(240)


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """What httpx does by itself is to give up after five seconds, which an image can take on a busy machine."""
    with pytest.MonkeyPatch.context() as patch:
        for function in (httpx.get, httpx.post, httpx.request, httpx.Client.__init__):
            patch.setitem(function.__kwdefaults__, "timeout", 240)
        yield


@pytest.fixture(scope="session")
def pipeline_file(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline's YAML with a threshold of its own, and without pictures."""
    path = tmp_path_factory.mktemp("pipelines") / "strict.yaml"
    model = f"SubModules:\n  AnomalyDetection:\n    model_dir: {trained}\n    threshold: 1.5\n"
    path.write_text(f"Serving:\n  visualize: False\n{model}", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ServerProcess]]:
    started: list[ServerProcess] = []

    def start(*arguments: str, **environment: str) -> ServerProcess:
        started.append(ServerProcess(tmp_path_factory.mktemp("server") / "log.txt", *arguments, **environment))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


@pytest.fixture(scope="session")
def server(start_server: Callable[..., ServerProcess], trained: Path, pipeline_file: Path) -> ServerProcess:
    """Serves ``parts`` (the default) and ``strict``. Do not stop it."""
    return start_server("--pipeline", f"parts={trained}", "--pipeline", str(pipeline_file)).wait_until_ready()


@pytest.fixture(scope="session")
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture
def serve_here(predictor: AnomalyPredictor) -> Iterator[Callable[..., str]]:
    """Starts a server with any settings in a thread of this process; returns its URL."""
    running: list[tuple[Server, threading.Thread]] = []

    def serve(judge: object = predictor, page: Path = PAGE, **settings: object) -> str:
        chosen = ServerSettings(**{"port": 0, "drain_delay": 0, "max_batch": 4, **settings})  # type: ignore[arg-type]
        listener = listen(chosen.host, chosen.port)
        server = Server({"parts": "parts"}, lambda _: Loaded(judge), chosen, page)  # type: ignore[arg-type, return-value]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.start()
        running.append((server, thread))
        headers = {"X-API-Key": chosen.api_key or "", "Host": (chosen.allowed_hosts or ("localhost",))[0]}
        while httpx.get(f"{url}/readyz", headers=headers).status_code != 200:
            time.sleep(0.02)
        return url

    yield serve
    for server, thread in running:
        server.should_exit = True
        thread.join(240)
        assert not thread.is_alive()


def run_in_thread(work: Coroutine[Any, Any, R]) -> R:
    """``asyncio.run`` on a thread of its own: in the tests' own, Playwright's loop runs as long as its browser is open."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def run_async() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    return run_in_thread


@pytest.fixture(scope="session")
def photo(images: list[str]) -> bytes:
    """The file of a defective part."""
    return Path(images[1]).read_bytes()


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@pytest.fixture(scope="session")
def photo_base64(photo: bytes) -> str:
    return to_base64(photo)


@pytest.fixture(scope="session")
def photos(images: list[str]) -> list[bytes]:
    """The files of five parts, good and bad."""
    return [Path(path).read_bytes() for path in images]


def png(height: int, width: int, value: int = 128) -> bytes:
    return cv2.imencode(".png", np.full((height, width, 3), value, np.uint8))[1].tobytes()


@pytest.fixture(scope="session")
def make_png() -> Callable[..., bytes]:
    return png
