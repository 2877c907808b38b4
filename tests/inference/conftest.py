"""One loaded model for all tests of inference, and a real web server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from paddlex.inference.predictor import AnomalyPredictor


@pytest.fixture(scope="session")
def predictor(trained: Path) -> AnomalyPredictor:
    return AnomalyPredictor(trained, device="cpu")


@pytest.fixture(scope="session")
def images(demo_dataset: Path) -> list[str]:
    """Five validation images, good and bad."""
    folder = demo_dataset / "images" / "val"
    return [str(folder / name / "000.jpg") for name in ("bent", "glue", "good", "metal_contamination", "thread")]


class WebServer:
    """Serves a folder on 127.0.0.1 and notes what is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[str] = []
        server = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                super().do_GET()

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def web_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "web"
    folder.mkdir()
    server = WebServer(folder)
    yield server
    server.close()
