"""A progress bar on a terminal, and nothing anywhere else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from paddlex.utils.processes import process_rank

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], description: str, total: int | None = None, unit: str = "image") -> Iterable[Item]:
    """Iterate over ``items``, with a bar if standard error is a terminal and the work takes over half a second."""
    from tqdm import tqdm

    return tqdm(items, desc=description, total=total, unit=f" {unit}s", disable=None, delay=0.5, leave=False)


def progress_bar(total: int, done: int, description: str, unit: str) -> tqdm:
    """A bar to be moved by hand with ``update()``; on a terminal only. Use it as a context manager."""
    from tqdm import tqdm

    is_silent = True if process_rank() else None  # of several processes the first one draws
    return tqdm(total=total, initial=done, desc=description, unit=f" {unit}s", disable=is_silent, leave=False)
