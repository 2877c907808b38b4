"""What a killed process was writing is tidied up by the next one; what a living one writes and what is not ours stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import paddlex
from paddlex.utils.files import atomic_directory, write_text
from paddlex.utils.leftovers import tidy_up

ROOT = Path(paddlex.__file__).parent.parent

pytestmark = pytest.mark.skipif(os.name != "posix", reason="only there has a lock an end")

#: Begins to write a file and a folder, says so, and waits to be killed.
WRITER = """
import sys, time
from pathlib import Path
from paddlex.utils.files import atomic_directory, atomic_path
folder = Path(sys.argv[1])
with atomic_path(folder / "a.png") as file, atomic_directory(folder / "model") as directory:
    file.write_bytes(b"half"); (directory / "graph").write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is writing into ``tmp_path``."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None and process.stdout.readline() == "writing\n"
    yield process
    process.kill()
    process.wait()


def make_old(folder: Path) -> None:
    """As if an hour had passed."""
    for path in folder.iterdir():
        os.utime(path, (time.time() - 3600,) * 2)


def test_what_a_killed_process_was_writing_is_removed(writer: subprocess.Popen[str], tmp_path: Path) -> None:
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(list(tmp_path.iterdir())) == 2
    make_old(tmp_path)
    tidy_up(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_living_process_is_writing_stays(writer: subprocess.Popen[str], tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    make_old(tmp_path)
    tidy_up(tmp_path)
    assert sorted(tmp_path.iterdir()) == before
    assert len(before) == 2


def test_what_has_just_been_begun_stays(tmp_path: Path) -> None:
    (tmp_path / ".a.paddlex-abcd1234.png").touch()  # its writer is about to lock it
    tidy_up(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_files_that_are_not_ours_stay(tmp_path: Path) -> None:
    names = [
        ".a.abcd1234.png",
        ".paddlex-abcd1234",
        "a.paddlex-abcd1234.png",
        ".config.20250101.yaml",
        ".a.paddlex-x.png",
    ]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / ".link.paddlex-abcd1234").symlink_to(tmp_path / ".config.20250101.yaml")
    make_old(tmp_path)
    tidy_up(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, ".link.paddlex-abcd1234"])


def test_a_folder_that_was_retired_in_favour_of_one_that_never_came_is_put_back(tmp_path: Path) -> None:
    for name, content in ((".model.paddlex-abcd1234.old", "old"), (".model.paddlex-abcd1234", "half of the new")):
        write_text(tmp_path / name / "graph", content)
    make_old(tmp_path)
    with atomic_directory(tmp_path / "another"):
        pass
    assert (tmp_path / "model" / "graph").read_text(encoding="utf-8") == "old"
    assert sorted(os.listdir(tmp_path)) == ["another", "model"]


def test_a_folder_that_is_not_there_has_nothing_to_tidy_up(tmp_path: Path) -> None:
    tidy_up(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_mode_tidies_up_where_it_writes(main_runner, tmp_path: Path) -> None:
    left = [tmp_path / ".a.paddlex-abcd1234.json", tmp_path / "check_dataset" / ".b.paddlex-abcd1234.png"]
    for path in left:
        write_text(path, "half")
        os.utime(path, (0, 0))
    assert main_runner(
        "Global.mode=check_dataset", f"Global.dataset_dir={tmp_path}/no", f"Global.output={tmp_path}"
    ).returncode
    assert [path for path in left if path.exists()] == []
