"""One frame of a network camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.inference.serving.errors import Busy, RequestError
from paddlex.studio import grabbing
from paddlex.studio.grabbing import grab
from tests.studio.teach.conftest import StudioProcess, picture

SECRET = "s3cret-of-the-camera"


class Camera(BaseHTTPRequestHandler):
    """Sends a JPEG to whoever has the password, text to others, nothing at /hangs, and leads to a file at /file."""

    def do_GET(self) -> None:
        if self.path == "/hangs":
            self.server.go_on.wait(60)  # type: ignore[attr-defined]
            return
        if self.path == "/file":
            self.send_response(302)
            self.send_header("Location", f"file://{self.server.file}")  # type: ignore[attr-defined]
            self.end_headers()
            return
        is_picture = self.path == "/snapshot.jpg"
        content = cv2.imencode(".jpg", picture(1))[1].tobytes() if is_picture else b"no picture"
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg" if is_picture else "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
    server.daemon_threads = True
    server.go_on = threading.Event()  # type: ignore[attr-defined]
    server.file = tmp_path / "private.jpg"  # type: ignore[attr-defined]
    cv2.imwrite(str(tmp_path / "private.jpg"), picture(2))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"anna:{SECRET}@127.0.0.1:{server.server_address[1]}"
    server.go_on.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_a_frame_comes_as_a_jpeg(camera: str) -> None:
    data = grab(f"http://{camera}/snapshot.jpg")
    frame = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert data[:3] == b"\xff\xd8\xff"
    assert np.abs(frame.astype(int) - picture(1)).mean() < 6


@pytest.mark.parametrize("path", ["/notes.txt", "/file"])
def test_what_is_no_picture_of_a_camera_is_not_shown_and_the_address_is_not_repeated(camera: str, path: str) -> None:
    with pytest.raises(RequestError, match="has sent no picture") as caught:
        grab(f"http://{camera}{path}")
    assert caught.value.status == 502
    assert SECRET not in str(caught.value)


def test_a_camera_that_hangs_is_given_up(camera: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grabbing, "_MOST_SECONDS", 2)
    with pytest.raises(RequestError, match="has sent no picture"):
        grab(f"http://{camera}/hangs")


@pytest.mark.parametrize(
    "url",
    [
        "/etc/passwd", "file:///etc/passwd", "rtsp://", "http://", "ftp://10.0.0.7/a.jpg", "camera:0", "0", "",
        "concat:http://a/b|file:///etc/passwd", "image%03d.png", "v4l2src ! appsink", "http://a b/", "http://a\n/", "http://a:0/",
        "http://[::1", "http://a/" + "x" * 3000,
    ],
)  # fmt: skip
def test_anything_but_the_address_of_a_camera_is_refused(url: str) -> None:
    with pytest.raises(RequestError) as caught:
        grab(url)
    assert caught.value.status == 422


def test_the_studio_answers_with_the_picture_and_notes_no_password(studio: StudioProcess, camera: str) -> None:
    shown = studio.client.post("/studio/grab", json={"url": f"http://{camera}/snapshot.jpg"})
    assert shown.status_code == 200
    assert shown.headers["content-type"] == "image/jpeg"
    refused = studio.client.post("/studio/grab", json={"url": f"http://{camera}/notes.txt"})
    assert refused.status_code == 502
    assert SECRET not in refused.text + studio.log


def test_only_so_many_cameras_are_asked_at_once(camera: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grabbing, "_PLACES", threading.BoundedSemaphore(1))
    monkeypatch.setattr(grabbing, "_MOST_SECONDS", 5)

    def hang() -> None:
        with pytest.raises(RequestError):
            grab(f"http://{camera}/hangs")

    hanging = threading.Thread(target=hang)
    hanging.start()
    while grabbing._PLACES._value:  # type: ignore[attr-defined]
        time.sleep(0.01)
    with pytest.raises(Busy, match="several cameras"):
        grab(f"http://{camera}/snapshot.jpg")
    hanging.join()
    assert grab(f"http://{camera}/snapshot.jpg")
