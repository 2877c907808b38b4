"""What .ci/run says and returns when tests are unstable, on a scratch project of a few tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / ".ci" / "tests.py"
TESTS = """
import os
from pathlib import Path

def test_good():
    pass

def test_unstable():
    first = not Path("seen").exists()
    Path("seen").touch()
    assert not first

def test_bad():
    {bad}
"""


def run(folder: Path, bad: str, options: str = "") -> tuple[int, list[str]]:
    """The exit status of the script, and the lines that it ends with."""
    (folder / "test_fast.py").write_text(TESTS.format(bad=bad), encoding="utf-8")
    (folder / "test_slow.py").write_text("def test_slow():\n    pass\n", encoding="utf-8")
    pytest = f"{sys.executable} -m pytest"
    make = f"test:\n\t{pytest} {options} test_fast.py\ntest-slow:\n\t{pytest} test_slow.py\n"
    (folder / "Makefile").write_text(make, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p xdist.plugin\n", encoding="utf-8")
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        [sys.executable, SCRIPT], capture_output=True, text=True, timeout=300, cwd=folder, env=environment
    )
    return done.returncode, done.stdout.splitlines()


def test_what_passes_the_second_time_passes_and_is_named_at_the_end(tmp_path):
    status, lines = run(tmp_path, "pass")
    assert lines[-3:] == [
        "Run a second time, alone: 1 tests",
        "  passed then: test_fast.py::test_unstable",
        "4 passed, 0 failed, exit status 0",
    ]
    assert status == 0


def test_what_fails_the_second_time_fails_and_the_slow_tests_are_run_all_the_same(tmp_path):
    status, lines = run(tmp_path, "assert False")
    assert lines[-4:] == [
        "Run a second time, alone: 2 tests",
        "  failed again: test_fast.py::test_bad",
        "  passed then: test_fast.py::test_unstable",
        "3 passed, 1 failed, exit status 1",
    ]
    assert status != 0


def test_a_lost_worker_is_no_matter_of_a_second_run(tmp_path):
    status, lines = run(tmp_path, "os._exit(3)", "-n 1 --max-worker-restart=0")
    assert lines[-2] == "Run a second time, alone: 0 tests"
    assert status != 0


def test_tests_that_cannot_even_begin_fail(tmp_path):
    (tmp_path / "conftest.py").write_text("raise RuntimeError\n", encoding="utf-8")
    status, lines = run(tmp_path, "pass")
    assert lines[-1].startswith("0 passed, 0 failed, exit status ")
    assert status != 0
