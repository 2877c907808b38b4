"""Killed at any moment, a workspace has every verdict that was acknowledged, with its picture, and nothing half-written."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from paddlex.studio import retention
from paddlex.studio.database.schema import Picture, Verdict, Version
from paddlex.studio.workspace import Workspace, now_ms

#: Forks, whenever it is told a number, a process that records verdicts on made-up pictures until it is killed, every fifth
#: corrected, and removes what is beyond 20 kB meanwhile; it says what is committed.
RECORDS = """
import os, sys, threading
import cv2, numpy as np
from pathlib import Path
from paddlex.studio import history, retention
from paddlex.studio.database.schema import Version
from paddlex.studio.workspace import Workspace

def work(seed):
    workspace = Workspace(Path(sys.argv[1]), *sys.argv[2:])
    def remove():
        while True:
            retention.enforce(workspace, retention.Limits(gigabytes=2e-5))
    threading.Thread(target=remove, daemon=True).start()
    rng = np.random.default_rng(seed)
    with workspace.reading() as session:
        version = session.get(Version, 1)
    result = {"is_anomalous": False, "score": 0.1, "raw_score": 1.0, "threshold": 2.0, "anomalous_area": 0.0, "regions": []}
    number = 0
    while True:
        number += 1
        data = cv2.imencode(".png", rng.integers(0, 255, (16, 16, 3), np.uint8))[1].tobytes()
        with workspace.writing() as session:
            picture = workspace.pictures.add(session, data)
            verdict = history.record(session, picture, version, result, name="", by="api")
            verdict.corrected = "good" if number % 5 == 0 else ""
        os.write(1, f"{verdict.id} {verdict.digest} {verdict.corrected}\\n".encode())

for line in sys.stdin:
    process = os.fork()
    if not process:
        work(int(line))
    os.write(1, f"process {process}\\n".encode())
    os.waitpid(process, 0)
    os.write(1, b"dead\\n")
"""


@pytest.fixture
def recorder(tmp_path: Path, database_url: str | None) -> Iterator[Callable[[int, int], list[list[str]]]]:
    """(seed, how many) -> what was acknowledged by a process that was killed some moments after so many verdicts."""
    url = [] if database_url is None else [database_url]
    command = [sys.executable, "-c", RECORDS, str(tmp_path / "workspace"), *url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as forks:
        assert forks.stdin is not None
        assert forks.stdout is not None

        def killed(seed: int, count: int) -> list[list[str]]:
            forks.stdin.write(f"{seed}\n")
            forks.stdin.flush()
            acknowledged: list[list[str]] = []
            process = None
            while (line := forks.stdout.readline()) != "dead\n":
                words = line.rstrip("\n").split(" ")
                if words[0] == "process":
                    process = int(words[1])
                else:
                    acknowledged.append(words)
                if process is not None and len(acknowledged) == count:
                    time.sleep(random.Random(seed).random() * 0.02)
                    os.kill(process, signal.SIGKILL)
            return acknowledged

        yield killed
        forks.kill()


@pytest.mark.parametrize("moments", [10, pytest.param(30, marks=[pytest.mark.slow, pytest.mark.endurance])])
def test_killed_at_any_moment_nothing_that_was_acknowledged_is_lost(
    moments: int,
    recorder: Callable[[int, int], list[list[str]]],
    tmp_path: Path,
    database_url: str | None,
    add_version: Callable[..., Version],
) -> None:
    workspace = Workspace(tmp_path / "workspace", database_url)
    add_version(workspace)
    workspace.close()
    acknowledged = []
    for moment in range(moments):
        acknowledged += recorder(moment, random.Random(moment).randrange(1, 25))
        workspace = Workspace(tmp_path / "workspace", database_url)
        retention.sweep(workspace, now_ms() + 1)
        _check(workspace, acknowledged)
        workspace.close()


def _check(workspace: Workspace, acknowledged: list[list[str]]) -> None:
    with workspace.reading() as session:
        verdicts = {verdict.id: verdict for verdict in session.scalars(select(Verdict))}
        pictures = set(session.scalars(select(Picture.digest)))
        if workspace.engine.dialect.name == "sqlite":
            assert session.scalar(text("PRAGMA integrity_check")) == "ok"
    for number, digest, corrected in acknowledged:
        verdict = verdicts[int(number)]
        assert (verdict.digest, verdict.corrected) == (digest, corrected)
        assert verdict.is_kept or not corrected
    files = [path for path in workspace.pictures.files.rglob("*") if path.is_file()]
    assert {path.stem for path in files} == pictures == {one.digest for one in verdicts.values() if one.is_kept}
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.stem for path in files)
