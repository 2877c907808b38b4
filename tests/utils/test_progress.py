"""How far the work is, as a file tells it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from paddlex.utils.progress import begin_step, progress, progress_bar, read_steps, told_in


def test_a_file_tells_each_step_and_how_much_of_it_is_done(tmp_path: Path) -> None:
    file = tmp_path / "progress.json"
    with told_in(file):
        assert list(progress([1, 2, 3], "Reading")) == [1, 2, 3]
        with progress_bar(10, 4, "Features", "image") as bar:
            bar.update(2)
        begin_step("Exporting")

    steps = read_steps(file)
    assert [(step["what"], step["done"], step["total"]) for step in steps] == [
        ("Reading", 3, 3),
        ("Features", 6, 10),
        ("Exporting", 0, 0),
    ]
    assert all(one["start"] <= one["end"] <= next["start"] for one, next in pairwise(steps))
    assert steps[-1]["end"] >= steps[-1]["start"]


def test_without_a_file_nothing_is_told_and_the_work_is_done(tmp_path: Path) -> None:
    with told_in(None):
        begin_step("Reading")
        assert list(progress([1, 2], "Reading")) == [1, 2]
    assert list(tmp_path.iterdir()) == []
    assert read_steps(tmp_path / "progress.json") == []


def test_a_file_that_cannot_be_written_stops_no_work(tmp_path: Path) -> None:
    with told_in(tmp_path / "missing" / "progress.json"):
        assert list(progress([1, 2], "Reading")) == [1, 2]
