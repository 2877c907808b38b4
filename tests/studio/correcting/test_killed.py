"""A studio that is killed at any moment forgets no verdict that it has answered, and serves what its database says."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from paddlex.studio import audit
from paddlex.studio.database.schema import Product, Verdict, Version
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.files import folder_digest

ROOT = Path(__file__).parents[3]
USER = {"name": "ada", "password": "a long pass phrase"}

#: Runs a studio that ends as if killed before or after a function is called for the n-th time.
KILLED_AT = """
import importlib, os, sys
when, where, name, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
module, _, attribute = where.partition(":")
owner = importlib.import_module(module)
if attribute:
    owner = getattr(owner, attribute)
function = getattr(owner, name)
def killed(*arguments, **named):
    global count
    count -= 1
    if count == 0 and when == "before":
        os._exit(137)
    result = function(*arguments, **named)
    if count == 0:
        os._exit(137)
    return result
setattr(owner, name, killed)
from paddlex.cli import main
sys.exit(main(sys.argv[5:]))
"""


class Process:
    """``paddlex --studio`` on a free port, in which ``USER`` is signed in."""

    def __init__(self, workspace: Path, log: Path, killed_at: tuple[str, str, str, int] | None = None) -> None:
        arguments = ["--studio", str(workspace), "--port", "0", "--device", "cpu", "--drain_delay", "0"]
        start = ["-m", "paddlex"] if killed_at is None else ["-c", KILLED_AT, *map(str, killed_at)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, *start, *arguments], cwd=ROOT, stdout=file, stderr=file, env=environment
            )
        deadline = time.monotonic() + 240
        while not (found := re.search(r"Serving on (http://\S+)", log.read_text(encoding="utf-8"))):
            assert time.monotonic() < deadline and self.process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.02)
        self.client = httpx.Client(base_url=found[1], timeout=240)
        while True:
            try:
                if self.client.get("/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline and self.process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.02)
        told = self.client.get("/studio/session").json()
        path = "/studio/setup" if told["needsSetup"] else "/studio/session"
        answer = self.client.post(path, json=USER)
        assert answer.status_code == 200, answer.text
        self.client.headers["X-CSRF-Token"] = answer.json()["csrf"]

    def judge(self, picture: Path) -> dict | None:
        """What is answered; None where the studio ends before it is."""
        try:
            answer = self.client.post("/judge?model=grid", files={"files": (picture.name, picture.read_bytes())})
            return answer.json()["results"][0] if answer.status_code == 200 else None
        except httpx.TransportError:
            return None

    def go_back_to(self, version: Version) -> bool:
        """Whether it is answered that a version is live."""
        try:
            answer = self.client.post("/studio/products/grid/rollback", json={"version": version.id})
            return answer.status_code == 200 and answer.json()["isLive"]
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.client.close()


@pytest.fixture
def two_versions(workspace: Workspace, model: Path, add_model: Callable[..., Version]) -> list[Version]:
    """Two versions that were live, of which the first is; the workspace is closed."""
    made = [add_model(model), add_model(model)]
    with workspace.writing() as session:
        for version in made:
            session.get_one(Version, version.id).live_at = now_ms()
        session.query(Product).one().live_id = made[0].id
    workspace.close()
    return made


@pytest.fixture
def run_process(workspace: Workspace, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts a studio in the workspace, with what ``Process`` takes besides."""
    started: list[Process] = []

    def run(**more: object) -> Process:
        started.append(Process(workspace.path, tmp_path / f"log{len(started)}.txt", **more))  # type: ignore[arg-type]
        return started[-1]

    yield run
    for one in started:
        one.kill()


def check(path: Path, answered: list[dict]) -> int:
    """See that a closed workspace is whole and has all that was answered; returns what is live."""
    workspace = Workspace(path)
    try:
        with workspace.reading() as session:
            for answer in answered:
                verdict = session.get_one(Verdict, answer["verdictId"])
                assert (verdict.raw_score, verdict.is_anomalous) == (answer["rawScore"], answer["isAnomalous"])
                assert workspace.pictures.read(verdict.digest)
            assert audit.verify(session).is_intact
            for version in session.query(Version):
                assert folder_digest(path / version.folder) == version.digest
            live = session.query(Product).one().live_id
        assert live is not None
        return live
    finally:
        workspace.close()


@pytest.mark.parametrize(
    ("place", "is_changed"),
    [
        (("after", "paddlex.studio.live", "_change", 1), False),
        (("before", "paddlex.inference.serving.registry:ModelRegistry", "put", 2), True),  # the first is of the start
    ],
    ids=["before the commit", "after the commit"],
)
def test_a_studio_that_is_killed_while_a_version_goes_live_serves_what_was_committed(
    workspace: Workspace, two_versions: list[Version], bad_part: Path, run_process: Callable[..., Process],
    place: tuple[str, str, str, int], is_changed: bool,
) -> None:  # fmt: skip
    first, second = two_versions
    studio = run_process(killed_at=place)
    answered = [studio.judge(bad_part)]
    assert answered[0] is not None and not studio.go_back_to(second)
    assert studio.process.wait(240) == 137
    live = check(workspace.path, answered)
    assert live == (second if is_changed else first).id
    if not is_changed:
        return
    again = run_process()
    answer = again.judge(bad_part)
    again.kill()
    workspace = Workspace(workspace.path)
    with workspace.reading() as session:
        assert answer is not None and session.get_one(Verdict, answer["verdictId"]).version_id == live
    workspace.close()


@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=[pytest.mark.slow, pytest.mark.endurance])])
def test_a_studio_that_is_killed_at_any_moment_loses_nothing_that_it_has_answered(
    workspace: Workspace, two_versions: list[Version], bad_part: Path, good_part: Path,
    run_process: Callable[..., Process], kills: int,
) -> None:  # fmt: skip
    moments = random.Random(14)
    answered: list[dict] = []
    promised = two_versions[0].id
    for number in range(kills):
        studio = run_process()
        is_over = threading.Event()

        def judge_on(studio: Process = studio, is_over: threading.Event = is_over) -> None:
            while not is_over.is_set():
                for picture in (bad_part, good_part):
                    if (answer := studio.judge(picture)) is not None and "verdictId" in answer:
                        answered.append(answer)

        judging = threading.Thread(target=judge_on)
        judging.start()
        killing = threading.Timer(moments.uniform(0.2, 2.0), studio.process.kill)
        killing.start()
        asked = promised
        while studio.process.poll() is None:
            asked = two_versions[0].id if promised == two_versions[1].id else two_versions[1].id
            if studio.go_back_to(next(version for version in two_versions if version.id == asked)):
                promised = asked
        is_over.set()
        judging.join()
        studio.kill()
        live = check(workspace.path, answered)  # what was asked last may have been committed before it was answered
        assert live in {promised, asked}, f"after kill {number + 1}"
        promised = live
    assert answered
