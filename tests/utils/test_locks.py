"""One process at a time, by real processes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from paddlex.errors import PaddleXError
from paddlex.utils.locks import exclusive

SLEEPER = "import sys, time; print('ready', flush=True); time.sleep(float(sys.argv[1]))"


def test_the_second_holder_is_refused_with_the_folder_and_the_remedy(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path / "new" / ".lock"),
        pytest.raises(PaddleXError) as caught,
        exclusive(tmp_path / "new/.lock"),
    ):
        pass
    assert str(caught.value) == (
        f"another process is at work in this folder ({tmp_path / 'new'}). Let it finish or stop it, or choose another folder."
    )


def test_the_lock_is_free_after_the_block_whatever_ended_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / ".lock"):
        _ = 1 / 0
    with exclusive(tmp_path / ".lock"):
        pass


def test_a_child_that_inherits_the_lock_holds_it_until_it_ends(tmp_path: Path) -> None:
    with exclusive(tmp_path / ".lock") as descriptor:
        command = [sys.executable, "-c", SLEEPER, "60"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[descriptor])
        assert child.stdout is not None
        child.stdout.readline()
    try:
        with pytest.raises(PaddleXError), exclusive(tmp_path / ".lock"):
            pass
    finally:
        child.kill()
        child.wait()
    with exclusive(tmp_path / ".lock"):
        pass


def test_who_may_wait_gets_the_lock_when_its_holder_ends(tmp_path: Path) -> None:
    with exclusive(tmp_path / ".lock") as descriptor:
        child = subprocess.Popen([sys.executable, "-c", SLEEPER, "0.5"], stdout=subprocess.PIPE, pass_fds=[descriptor])
        assert child.stdout is not None
        child.stdout.readline()
    started = time.monotonic()
    with exclusive(tmp_path / ".lock", wait_seconds=60):
        waited = time.monotonic() - started
    assert child.wait() == 0
    assert waited < 60
