"""What the jobs of the tests do, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from paddlex.errors import DatasetError
from paddlex.utils.progress import progress


def answer(value: int) -> dict[str, Any]:
    return {"value": value, "niceness": os.nice(0)}


def count(seconds: float) -> dict[str, Any]:
    """Tell in ten steps how far it is."""
    for _ in progress(range(10), "Counting"):
        time.sleep(seconds / 10)
    return {"value": 10}


def wait_for(path: str) -> dict[str, Any]:
    """Until a file is there."""
    while not Path(path).exists():
        time.sleep(0.02)
    return {"value": 1}


def with_child(path: str) -> dict[str, Any]:
    """Start a process that lets nobody end it but by SIGKILL, and do the same."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", wait])
    Path(path).write_text(str(child.pid))
    time.sleep(600)
    return {}


def fail() -> dict[str, Any]:
    raise DatasetError("there are no pictures", where="here", remedy="Add some")


def crash() -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def studio(workspace: str, path: str) -> None:
    """A studio that begins a job and is killed while it runs."""
    from paddlex.studio.jobs import RUNNING
    from paddlex.studio.workspace import Workspace
    from tests.studio.teach.test_jobs import opened, start

    jobs = opened(Workspace(Path(workspace)))
    job = start(jobs, "wait_for", path=path)
    folder = Path(workspace) / job.folder
    while jobs.get(job.id).state != RUNNING or not (folder / "process").exists():
        time.sleep(0.02)
    print(job.id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    studio(*sys.argv[1:])
