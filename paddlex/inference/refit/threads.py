"""NumPy on several cores, a piece of work on each."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from paddlex.utils.paddle_environment import default_threads

Work = TypeVar("Work")
Result = TypeVar("Result")


#: Called when a piece of work is done.
Done = Callable[[], object]


def nothing() -> None:
    """What is done after a piece of work where nobody wants to know."""


def in_parallel(function: Callable[[Work], Result], pieces: Iterable[Work], done: Done = nothing) -> list[Result]:
    """The results of a function for each piece of work, in their order.

    Every piece has one thread. NumPy's BLAS would divide each product among all cores instead, and wait for the last one each
    time: thousands of times, and for long where something else runs on a core. With one thread for each piece a result does
    not depend on the number of cores either.

    Args:
        function: what is done with a piece.
        pieces: these.
        done: called after each piece, here, in their order; if it raises, no piece is begun any more.
    """
    results = []
    with _one_blas_thread(), ThreadPoolExecutor(default_threads()) as threads:
        for result in threads.map(function, pieces):
            results.append(result)
            done()
    return results


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Let products that run meanwhile have one thread each, where NumPy's BLAS is OpenBLAS, as in its own wheels."""
    if (threads := _openblas_threads()) is None:
        yield
        return
    get, set_ = threads
    before = get()
    set_(1)
    try:
        yield
    finally:
        set_(before)


@lru_cache(maxsize=1)
def _openblas_threads() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """What asks and sets the number of threads of the library that NumPy's wheel has brought; None where it brought none."""
    package = Path(np.__file__).parent
    for folder in (package.with_name("numpy.libs"), package / ".dylibs"):
        for path in sorted(folder.glob("lib*openblas*")):
            library = ctypes.CDLL(str(path))  # it is loaded already
            for prefix in ("scipy_openblas", "openblas"):
                get, set_ = (getattr(library, f"{prefix}_{verb}_num_threads64_", None) for verb in ("get", "set"))
                if get is not None and set_ is not None:
                    return get, set_
    return None
