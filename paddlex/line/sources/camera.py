"""A camera by way of OpenCV: RTSP, MJPEG over HTTP, or one that is plugged in."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Annotated, ClassVar
from urllib.parse import quote, urlsplit

import numpy as np
from pydantic import Field

from paddlex.config_schema import Section
from paddlex.errors import ConfigError, ImageReadError
from paddlex.inference.network_camera import check_address
from paddlex.inference.video import camera_index
from paddlex.line.contract import Answer, CameraError, Trigger
from paddlex.line.secret import SignInOptions
from paddlex.line.sources.camera_process import HEADER
from paddlex.utils.child_process import environment_of_child
from paddlex.utils.logging import logger

#: Seconds until a stream that is lost is opened again, twice as long each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0

#: Seconds for which the process may take longer than its stream to say so.
_GRACE = 5.0

_POLL = 0.5

#: Seconds until a process that should end is killed.
_LETS_GO = 1.0

_MOST_BYTES = 2**30

_MOST_REASON = 1000

_REMEDY = "See that it is switched on and reached, and its address, user and password"


class HeldOptions(Section):
    """Of a camera that a process holds open.

    Attributes:
        skip: pictures to pass over after a trigger.
        stream_s: seconds until it must be open, and until each picture must be there.
    """

    skip: Annotated[int, Field(ge=0, le=100, strict=True)] = 0
    stream_s: Annotated[float, Field(gt=0, le=60)] = 5.0


class HeldCamera:
    """See ``Source``. A process keeps the camera open, and is started again when it ends or hangs.

    Args:
        options: of it.
        place: which camera, without what may be secret.
        module: that the process runs, see ``camera_process``.
        request: the line that it reads first.
    """

    options: ClassVar[type[Section]]

    def __init__(self, options: HeldOptions, place: str, module: str, request: str) -> None:
        self._options, self.place, self._module, self._request = options, place, module, request
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_open = self._is_closed = False
        self._fault = "the camera is being opened"
        self._asked = self._had = 0  # pictures of this stream, that were asked for and have come
        self._waits_since = 0.0
        self._picture: np.ndarray | None = None

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        threading.Thread(target=self._keep_open, name="camera", daemon=True).start()

    def capture(self, seconds: float) -> np.ndarray:
        until = time.monotonic() + max(0.0, seconds)
        with self._changed:
            self._changed.wait_for(lambda: self._is_open or self._is_closed, max(0.0, seconds))
            process = self._process
            if not self._is_open or process is None:
                raise CameraError(self._fault, where=self.place, remedy=_REMEDY)
            if self._asked == self._had:
                self._waits_since = time.monotonic()
            pictures = self._options.skip + 1
            self._asked += pictures
            wanted = self._asked
            try:
                _write(process, b"\n" * pictures)
            except (OSError, ValueError):  # the process has ended, or the source was closed
                raise CameraError("the camera has been lost", where=self.place, remedy=_REMEDY) from None
            self._changed.wait_for(
                lambda: self._had >= wanted or self._process is not process, max(0.0, until - time.monotonic())
            )
            if self._had < wanted or self._process is not process or self._picture is None:
                what = "the camera has sent no picture in time"
                raise CameraError(what, where=self.place, remedy="Set a longer Line.deadline_s, or see to the camera")
            return self._picture

    def fault(self) -> str:
        return "" if self._is_open else self._fault

    def answered(self, trigger: Trigger, answer: Answer) -> None:
        """Nothing: it has no triggers of its own."""

    def check(self) -> str:
        self.start(lambda trigger: None)
        try:
            height, width = self.capture(2 * self._options.stream_s).shape[:2]
        finally:
            self.close()
        return f"{self.place} sends pictures of {width} x {height} pixels"

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            process = self._process
            self._changed.notify_all()
        if process is not None and process.stdin is not None:
            process.stdin.close()  # it lets go of the camera, which else would hold its place for seconds
            try:
                process.wait(_LETS_GO)
            except subprocess.TimeoutExpired:
                process.kill()

    def _keep_open(self) -> None:
        failures = 0
        while not self._is_closed:
            if self._hold():
                failures = 0
            failures += 1
            with self._changed:
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
                self._changed.wait_for(lambda: self._is_closed, pause)

    def _hold(self) -> bool:
        """Run the process until it ends; returns whether the stream was open."""
        command = [sys.executable, "-m", self._module, str(self._options.stream_s)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            env=environment_of_child(), start_new_session=True,
        )  # fmt: skip
        with self._changed:
            self._process = process
            if self._is_closed:
                process.kill()
        was_open, reason = False, ""
        try:
            _write(process, self._request.encode() + b"\n")
            until = time.monotonic() + self._options.stream_s + _GRACE
            _, length = HEADER.unpack(_read(process, HEADER.size, until))
            if length:
                reason = ": " + _read(process, min(length, _MOST_REASON), until).decode(errors="replace")
                raise OSError("it says why it cannot be opened")
            was_open = True
            logger.info("The camera %s is open.", self.place)
            with self._changed:
                self._is_open, self._fault = True, ""
                self._asked = self._had = 0
                self._changed.notify_all()
            while True:
                self._take(process)
        except OSError:
            process.kill()
            process.wait()
        with self._changed:
            fault = "the camera has been lost" if was_open else f"the camera cannot be opened{reason}"
            if fault != self._fault and not self._is_closed:
                logger.warning("%s (%s). %s.", fault.capitalize(), self.place, _REMEDY)
            self._fault = fault
            self._is_open, self._process = False, None
            self._changed.notify_all()
        return was_open  # its pipes are closed when nobody uses them any more

    def _take(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the next picture that was asked for.

        Raises:
            OSError: the process has ended, or sends nothing any more.
        """
        assert process.stdout is not None
        while not select.select([process.stdout], [], [], _POLL)[0]:
            with self._changed:
                is_waiting = self._had < self._asked
            if is_waiting and time.monotonic() - self._waits_since > self._options.stream_s + _GRACE:
                raise OSError("it hangs")
        until = time.monotonic() + self._options.stream_s
        height, width = HEADER.unpack(_read(process, HEADER.size, until))
        if not 0 < 3 * height * width <= _MOST_BYTES:
            raise OSError("it is no picture")
        picture = np.frombuffer(_read(process, 3 * height * width, until), np.uint8).reshape(height, width, 3)
        with self._changed:
            self._picture = picture
            self._had += 1
            self._waits_since = time.monotonic()
            self._changed.notify_all()


