"""The tests of CI, the fast ones and the slow ones; what was unstable is told at the end.

On a busy machine a browser or a server can be late: what fails is run once more, alone, and has to pass then. That is not for a
run that a lost worker has ended: what it left out was never run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

TARGETS = ("test", "test-slow")
LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")
CLOSING_LINE = re.compile(r"^=+ (\d+ .*) in [\d.]+s.* =+$")
LOST_WORKER = "crashed while running"


def run(command: list[str]) -> tuple[int, list[str]]:
    """Run a command and show what it says; returns its exit status and its lines."""
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip("\n"))
    return process.returncode, lines


def counts(lines: list[str]) -> Counter[str]:
    """What pytest's closing line counts: passed, failed, error, skipped and others; empty if there is no such line."""
    found = [match[1] for line in lines if (match := CLOSING_LINE.match(line))]
    parts = re.findall(r"(\d+) (\w+)", found[-1]) if found else []
    return Counter({word.removesuffix("s"): int(number) for number, word in parts})


def failed_last() -> list[str]:
    """The tests that have failed when they were run last."""
    return list(json.loads(LAST_FAILED.read_text(encoding="utf-8"))) if LAST_FAILED.is_file() else []


def main() -> int:
    """Returns the exit status: 0 if every test has passed, the unstable ones at the second time."""
    total, unstable, status = Counter[str](), dict[str, str](), 0
    for target in TARGETS:
        LAST_FAILED.unlink(missing_ok=True)
        target_status, lines = run(["make", target])
        counted, failed = counts(lines), failed_last()
        if counted and failed and not any(LOST_WORKER in line for line in lines):
            target_status, lines = run([sys.executable, "-m", "pytest", *failed])
            again = counts(lines)
            counted["passed"] += again["passed"]
            counted["failed"], counted["error"] = again["failed"], again["error"]
            still = failed_last()
            unstable |= {test: "failed again" if test in still else "passed then" for test in failed}
        status = status or target_status
        total += counted
    print(f"Run a second time, alone: {len(unstable)} tests")
    for test, outcome in sorted(unstable.items(), key=lambda item: item[::-1]):
        print(f"  {outcome}: {test}")
    print(f"{total['passed']} passed, {total['failed'] + total['error']} failed, exit status {status}")
    return status


if __name__ == "__main__":
    sys.exit(main())
