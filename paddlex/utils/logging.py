"""The ``paddlex`` logger: plain lines on standard error, and in a file for a training run."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from paddlex.utils.console import encodable, visible, visible_lines

logger = logging.getLogger("paddlex")

_FORMAT = "%(asctime)s %(levelname)-7s %(message)s"
_DATE_FORMAT = "%Y-%m-%d %H:%M:%S"


def _make_visible(record: logging.LogRecord) -> bool:
    """A message is one line, and nothing in a file's name commands a terminal, whoever writes the log."""
    record.msg, record.args = visible(record.getMessage()), ()
    return True


logger.addFilter(_make_visible)


class _Formatter(logging.Formatter):
    """A traceback keeps its lines, and what is in them is as harmless."""

    def __init__(self) -> None:
        super().__init__(_FORMAT, _DATE_FORMAT)

    def formatException(self, ei: Any) -> str:  # noqa: N802, logging's name
        return visible_lines(super().formatException(ei))


class _ConsoleHandler(logging.StreamHandler):
    """Writes to the standard error of the moment, above a progress bar if one is drawn there."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        if "tqdm" in sys.modules:
            from tqdm import tqdm

            tqdm.write(self.format(record), file=self.stream)
        else:
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        return encodable(super().format(record), self.stream)


def log_to_console(level: int = logging.INFO) -> None:
    """Show the log on standard error: for the command line; who uses the library configures logging himself."""
    if not any(isinstance(handler, _ConsoleHandler) for handler in logger.handlers):
        handler = _ConsoleHandler()
        handler.setFormatter(_Formatter())
        logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False


@contextmanager
def log_to_file(path: str | os.PathLike[str], append: bool = False) -> Iterator[None]:
    """Also write the log to ``path`` while the block runs."""
    handler = logging.FileHandler(path, mode="a" if append else "w", encoding="utf-8")
    handler.setFormatter(_Formatter())
    logger.addHandler(handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
