"""A hot folder: each picture that is put there is judged, when it is whole, and moved to where its verdict says."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from paddlex.config_schema import Section, UserPath
from paddlex.errors import ImageReadError, LineError, remedy_of
from paddlex.inference.image_files import picture_size
from paddlex.inference.walk import PassedOver, is_image_name, walk
from paddlex.line.contract import Answer, CameraError, Trigger
from paddlex.utils.logging import logger

#: Seconds for which a file must stay as it is where it is not whole: its writer may have paused.
_PATIENCE = 10.0

#: Seconds until such a file is read again.
_LOOK_AGAIN = 1.0

#: Seconds until a file is tried again whose answer could not be stored, or which could not be moved.
_AGAIN = 10.0

#: A file as it was seen: bytes, and ns of its last change.
_Look = tuple[int, int]


class FolderOptions(Section):
    """Of a hot folder; the shipped file explains each."""

    path: UserPath
    keep: bool = False
    done: UserPath | None = None
    failed: UserPath | None = None
    settle_s: Annotated[float, Field(ge=0, le=3600)] = 0.5
    poll_s: Annotated[float, Field(gt=0, le=3600)] = 0.1


class FolderSource:
    """See ``Source``. One file is judged at a time, so that none finds the queue full.

    Args:
        options: which folder.
        clock: for tests, another.
    """

    options: ClassVar[type[Section]] = FolderOptions

    def __init__(self, options: FolderOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._options, self._clock = options, clock
        self._root = Path(options.path).absolute()
        self._done = Path(options.done or self._root / "done")
        self._failed = Path(options.failed or self._root / "failed")
        self._seen: dict[str, tuple[_Look, float]] = {}  # path -> as it was seen first, and when
        self._settled: dict[str, tuple[_Look, float]] = {}  # path -> as it was answered, and when it may be tried again
        self._answered = threading.Event()
        self._end = threading.Event()

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        self._trigger = trigger
        threading.Thread(target=self._watch, name="hot folder", daemon=True).start()

    def capture(self, seconds: float) -> np.ndarray:
        what = "the station watches a folder, and has no camera that a trigger could ask"
        raise CameraError(
            what, where=self._root, remedy="Send a picture with the trigger, or set Source.type to camera"
        )

    def fault(self) -> str:
        return "" if self._root.is_dir() else f"the hot folder {self._root} is not there"

    def answered(self, trigger: Trigger, answer: Answer) -> None:
        path = Path(str(trigger.picture))
        try:
            again = self._settle(path, answer)
        except OSError as error:
            logger.error(
                "%s cannot be moved: %s. %s.", path, error.strerror or error, remedy_of(error, "Move it by hand")
            )
            again = _AGAIN
        self._settled[str(path)] = (self._seen[str(path)][0], self._clock() + again)
        self._answered.set()

    def check(self) -> str:
        if not self._root.is_dir():
            raise LineError("the hot folder is not there", where=self._root, remedy="Make it, or correct Source.path")
        for folder in [self._root] if self._options.keep else [self._root, self._done, self._failed]:
            there = next(path for path in (folder, *folder.parents) if path.exists())
            if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
                remedy = "Let the station's user read and write it"
                raise LineError("the station may not move files there", where=there, remedy=remedy)
        return f"{self._root} is there, with {sum(1 for _ in self._pictures())} pictures in it"

    def close(self) -> None:
        self._end.set()
        self._answered.set()

    def look(self) -> None:
        """Hand in every picture that is there and whole, one after the other."""
        there = list(self._pictures())
        for known in (self._seen, self._settled):
            for path in known.keys() - set(there):
                del known[path]
        for path in there:
            if self._end.is_set():
                return
            look = _look(path)
            if look is None or self._is_settled(path, look) or not self._is_whole(path, look):
                continue
            self._answered.clear()
            name = os.path.relpath(path, self._root)
            self._trigger(Trigger(f"{name}@{look[1]}", time.monotonic(), picture=Path(path)))
            self._answered.wait()

    def _watch(self) -> None:
        while not self._end.wait(self._options.poll_s):
            self.look()

    def _pictures(self) -> Iterator[str]:
        """What is in the folder and below it, but in none of those that files are moved to."""
        seen = set()
        for folder in (self._done, self._failed):
            if folder.is_dir():
                status = folder.stat()
                seen.add((status.st_dev, status.st_ino))
        return filter(is_image_name, walk(self._root, PassedOver(), seen))

    def _is_settled(self, path: str, look: _Look) -> bool:
        settled = self._settled.get(path)
        return settled is not None and settled[0] == look and self._clock() < settled[1]

    def _is_whole(self, path: str, look: _Look) -> bool:
        """Whether a file has stayed as it is for long enough, and can be decoded."""
        first = self._seen.get(path)
        if first is None or first[0] != look:
            self._seen[path] = first = (look, self._clock())
        age = self._clock() - first[1]
        if age < self._options.settle_s:
            return False
        if age >= _PATIENCE:
            return True  # whatever it is, it is answered
        try:
            picture_size(path)
        except ImageReadError:
            self._settled[path] = (look, self._clock() + _LOOK_AGAIN)
            return False
        return True

    def _settle(self, path: Path, answer: Answer) -> float:
        """Move a file that has its answer; returns in how many seconds it may be tried again, if it is still there."""
        if not answer.sequence:
            return _AGAIN
        if self._options.keep:
            return float("inf")
        folder = self._failed if answer.fail_safe == "picture" else self._done / answer.verdict.lower()
        target = _free(folder / path.relative_to(self._root))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
        return _AGAIN


def _look(path: str) -> _Look | None:
    try:
        status = os.stat(path)
    except OSError:
        return None  # it has gone
    return status.st_size, status.st_mtime_ns


def _free(path: Path) -> Path:
    """The path, or where a file has it, with a number."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return free
