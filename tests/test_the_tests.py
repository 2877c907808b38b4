"""The tests themselves end, whatever becomes of one of them: tried on scratch files with this project's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CASES = """
import os, threading, time
import pytest

@pytest.mark.parametrize("number", range(4))
def test_passes(number):
    time.sleep(0.1)

def test_bad():
    {bad}

@pytest.mark.parametrize("number", range(4))
def test_after(number):
    time.sleep(0.1)
"""
#: The interpreter itself stands still, as in a library that hangs: no signal handler runs.
STANDS_STILL = "import itertools; sum(itertools.repeat(0))"


def run(folder: Path, bad: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run three files of tests in two workers; in two of them a test is bad."""
    for name, what in (("one", bad), ("two", bad), ("three", "pass")):
        (folder / f"test_{name}.py").write_text(CASES.format(bad=what), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "--rootdir", folder, folder]
    command += ["-n", "2", "--dist", "loadfile", "-p", "xdist.plugin", "-p", "pytest_timeout", *options]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder, env=environment)


def test_a_lost_worker_ends_the_run_and_is_named(tmp_path):
    done = run(tmp_path, "os._exit(3)")
    assert done.returncode == 1
    assert "crashed while running 'test_" in done.stdout
    assert "FAILED test_" in done.stdout


def test_a_test_that_waits_for_ever_fails_and_the_others_are_run(tmp_path):
    done = run(tmp_path, "threading.Event().wait()", "-o", "timeout=2")
    assert done.returncode == 1
    assert "FAILED test_one.py::test_bad - Failed: Timeout" in done.stdout
    assert "2 failed, 25 passed" in done.stdout


def test_a_test_that_cannot_be_interrupted_takes_its_worker_along_and_is_named(tmp_path):
    done = run(tmp_path, STANDS_STILL, "-o", "timeout=1", "-o", "faulthandler_timeout=3")
    assert done.returncode == 1
    assert "crashed while running 'test_" in done.stdout
    assert "in test_bad" in done.stderr
