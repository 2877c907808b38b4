"""Work on several cores, each piece with one thread."""

import threading

import numpy as np
from threadpoolctl import threadpool_info

from paddlex.inference.refit.threads import in_parallel


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if "numpy.libs" in library["filepath"]}


def test_the_results_are_in_the_order_of_the_pieces():
    assert in_parallel(lambda number: number**2, range(20)) == [number**2 for number in range(20)]


def test_pieces_run_at_the_same_time(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    both = threading.Barrier(2, timeout=60)  # broken unless two come to it together
    assert sorted(in_parallel(lambda _: both.wait(), range(2))) == [0, 1]


def test_a_piece_has_one_thread_of_blas_and_afterwards_all_is_as_before():
    np.ones((2, 2)) @ np.ones((2, 2))
    before = blas_threads()
    assert in_parallel(lambda _: blas_threads(), range(2)) == [{1}, {1}]
    assert blas_threads() == before
