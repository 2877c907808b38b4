"""Jobs: processes that outlive whoever looks at them, and whose outcome is known however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from paddlex.inference.serving.errors import RequestError
from paddlex.studio import jobs as jobs_module
from paddlex.studio import task
from paddlex.studio.database.schema import Job, Product
from paddlex.studio.job_facts import job_json, seconds_left
from paddlex.studio.jobs import CANCELLED, DONE, FAILED, LOST, RUNNING, UNFINISHED, WAITING, Jobs, is_at_work
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.child_process import environment_of_child

ROOT = Path(__file__).parents[3]


def opened(workspace: Workspace) -> Jobs:
    """The jobs of a workspace; what comes of one is what its process says."""
    with workspace.writing() as session:
        if session.get(Product, 1) is None:
            session.add_all(
                Product(name=name, made_at=now_ms(), target_fpr=0.05, settings={}) for name in ("one", "two")
            )
    jobs = Jobs(workspace)

    def finish(job: Job, folder: Path, outcome: dict[str, Any], conclude: Any) -> None:
        with workspace.writing() as session:
            conclude(session, {key: value for key, value in outcome.items() if key != "done_flag"})

    for kind in ("train", "check"):
        jobs.on_success(kind, finish)
    jobs.open()
    return jobs


def start(jobs: Jobs, function: str, kind: str = "train", product: int = 1, **arguments: Any) -> Job:
    def prepare(folder: Path) -> jobs_module.Work:
        return task.work(folder, f"tests.studio.teach.tasks:{function}", arguments, f"paddlex --{function}")

    return jobs.start(kind, product, "anna", prepare)


def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def ended(jobs: Jobs, job: Job) -> Job:
    return until(lambda: now if (now := jobs.get(job.id)).state not in UNFINISHED else None)


@pytest.fixture
def database_url() -> None:
    """SQLite: what is tried here is no matter of the database."""


@pytest.fixture
def jobs(workspace: Workspace) -> Iterator[Jobs]:
    made = opened(workspace)
    yield made
    made.close()
    for folder in workspace.jobs.iterdir():
        if is_at_work(folder):
            os.killpg(int((folder / "process").read_text()), signal.SIGKILL)


def test_a_job_runs_beside_the_studio_and_lets_it_go_first(jobs: Jobs, workspace: Workspace) -> None:
    job = ended(jobs, start(jobs, "answer", value=7))

    assert (job.state, job.error, job.made_by) == (DONE, "", "anna")
    assert job.result == {"value": 7, "niceness": min(19, os.nice(0) + 10)}
    assert job.command == "paddlex --answer"
    assert job.process != os.getpid()
    assert job.started_at is not None and job.ended_at is not None and job.made_at <= job.started_at <= job.ended_at


def test_it_tells_how_far_it_is_and_how_long_it_will_take(jobs: Jobs, workspace: Workspace) -> None:
    first = ended(jobs, start(jobs, "count", seconds=0.5))
    again = start(jobs, "count", seconds=6)

    told = until(lambda: now if (now := job_json(workspace, jobs.get(again.id)))["done"] >= 4 else None)
    assert (told["what"], told["total"], told["state"]) == ("Counting", 10, RUNNING)
    assert 0 < told["secondsLeft"] < 30
    assert first.state == DONE
    jobs.cancel(again.id)
    ended(jobs, again)


def test_an_error_and_a_kill_are_told_in_one_line(jobs: Jobs) -> None:
    failed = ended(jobs, start(jobs, "fail"))
    killed = ended(jobs, start(jobs, "crash"))

    assert (failed.state, failed.error) == (FAILED, "there are no pictures (here). Add some.")
    assert killed.state == FAILED
    assert killed.error == "its process was ended by SIGKILL; perhaps the memory did not suffice. Start it again."


def test_long_jobs_wait_for_each_other_and_short_ones_do_not_wait_for_them(jobs: Jobs, tmp_path: Path) -> None:
    first = start(jobs, "wait_for", path=str(tmp_path / "go"))
    second = start(jobs, "answer", product=2, value=2)
    short = ended(jobs, start(jobs, "answer", kind="check", value=3))

    assert short.state == DONE
    assert jobs.get(first.id).state == RUNNING
    assert jobs.get(second.id).state == WAITING
    (tmp_path / "go").touch()
    assert [ended(jobs, one).state for one in (first, second)] == [DONE, DONE]


def test_a_product_has_one_job_of_a_kind(jobs: Jobs, workspace: Workspace, tmp_path: Path) -> None:
    first = start(jobs, "wait_for", path=str(tmp_path / "go"))
    with pytest.raises(RequestError, match=f"job {first.id} does that already"):
        start(jobs, "answer", value=1)
    assert len(list(workspace.jobs.iterdir())) == 1
    (tmp_path / "go").touch()
    ended(jobs, first)


def test_cancelling_ends_all_that_the_process_has_started(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "_PATIENCE", 1.0)
    job, waiting = start(jobs, "with_child", path=str(tmp_path / "child")), start(jobs, "answer", product=2, value=1)
    child = int(until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text()))

    assert jobs.cancel(waiting.id).state == CANCELLED
    jobs.cancel(job.id)
    assert ended(jobs, job).state == CANCELLED
    until(lambda: not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text())
    assert ended(jobs, waiting).result == {}


@pytest.mark.parametrize(
    ("what_happens", "state"), [("goes on", DONE), ("ends meanwhile", DONE), ("is killed, too", LOST)]
)
def test_a_studio_that_was_killed_takes_up_its_jobs(tmp_path: Path, what_happens: str, state: str) -> None:
    go = tmp_path / "go"
    killed = subprocess.run(
        [sys.executable, "-m", "tests.studio.teach.tasks", str(tmp_path / "workspace"), str(go)],
        cwd=ROOT, env=environment_of_child(), stdout=subprocess.PIPE, timeout=120, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    (folder,) = (tmp_path / "workspace" / "jobs").iterdir()
    assert is_at_work(folder)  # nobody waits for it any more
    if what_happens == "ends meanwhile":
        go.touch()
        until(lambda: not is_at_work(folder))
    elif what_happens == "is killed, too":
        os.killpg(int((folder / "process").read_text()), signal.SIGKILL)
        until(lambda: not is_at_work(folder))

    jobs = opened(Workspace(tmp_path / "workspace"))
    number = int(killed.stdout)
    if what_happens == "goes on":
        assert jobs.get(number).state == RUNNING
        go.touch()
    job = ended(jobs, jobs.get(number))
    assert job.state == state
    assert job.result == ({"value": 1} if state == DONE else {})
    jobs.close()


def test_a_job_that_was_never_begun_is_begun_and_what_no_job_knows_is_removed(workspace: Workspace) -> None:
    before = opened(workspace)
    before.close()  # nothing is begun any more
    job = start(before, "answer", value=5)
    (workspace.jobs / "train-half").mkdir()

    jobs = opened(workspace)
    assert ended(jobs, job).result["value"] == 5
    assert [folder.name for folder in workspace.jobs.iterdir()] == [Path(job.folder).name]
    jobs.close()


def test_folders_of_the_last_jobs_are_kept(jobs: Jobs, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "_KEPT", 1)
    first, second = (ended(jobs, start(jobs, "answer", value=value)) for value in (1, 2))

    until(lambda: not (workspace.path / first.folder).exists())
    assert (workspace.path / second.folder).exists()
    assert jobs.get(first.id).result["value"] == 1


def test_the_time_left_grows_with_what_is_counted_and_shrinks_with_what_is_done() -> None:
    earlier = [
        {"what": "Starting", "done": 0, "total": 0, "start": 0.0, "end": 2.0},
        {"what": "Features", "done": 30, "total": 30, "start": 2.0, "end": 8.0},
        {"what": "Exporting", "done": 0, "total": 0, "start": 8.0, "end": 12.0},
    ]
    begun = [{"what": "Starting", "done": 0, "total": 0, "start": 100.0}]
    assert seconds_left([], earlier, "train", 100.0) is not None
    assert seconds_left(begun, earlier, "train", 101.0) == 1 + 6 + 4
    half = [*begun, {"what": "Features", "done": 30, "total": 60, "start": 102.0}]
    assert seconds_left(half, earlier, "train", 107.0) == 5 + 4  # 30 in 5 s, so 30 more in as many
    last = [*half, {"what": "Exporting", "done": 0, "total": 0, "start": 112.0}]
    assert seconds_left(last, earlier, "train", 115.0) == 1
    assert seconds_left(last, earlier, "train", 130.0) == 0
    assert seconds_left(begun, [], "qualify", 101.0) is None
