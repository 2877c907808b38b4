"""Tables as CSV files that a spreadsheet may open: whatever is in them, nothing is run."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from paddlex.utils.files import atomic_path

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@contextmanager
def csv_file(path: str | os.PathLike[str]) -> Iterator[Callable[[Iterable[object]], object]]:
    """Yield what writes a row; the file is there when the block has succeeded.

    UTF-8 with the mark by which Excel knows it (read it as ``utf-8-sig``), RFC 4180. Text that starts like a formula gets an
    apostrophe before it, see ``cell``. A name that is not UTF-8 is written with escapes.
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8-sig", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        yield lambda row: writer.writerow(map(cell, row))


def cell(value: object) -> object:
    """Text that a spreadsheet would run as a formula (OWASP, "CSV injection") with an apostrophe before it; else the value.

    A number is left alone, also as text: a spreadsheet does nothing but read it.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text.startswith(_STARTS_A_FORMULA):
        return value
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return value
