"""A picture in a hot folder is judged when it is whole, and then is where its verdict says."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddlex.errors import LineError
from paddlex.line.contract import CameraError, Trigger
from paddlex.line.sources.folder import FolderOptions, FolderSource
from tests.line.conftest import made_answer

PICTURE = cv2.imencode(".png", np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8))[1].tobytes()


class Hot:
    """A folder, a clock that only a test moves, and a station that answers at once."""

    def __init__(self, root: Path, **options: Any) -> None:
        root.mkdir()
        self.root, self.now = root, 0.0
        self.source = FolderSource(FolderOptions(path=str(root), **options), lambda: self.now)
        self.source._trigger = self.answer  # type: ignore[assignment]
        self.triggers: list[Trigger] = []
        self.says: dict[str, Any] = {}
        self.known: set[str] = set()

    def answer(self, trigger: Trigger) -> None:
        self.triggers.append(trigger)
        self.source.answered(trigger, made_answer(trigger.id, "", **{"sequence": 1, **self.says}))

    def put(self, name: str, data: bytes = PICTURE) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def look(self, seconds: float = 0.5) -> list[str]:
        """Look, wait, look again; returns what was handed in."""
        self.triggers.clear()
        self.source.look()
        self.now += seconds
        self.source.look()
        return [str(trigger.picture) for trigger in self.triggers]

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir())


@pytest.fixture
def make_hot(tmp_path: Path) -> Callable[..., Hot]:
    return lambda **options: Hot(tmp_path / "hot", **options)


@pytest.fixture
def hot(make_hot: Callable[..., Hot]) -> Hot:
    return make_hot()


def test_what_is_there_and_what_comes_is_judged_and_moved_by_its_verdict(hot: Hot) -> None:
    path = hot.put("a.png")
    assert hot.look() == [str(path)]
    assert (hot.triggers[0].port, hot.triggers[0].id.startswith("a.png@")) == ("", True)
    hot.says = {"is_ok": False}
    hot.put("shift 2/b.png")
    hot.put("notes.txt")
    assert len(hot.look()) == 1
    hot.says = {"is_ok": False, "fail_safe": "picture"}
    hot.put("c.png")
    hot.look()
    assert hot.files() == ["done/ng/shift 2/b.png", "done/ok/a.png", "failed/c.png", "notes.txt"]
    assert hot.look() == []


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_a_file_that_is_being_written_waits_until_it_is_whole(hot: Hot, suffix: str) -> None:
    whole = cv2.imencode(suffix, cv2.imdecode(np.frombuffer(PICTURE, np.uint8), cv2.IMREAD_COLOR))[1].tobytes()
    path = hot.put(f"a{suffix}", whole[: 3 * len(whole) // 4])
    assert hot.look(0.4) == []  # it has not settled
    assert hot.look(0.5) == []  # it has, but is not whole
    path.write_bytes(whole)
    assert hot.look(0.4) == []
    assert hot.look(0.5) == [str(path)]


def test_a_file_that_never_gets_whole_is_handed_in_in_the_end(hot: Hot) -> None:
    path = hot.put("a.png", b"no picture")
    assert hot.look(9) == []
    assert hot.look(1) == [str(path)]


def test_a_file_that_is_renamed_into_the_folder_need_not_wait(make_hot: Callable[..., Hot]) -> None:
    hot = make_hot(settle_s=0)
    os.replace(hot.put("a.part"), hot.root / "a.png")
    assert hot.look(0) == [str(hot.root / "a.png")]


def test_files_may_stay_and_are_judged_once_until_they_are_others(make_hot: Callable[..., Hot]) -> None:
    hot = make_hot(keep=True)
    path = hot.put("a.png")
    assert hot.look() == [str(path)]
    assert hot.look(1e6) == []
    os.utime(path, ns=(1, 1))
    assert hot.look() == [str(path)]
    assert hot.files() == ["a.png"]


def test_a_name_that_is_taken_gets_a_number(hot: Hot) -> None:
    for _ in range(3):
        hot.put("a.png")
        hot.look()
    assert hot.files() == ["done/ok/a.png", "done/ok/a_2.png", "done/ok/a_3.png"]


def test_where_the_answer_is_not_stored_the_file_stays_and_is_tried_again(hot: Hot) -> None:
    path = hot.put("a.png")
    hot.says = {"sequence": 0, "is_ok": False, "fail_safe": "disk full"}
    assert hot.look() == [str(path)]
    assert hot.look(5) == []
    hot.says = {}
    assert hot.look(10) == [str(path)]
    assert hot.files() == ["done/ok/a.png"]


def test_links_are_followed_and_other_folders_may_be_named(make_hot: Callable[..., Hot], tmp_path: Path) -> None:
    hot = make_hot(done=str(tmp_path / "done"), failed=str(tmp_path / "failed"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(PICTURE)
    (hot.root / "link").symlink_to(tmp_path / "elsewhere")
    (hot.root / "loop").symlink_to(hot.root)
    hot.put(".hidden.png")
    assert hot.look() == [str(hot.root / "link" / "a.png")]
    assert (tmp_path / "done" / "ok" / "link" / "a.png").is_file()


def test_the_folder_may_be_where_the_program_is(hot: Hot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hot.root)
    hot.source = FolderSource(FolderOptions(path="."), lambda: hot.now)
    hot.source._trigger = hot.answer  # type: ignore[assignment]
    hot.put("a.png")
    assert len(hot.look()) == 1
    assert hot.files() == ["done/ok/a.png"]


def test_a_file_that_cannot_be_moved_is_said_and_not_judged_without_end(hot: Hot) -> None:
    path = hot.put("a.png")
    (hot.root / "done").write_text("in the way")
    assert hot.look() == [str(path)]
    assert hot.look(5) == []


def test_a_folder_that_goes_is_a_fault_until_it_is_back(hot: Hot) -> None:
    assert hot.source.fault() == ""
    assert hot.source.check().endswith("with 0 pictures in it")
    hot.root.rename(hot.root.with_name("away"))
    assert "is not there" in hot.source.fault()
    assert hot.look() == []
    with pytest.raises(LineError, match=r"Source\.path"):
        hot.source.check()
    with pytest.raises(CameraError, match="watches a folder"):
        hot.source.capture(1)


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[tuple[Hot, threading.Semaphore]]:
    hot = Hot(tmp_path / "hot", settle_s=0, poll_s=0.01)
    count = threading.Semaphore(0)

    def trigger(trigger: Trigger) -> None:
        hot.answer(trigger)
        count.release()

    hot.source.start(trigger)
    yield hot, count
    hot.source.close()


def test_it_watches(watching: tuple[Hot, threading.Semaphore]) -> None:
    hot, count = watching
    for number in range(5):
        hot.put(f"{number}.png")
        assert count.acquire(timeout=60)
