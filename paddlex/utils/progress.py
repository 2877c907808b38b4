"""How far the work is: a bar on a terminal, and a file for whoever has started the process; nothing anywhere else."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from paddlex.utils.processes import process_rank

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")

#: Seconds between two writings of the file.
_WRITE_EVERY = 0.2


class ProgressFile:
    """A JSON file with the steps of the work so far, each with what is done, how much of how many, and its times.

    It is written anew each time, so that whoever reads it finds all of it. That it cannot be written stops no work.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._steps: list[dict[str, Any]] = []
        self._written = 0.0

    def begin(self, what: str, total: int | None = None, done: int = 0) -> None:
        """The next step begins, and the one before it has ended."""
        now = round(time.time(), 2)
        if self._steps:
            self._steps[-1].setdefault("end", now)
        self._steps.append({"what": what, "done": done, "total": total or 0, "start": now})
        self._write()

    def end(self) -> None:
        """The last step has ended."""
        if self._steps:
            self._steps[-1].setdefault("end", round(time.time(), 2))
            self._write()

    def advance(self, count: int = 1) -> None:
        """So much more of the step is done."""
        if not self._steps:
            return
        self._steps[-1]["done"] += count
        if time.monotonic() - self._written >= _WRITE_EVERY:
            self._write()

    def tell(self, done: int, total: int, what: str) -> None:
        """One step with parts of several names: so much of it is done, and what is done now."""
        if not self._steps or self._steps[-1]["total"] != total:
            self.begin(what, total, done)
        self._steps[-1].update(done=done, what=what)
        if time.monotonic() - self._written >= _WRITE_EVERY:
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        temporary = self._path.with_name(f".{self._path.name}.new")
        try:
            temporary.write_text(json.dumps({"steps": self._steps}, allow_nan=False), encoding="utf-8")
            os.replace(temporary, self._path)
        except OSError:
            self._written = float("inf")


#: Where this process tells how far it is: like its log it is the process's own, and no caller's business.
_file: ProgressFile | None = None


@contextmanager
def told_in(path: str | os.PathLike[str] | None) -> Iterator[None]:
    """While the block runs, tell in a file how far it is; None for nowhere."""
    global _file
    before, _file = _file, None if path is None or process_rank() else ProgressFile(Path(path))
    try:
        yield
    finally:
        if _file is not None:
            _file.end()
        _file = before


def read_steps(path: Path) -> list[dict[str, Any]]:
    """The steps that a ``ProgressFile`` holds; none where there is no such file."""
    try:
        found = json.loads(path.read_bytes())["steps"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return found if isinstance(found, list) else []


def begin_step(what: str) -> None:
    """Say what is done now, where nothing can be counted."""
    if _file is not None:
        _file.begin(what)


def tell_step(done: int, total: int, what: str) -> None:
    """Say how far work is that counts for itself."""
    if _file is not None:
        _file.tell(done, total, what)


def progress(items: Iterable[Item], description: str, total: int | None = None, unit: str = "image") -> Iterable[Item]:
    """Iterate over ``items``, with a bar if standard error is a terminal and the work takes over half a second."""
    from tqdm import tqdm

    bar = tqdm(items, desc=description, total=total, unit=f" {unit}s", disable=None, delay=0.5, leave=False)
    return bar if _file is None else _counted(bar, _file, description, _length(items) if total is None else total)


def _counted(items: Iterable[Item], file: ProgressFile, description: str, total: int | None) -> Iterator[Item]:
    file.begin(description, total)
    for item in items:
        yield item
        file.advance()


def _length(items: Iterable[Item]) -> int | None:
    return len(items) if isinstance(items, Sized) else None


class Bar:
    """Moved by hand with ``update()``; a context manager."""

    def __init__(self, bar: tqdm, file: ProgressFile | None) -> None:
        self._bar, self._file = bar, file

    def update(self, count: int = 1) -> None:
        """So much more is done."""
        self._bar.update(count)
        if self._file is not None:
            self._file.advance(count)

    def tell(self, done: int, total: int, what: str) -> None:
        """So much is done of so much, which may have changed, and what is done now."""
        self._bar.total = total
        self._bar.set_description(what, refresh=False)
        self._bar.update(done - self._bar.n)
        if self._file is not None:
            self._file.tell(done, total, what)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()


def progress_bar(total: int, done: int, description: str, unit: str) -> Bar:
    """A bar to be moved by hand with ``update()``. Use it as a context manager."""
    from tqdm import tqdm

    is_silent = True if process_rank() else None  # of several processes the first one draws
    if _file is not None:
        _file.begin(description, total, done)
    bar = tqdm(total=total, initial=done, desc=description, unit=f" {unit}s", disable=is_silent, leave=False)
    return Bar(bar, _file)