class CameraOptions(HeldOptions, SignInOptions):
    """Of a camera; the shipped file explains each."""

    address: str


class CameraSource(HeldCamera):
    """A stream of the network, or a camera that OpenCV finds by its number.

    Args:
        options: which camera.

    Raises:
        ConfigError: the address is none, or the password cannot be read.
    """

    options: ClassVar[type[Section]] = CameraOptions

    def __init__(self, options: CameraOptions) -> None:
        address = place = options.address
        try:
            is_local = camera_index(address) is not None
            if not is_local:
                check_address(address)
        except ImageReadError as error:
            raise ConfigError(error.what, where="Source.address", remedy=error.remedy or "Correct it") from None
        if not is_local:
            parts = urlsplit(address)
            place = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
            if options.user is not None:
                secret = ":".join(quote(text, safe="") for text in (options.user, options.password() or ""))
                address = parts._replace(netloc=f"{secret}@{parts.netloc.rpartition('@')[2]}").geturl()
        super().__init__(options, place, "paddlex.line.sources.camera_process", address)


def _write(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)


def _read(process: subprocess.Popen[bytes], size: int, until: float) -> bytes:
    assert process.stdout is not None
    data = bytearray()
    while len(data) < size:
        if not select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
            raise OSError("the time is over")
        piece = os.read(process.stdout.fileno(), min(size - len(data), 2**20))
        if not piece:
            raise OSError("the stream has ended")
        data += piece
    return bytes(data)
