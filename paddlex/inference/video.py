"""Videos and cameras as sources of images, a frame at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from paddlex.errors import ImageReadError

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})
CAMERA = "camera:"

_CAMERA_DIGITS = 4
"""Over a negative number OpenCV ends the process, and a longer one it does not take."""

_CAMERA_RATE = 10.0
"""Frames a second of the annotated video of a camera; encoding more would cost more than the network."""

_TRUNCATED = 0.05
"""A video ends early if more of its frames are missing than this share (and than two): containers round their counts."""

_CONVERT = "Convert it, for example with: ffmpeg -i INPUT -c:v libx264 -pix_fmt yuv420p OUTPUT.mp4"


@dataclass(frozen=True)
class VideoOptions:
    """Which frames are taken.

    Attributes:
        every: of so many frames the first.
        max_frames: stop after so many of a stream; None for its end, which a camera does not have.
    """

    every: int = 1
    max_frames: int | None = None


ALL_FRAMES = VideoOptions()


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame of a video or a camera, or what became of it.

    Attributes:
        input_path: the file, or ``camera:0``.
        frame: its number in the stream, from 0.
        time: seconds from the beginning of the stream.
        image: uint8 [H, W, 3] BGR; None where there is an error.
        error: why there is no image.
    """

    input_path: str
    frame: int
    time: float
    image: np.ndarray | None = None
    error: ImageReadError | None = None

    def read(self) -> np.ndarray:
        """The image.

        Raises:
            ImageReadError: there is none.
        """
        if self.image is None:
            raise self.error or ImageReadError("the frame has no picture", where=self.input_path)
        return self.image

    def __str__(self) -> str:
        return f"{self.input_path} frame {self.frame}"


def is_video(path: str) -> bool:
    """Whether a path ends as those of videos do."""
    return os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES


def camera_index(source: object) -> int | None:
    """The number of the camera that is meant by 0 or ``camera:0``; None for anything else.

    Raises:
        ImageReadError: it is no number that a camera can have.
    """
    if isinstance(source, bool) or not isinstance(source, (int, str)):
        return None
    if isinstance(source, str) and not source.startswith(CAMERA):
        return None
    number = str(source).removeprefix(CAMERA)
    if not number.isdecimal() or len(number) > _CAMERA_DIGITS:
        raise ImageReadError(f"{source!r} names no camera", remedy="Give its number, as in camera:0")
    return int(number)


def video_frames(path: str, options: VideoOptions) -> Iterator[VideoFrame]:
    """The frames of a video file, decoded one at a time; the last has an error if the file is damaged or ends early."""
    with _opened(os.path.abspath(path)) as capture:
        if not capture.isOpened():
            what = "the video is damaged, truncated or of an unknown format"
            yield VideoFrame(path, 0, 0.0, error=ImageReadError(what, where=path, remedy=_CONVERT))
            return
        number = 0
        for frame in _frames(capture, path, options, lambda: capture.get(cv2.CAP_PROP_POS_MSEC) / 1000):
            yield frame
            number = frame.frame + 1
        if options.max_frames is not None and number >= options.max_frames * options.every - (options.every - 1):
            return
        announced = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        missing = announced - number - (options.every - 1)
        if number == 0 or missing > max(2, _TRUNCATED * announced):
            what = f"the video breaks off after {number} frames" + (f" of {announced:.0f}" if announced > 0 else "")
            remedy = "It may be truncated; copy it again, or see whether another player shows more"
            yield VideoFrame(path, number, 0.0, error=ImageReadError(what, where=path, remedy=remedy))


def camera_frames(index: int, options: VideoOptions) -> Iterator[VideoFrame]:
    """The frames of a camera, without end."""
    name = f"{CAMERA}{index}"
    with _opened(index) as capture:
        if not capture.isOpened():
            remedy = (
                "Check that it is plugged in, that no other program uses it, and its number (ls /dev/video* on Linux)"
            )
            error = ImageReadError("the camera cannot be opened", where=name, remedy=remedy)
            yield VideoFrame(name, 0, 0.0, error=error)
            return
        start, number = time.monotonic(), 0
        for frame in _frames(capture, name, options, lambda: time.monotonic() - start):
            yield frame
            number = frame.frame + 1
        if options.max_frames is None or number < options.max_frames:
            what = f"the camera gave no more pictures after {number} frames"
            yield VideoFrame(name, number, 0.0, error=ImageReadError(what, where=name, remedy="Check its cable"))


def frame_rate(input_path: str) -> float:
    """Frames a second of a video file; for a camera, those of the video that is made of it."""
    if camera_index(input_path) is None:
        with _opened(os.path.abspath(input_path)) as capture:
            rate = float(capture.get(cv2.CAP_PROP_FPS))
        if 0.1 <= rate <= 1000:  # False for NaN
            return rate
    return _CAMERA_RATE


def _frames(
    capture: cv2.VideoCapture, name: str, options: VideoOptions, now: Callable[[], float]
) -> Iterator[VideoFrame]:
    number = taken = 0
    while (options.max_frames is None or taken < options.max_frames) and capture.grab():
        if number % options.every == 0:
            seconds = max(0.0, now())
            is_read, image = capture.retrieve()
            if not is_read or image is None or not image.size:
                return
            yield VideoFrame(name, number, round(seconds, 6), image)
            taken += 1
        number += 1


@contextmanager
def _opened(source: str | int) -> Iterator[cv2.VideoCapture]:
    with nullcontext(source) if isinstance(source, int) else utf_8_path(source) as name:
        capture = cv2.VideoCapture(name)
        try:
            yield capture
        finally:
            capture.release()


@contextmanager
def utf_8_path(path: str) -> Iterator[str]:
    """The path of a file, or of a link to it where that is not UTF-8: over such a name OpenCV's videos end the process."""
    try:
        path.encode()
    except UnicodeEncodeError:
        with TemporaryDirectory() as folder:
            link = os.path.join(folder, "video" + os.path.splitext(path)[1])
            os.symlink(path, link)
            yield link
    else:
        yield path
