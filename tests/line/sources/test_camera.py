"""A camera's stream is kept open, and a picture of it was taken after it was asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddlex.errors import ConfigError
from paddlex.line.contract import CameraError
from paddlex.line.sources.camera import CameraOptions, CameraSource
from tests.line.conftest import until

SECRET = "s3cret/@"

#: An RTSP server, by GStreamer, whose stream is for who has the password; says its port.
RTSP = f"""
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
factory, permissions, token = GstRtspServer.RTSPMediaFactory(), GstRtspServer.RTSPPermissions(), GstRtspServer.RTSPToken()
factory.set_launch(
    "( videotestsrc is-live=true pattern=white ! video/x-raw,format=I420,width=64,height=48,framerate=20/1 ! jpegenc"
    " ! rtpjpegpay name=pay0 )"
)
permissions.add_role("user")
permissions.add_permission_for_role("user", "media.factory.access", True)
permissions.add_permission_for_role("user", "media.factory.construct", True)
factory.set_permissions(permissions)
token.set_string("media.factory.role", "user")
authentication = GstRtspServer.RTSPAuth()
authentication.add_basic(GstRtspServer.RTSPAuth.make_basic("anna", "{SECRET}"), token)
server = GstRtspServer.RTSPServer()
server.set_auth(authentication)
server.set_address("127.0.0.1")
server.set_service("0")
server.get_mount_points().add_factory("/stream", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"""


class Camera(ThreadingHTTPServer):
    """Sends MJPEG of 20 pictures a second to who has the password, each as grey as the light is when it is taken."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Stream)
        self.light, self.hangs, self.goes_on = 0, False, threading.Event()
        self.authorizations: list[str | None] = []
        self.address = f"http://127.0.0.1:{self.server_address[1]}/stream.mjpg"


class Stream(BaseHTTPRequestHandler):
    server: Camera

    def do_GET(self) -> None:
        self.server.authorizations.append(self.headers["Authorization"])
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        while not self.server.goes_on.wait(0.05):
            if self.server.hangs:
                self.server.goes_on.wait()
            jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), self.server.light, np.uint8))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + jpeg + b"\r\n")
            except OSError:
                return

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def camera() -> Iterator[Camera]:
    server = Camera()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.goes_on.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def make_source(camera: Camera) -> Iterator[Callable[..., CameraSource]]:
    sources = []

    def make(**options: Any) -> CameraSource:
        source = CameraSource(CameraOptions(**{"address": camera.address, "stream_s": 30, **options}))
        source.start(lambda trigger: None)
        sources.append(source)
        return source

    yield make
    for source in sources:
        source.close()


def test_a_picture_shows_what_there_is_when_it_is_asked_for(
    camera: Camera, make_source: Callable[..., CameraSource]
) -> None:
    source = make_source(skip=2)
    for light in (10, 200, 90):
        camera.light = light
        time.sleep(0.5)  # what is under way in the network arrives; nobody asks for it
        picture = source.capture(60)
        assert picture.shape == (48, 64, 3)
        assert abs(float(picture.mean()) - light) < 4
    assert source.fault() == ""


def test_a_picture_that_comes_too_late_is_not_taken_for_the_next(
    camera: Camera, make_source: Callable[..., CameraSource]
) -> None:
    source = make_source()
    source.capture(60)
    with pytest.raises(CameraError, match="no picture in time"):
        source.capture(0)
    until(lambda: source._had == source._asked)
    camera.light = 200
    time.sleep(0.2)
    assert abs(float(source.capture(60).mean()) - 200) < 4


def test_a_stream_that_is_lost_is_opened_again(camera: Camera, make_source: Callable[..., CameraSource]) -> None:
    source = make_source()
    source.capture(60)
    process = source._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: source.fault() == "the camera has been lost")
    assert source.capture(60).shape == (48, 64, 3)
    assert source.fault() == ""


def test_a_stream_that_hangs_is_a_fault_and_opened_again(
    camera: Camera, make_source: Callable[..., CameraSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_source()
    source.capture(60)
    source._options.stream_s = 0.1
    monkeypatch.setattr("paddlex.line.sources.camera._GRACE", 0.1)
    camera.hangs = True
    with pytest.raises(CameraError):
        source.capture(5)
    until(lambda: source.fault() != "")
    camera.hangs = False
    source._options.stream_s = 30
    assert source.capture(60).shape == (48, 64, 3)


def test_the_password_reaches_the_camera_and_no_message(
    camera: Camera, make_source: Callable[..., CameraSource], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "password").write_text(SECRET)
    source = make_source(user="anna", password_file=str(tmp_path / "password"))
    source.capture(60)
    assert source._process is not None
    command = Path(f"/proc/{source._process.pid}/cmdline").read_bytes() if Path("/proc").is_dir() else b""
    camera.hangs = True
    source._process.kill()
    with pytest.raises(CameraError) as caught:
        source.capture(0.2)
    assert SECRET not in f"{source._process}{caught.value}{caplog.text}{command!r}"
    assert "s3cret" not in f"{caught.value}{caplog.text}{source.place}{command!r}"
    assert "127.0.0.1" in caplog.text


@pytest.fixture
def rtsp() -> Iterator[str]:
    command = ["/usr/bin/python3", "-c", RTSP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        if not port:
            pytest.skip("apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good")
        yield f"rtsp://127.0.0.1:{port}/stream"
        server.kill()


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="Debian's Python has the bindings of its GStreamer")
def test_a_camera_speaks_rtsp(rtsp: str, make_source: Callable[..., CameraSource], tmp_path: Path) -> None:
    (tmp_path / "password").write_text(SECRET)
    source = make_source(address=rtsp, user="anna", password_file=str(tmp_path / "password"))
    picture = source.capture(60)
    assert (picture.shape, picture.min() > 220) == ((48, 64, 3), True)


def test_a_camera_that_is_not_there_is_a_fault_from_the_start() -> None:
    source = CameraSource(CameraOptions(address="http://127.0.0.1:1/stream", stream_s=5))
    source.start(lambda trigger: None)
    try:
        with pytest.raises(CameraError):
            source.capture(0.1)
        until(lambda: source.fault() == "the camera cannot be opened")
    finally:
        source.close()


def test_a_check_says_what_the_camera_sends(camera: Camera) -> None:
    source = CameraSource(CameraOptions(address=camera.address, stream_s=30))
    assert source.check() == f"http://127.0.0.1:{camera.server_address[1]} sends pictures of 64 x 48 pixels"


@pytest.mark.parametrize("address", ["/etc/passwd", "file:///etc/passwd", "camera:x", "rtsp://anna:s3cret@/", "0 ", ""])
def test_what_is_no_camera_is_an_error_of_the_config(address: str) -> None:
    with pytest.raises(ConfigError, match=r"Source\.address") as caught:
        CameraSource(CameraOptions(address=address))
    assert "s3cret" not in str(caught.value)
