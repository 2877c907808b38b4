"""The annotated videos of videos' results, and a line of JSON for each frame."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from paddlex.errors import PaddleXError
from paddlex.inference.results import AnomalyResult
from paddlex.inference.video import VideoOptions, frame_rate, utf_8_path
from paddlex.utils.files import atomic_path

_LONGEST_STILL = 2.0  # seconds: a longer gap in the time stamps is not filled with more of the same picture


class VideoOutput:
    """``<stem>_res.webm`` and ``<stem>_res.jsonl``: every result as a picture, and as a line of what its JSON file would hold.

    The video is VP8 in WebM, because OpenCV's own FFmpeg writes it and browsers play it; they play neither of the other
    formats that it writes fast, MPEG-4 part 2 and Motion JPEG. It runs at the speed of the input. Both files appear when the
    block ends, whole, or not at all.

    Args:
        stem: the path of both without ``_res`` and suffix.
        rate: frames a second.
        files: which of the two, ``picture`` and ``json``, are written.

    Attributes:
        files: where those are.

    Raises:
        PaddleXError: this OpenCV cannot write it.
    """

    def __init__(self, stem: Path, rate: float, files: Collection[str] = ("picture", "json")) -> None:
        endings = {"picture": "_res.webm", "json": "_res.jsonl"}
        self.files = {what: stem.with_name(f"{stem.name}{endings[what]}") for what in endings if what in files}
        self._rate = rate
        self._files = ExitStack()
        self._written = 0
        self._start = 0.0
        self._last: np.ndarray | None = None

    def __enter__(self) -> VideoOutput:
        self._writer: cv2.VideoWriter | None = None
        with self._files:  # what is open is closed again if the next cannot be opened
            if "picture" in self.files:
                path = self._files.enter_context(atomic_path(self.files["picture"]))
                self._video_path = self._files.enter_context(utf_8_path(os.path.abspath(path)))
            if "json" in self.files:
                path = self._files.enter_context(atomic_path(self.files["json"]))
                self._file = self._files.enter_context(path.open("w", encoding="utf-8", errors="backslashreplace"))
            self._files.callback(self._release)
            self._files = self._files.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, error, traceback)

    def add(self, result: AnomalyResult, picture: np.ndarray | None) -> None:
        """Take in the next frame's result, and the picture of it, uint8 [H, W, 3] BGR, if a video is made."""
        if "json" in self.files:
            self._file.write(json.dumps(result.record(), ensure_ascii=False, allow_nan=False) + "\n")
        if picture is not None and "picture" in self.files:
            self._show(result, picture)

    def _show(self, result: AnomalyResult, picture: np.ndarray) -> None:
        if self._writer is None or self._last is None:
            height, width = (side + side % 2 for side in picture.shape[:2])  # colours are stored for pairs of pixels
            self._writer, self._start = self._open(width, height), result["time"]
        else:
            height, width = self._last.shape[:2]
            late = min((result["time"] - self._start) * self._rate - self._written, _LONGEST_STILL * self._rate)
            for _ in range(round(late)):
                self._write(self._last)
        if picture.shape[:2] != (height, width):
            picture = _fit(picture, height, width)
        self._last = picture
        self._write(picture)

    def _write(self, picture: np.ndarray) -> None:
        assert self._writer is not None
        self._writer.write(picture)
        self._written += 1

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        with _fast_and_quiet():
            writer = cv2.VideoWriter(
                self._video_path, cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"VP80"), self._rate, (width, height)
            )
        if not writer.isOpened():
            raise PaddleXError(
                "this OpenCV cannot write WebM videos",
                where=self.files["picture"],
                remedy="pip install --force-reinstall opencv-python-headless",
            )
        return writer

    def _release(self) -> None:
        if self._writer is not None:
            self._writer.release()


class VideoOutputs:
    """The video that is being written; the next begins where the path of the files changes."""

    def __init__(self, options: VideoOptions, files: Collection[str]) -> None:
        self._every = options.every
        self._files = files
        self._opened = ExitStack()
        self._stem: Path | None = None
        self._output: VideoOutput | None = None
        self._last: AnomalyResult | None = None
        self._broken: list[tuple[AnomalyResult, Path, Exception]] = []

    def __enter__(self) -> VideoOutputs:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._opened.__exit__(*exception)

    def add(self, result: AnomalyResult, stem: Path, picture: np.ndarray | None) -> dict[str, Path]:
        """Take in the next frame; returns where the video and the lines of JSON will be.

        An error is raised once; what follows of the same video is then left out.
        """
        if stem != self._stem:
            self._close()
            self._stem = stem
            rate = frame_rate(result["input_path"]) / self._every
            self._output = self._opened.enter_context(VideoOutput(stem, rate, self._files))
        if self._output is None:
            return {}
        self._last = result
        try:
            self._output.add(result, picture)
        except BaseException:
            self._output = None
            self._opened.pop_all().__exit__(*sys.exc_info())
            raise
        return self._output.files

    def finish(self) -> list[tuple[AnomalyResult, Path, Exception]]:
        """End the last video; returns the last frame of each that could not be ended, the path of its files, and why."""
        self._close()
        return self._broken

    def _close(self) -> None:
        try:
            self._opened.close()
        except Exception as error:
            if self._last is not None and self._stem is not None:
                self._broken.append((self._last, self._stem, error))
        self._output = None


@contextmanager
def _fast_and_quiet() -> Iterator[None]:
    """The encoder's settings for live pictures, twice as fast as its own, and no word about the container's lack of tags.

    OpenCV takes the settings from the environment alone, and writes that word to the process's stderr, whatever its log level.
    """
    name = "OPENCV_FFMPEG_WRITER_OPTIONS"
    is_set = name in os.environ
    os.environ.setdefault(name, "deadline;realtime|cpu-used;8")
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
        if not is_set:
            del os.environ[name]


def _fit(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bring a picture to the size of the video: an odd side gets one more row or column, another size is scaled."""
    if abs(picture.shape[0] - height) > 1 or abs(picture.shape[1] - width) > 1:
        return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    below, right = height - picture.shape[0], width - picture.shape[1]
    return cv2.copyMakeBorder(picture, 0, max(0, below), 0, max(0, right), cv2.BORDER_REPLICATE)[:height, :width]
