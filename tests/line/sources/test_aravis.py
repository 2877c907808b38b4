"""A GenICam camera by way of Aravis, against the fake camera that comes with it."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddlex.errors import MissingPackageError
from paddlex.line.contract import CameraError
from paddlex.line.sources import aravis
from paddlex.line.sources.aravis import AravisOptions, AravisSource
from paddlex.line.sources.aravis_process import LIBRARY, to_bgr
from paddlex.utils.locks import exclusive

FAKE = shutil.which("arv-fake-gv-camera-0.8")


def has_library() -> bool:
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True


needs_aravis = pytest.mark.skipif(
    FAKE is None or not has_library(),
    reason="Aravis and its fake camera are not installed: apt-get install aravis-tools",
)


class FakeCamera:
    """A GigE camera on the loopback interface; there is one port for it, so one at a time on a machine."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [str(FAKE), "-i", "127.0.0.1", "-s", "TEST"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(0.3)
        assert self._process.poll() is None

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def camera() -> Iterator[FakeCamera]:
    with exclusive(Path(tempfile.gettempdir()) / "arv-fake-gv-camera.lock", wait_seconds=300):
        made = FakeCamera()
        yield made
        made.stop()


@pytest.fixture
def source(camera: FakeCamera) -> Iterator[Callable[..., AravisSource]]:
    """Options -> a source that is started."""
    made: list[AravisSource] = []

    def start(**options: Any) -> AravisSource:
        made.append(AravisSource(AravisOptions(camera="127.0.0.1", **options)))
        made[-1].start(lambda trigger: None)
        return made[-1]

    yield start
    for one in made:
        one.close()


def until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def takes_a_picture(source: AravisSource) -> bool:
    try:
        return source.capture(5).shape == (512, 512, 3)
    except CameraError:
        return False


@needs_aravis
def test_each_picture_is_taken_when_it_is_asked_for(source):
    opened = source()
    first, second = opened.capture(20), opened.capture(20)
    assert first.shape == (512, 512, 3) and first.dtype == np.uint8
    assert (first[..., 0] == first[..., 2]).all()  # Mono8
    assert (first != second).any()  # the fake camera's picture moves on
    assert opened.fault() == ""


@needs_aravis
def test_features_are_set_before_the_first_picture(source):
    picture = source(features={"PixelFormat": "BayerRG8", "Width": 320, "Height": 200}).capture(20)
    assert picture.shape == (200, 320, 3)
    assert (picture[..., 0] != picture[..., 2]).any()


@needs_aravis
def test_what_cannot_be_set_is_named(source):
    opened = source(features={"ExposureTimee": 5000})
    until(lambda: "[ExposureTimee] Not found" in opened.fault())
    with pytest.raises(CameraError, match=r"the camera cannot be opened: \[ExposureTimee\] Not found \(127\.0\.0\.1\)"):
        opened.capture(0)


@needs_aravis
def test_a_camera_that_is_lost_is_a_fault_and_found_again(source, camera):
    opened = source()
    opened.capture(20)
    camera.stop()
    until(lambda: opened.fault() == "the camera has been lost")
    camera.start()
    until(lambda: takes_a_picture(opened))


@needs_aravis
def test_a_camera_is_free_again_when_its_source_was_closed(source):
    opened = source()
    opened.capture(20)
    opened.close()
    assert AravisSource(AravisOptions(camera="127.0.0.1")).check() == "127.0.0.1 sends pictures of 512 x 512 pixels"


def test_aravis_that_is_not_installed_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(aravis, "LIBRARY", "libnowhere.so.0")
    with pytest.raises(
        MissingPackageError, match=r"^the source aravis needs Aravis, which is not installed\. .*libaravis"
    ):
        AravisSource(AravisOptions())


COLOUR = (10, 200, 90)  # blue, green, red


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize(("place", "pattern"), enumerate(["GRBG", "RGGB", "GBRG", "BGGR"]))
def test_a_mosaic_becomes_the_colour_it_was_made_of(bits, place, pattern):
    first = {8: 0x01080008, 10: 0x0110000C, 12: 0x01100010, 16: 0x0110002E}[bits]
    values = {name: value << (bits - 8) for name, value in zip("BGR", COLOUR, strict=True)}
    tile = np.array([[values[name] for name in pattern[:2]], [values[name] for name in pattern[2:]]])
    data = np.tile(tile, (4, 6)).astype("<u1" if bits == 8 else "<u2").tobytes()
    picture = to_bgr(data, 8, 12, first + place)
    assert picture.shape == (8, 12, 3)
    assert (picture == COLOUR).all()


def test_colours_and_grey_values_of_other_formats():
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    assert (to_bgr(pixels.tobytes(), 1, 2, 0x02180015) == pixels).all()  # BGR8
    assert (to_bgr(pixels.tobytes(), 1, 2, 0x02180014) == pixels[..., ::-1]).all()  # RGB8
    for bits, number in ((8, 0x01080001), (10, 0x01100003), (12, 0x01100005), (16, 0x01100007)):
        data = (np.array([[7, 255]]) << (bits - 8)).astype("<u1" if bits == 8 else "<u2").tobytes()
        assert to_bgr(data, 1, 2, number).tolist() == [[[7] * 3, [255] * 3]]
    grey = np.array([100, 128, 200, 128], np.uint8)  # Y U Y V without colour; BT.601 gives (Y - 16) * 255 / 219
    assert np.abs(to_bgr(grey.tobytes(), 1, 2, 0x02100032).astype(int)[0, :, 0] - [98, 214]).max() <= 1


def test_padding_at_the_end_of_lines_is_no_part_of_the_picture():
    data = bytes([1, 2, 0, 0, 3, 4, 0, 0])
    assert to_bgr(data, 2, 2, 0x01080001, padding=2)[..., 0].tolist() == [[1, 2], [3, 4]]


def test_what_is_not_understood_is_no_picture():
    with pytest.raises(ValueError, match=r"its pixel format 0x010c0047 is not taken: set features\.PixelFormat"):
        to_bgr(bytes(100), 2, 2, 0x010C0047)
    with pytest.raises(ValueError, match="buffer is smaller"):
        to_bgr(bytes(3), 2, 2, 0x01080001)
