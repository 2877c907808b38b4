"""What is done beside the service, in processes of its own: it goes on whoever closes the page, and whatever ends the studio.

A job's folder has all that there is to know of it: its config, what its process says (``log.txt``), how far it is, and its
outcome, which is written last and at once. Its process holds the kernel's lock on ``lock``, which ends with it however it
ends: so a studio that starts can tell a job that goes on from one that is dead, whoever has started it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from paddlex.errors import PaddleXError, in_one_line
from paddlex.inference.serving.errors import RequestError
from paddlex.studio.database.schema import Job
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.child_process import environment_of_child
from paddlex.utils.logging import logger

WAITING, RUNNING, DONE, FAILED, CANCELLED, LOST = "waiting", "running", "done", "failed", "cancelled", "lost"
UNFINISHED = (WAITING, RUNNING)

TRAIN, REFIT, CHECK, QUALIFY, ANALYSE = "train", "refit", "check", "qualify", "analyse"

#: Of these kinds a version comes.
FITS = (TRAIN, REFIT)

PROGRESS, LOG = "progress.json", "log.txt"
_LOCK, _PROCESS, _WORK, _CANCEL = "lock", "process", "work.json", "cancelled"

#: Kinds that take minutes and all cores wait for each other; those that a person waits for do not wait for them.
_LONG = frozenset({TRAIN, QUALIFY, ANALYSE})

#: Folders of so many jobs that have ended are kept: links to thousands of pictures in each add up.
_KEPT = 50

#: Seconds from SIGTERM to SIGKILL.
_PATIENCE = 10.0

#: Judging goes first: see nice(1).
_NICENESS = "10"

#: Notes the process before it becomes the job's own: whoever finds the job later knows what to stop.
_SHELL = 'echo $$ > "$0" && exec nice -n ' + _NICENESS + ' "$@"'

#: The last line that a process has written is told, up to so many letters.
_LONGEST_LINE = 300


@dataclass(frozen=True)
class Work:
    """What a job's process runs.

    Attributes:
        arguments: of the Python interpreter; ``--progress FILE`` is added.
        command: the shell command that does the same.
        outcome: the JSON file in the job's folder that its process writes last, with ``done_flag`` and ``err_msg``.
    """

    arguments: tuple[str, ...]
    command: str
    outcome: str


#: Notes, in the caller's transaction, that the job is done, and what came of it.
Conclude = Callable[[Session, dict[str, Any]], None]

#: Makes use of what a process has left: the job, its folder, its outcome.
Finish = Callable[[Job, Path, dict[str, Any], Conclude], None]


class Jobs:
    """The jobs of a workspace.

    Args:
        workspace: that remembers them.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._finish: dict[str, Finish] = {}
        self._lanes: dict[bool, queue.SimpleQueue[int | None]] = {True: queue.SimpleQueue(), False: queue.SimpleQueue()}
        self._tells_why: set[str] = set()
        self._preparing = threading.Lock()
        self._is_closed = False

    def on_success(self, kind: str, finish: Finish, *, or_failure: bool = False) -> None:
        """What is done with the outcome of jobs of a kind; before ``open``.

        Args:
            kind: of the jobs.
            finish: makes use of it.
            or_failure: also where the outcome is that it failed, because that tells something too.
        """
        self._finish[kind] = finish
        if or_failure:
            self._tells_why.add(kind)

    def open(self) -> None:
        """Take up the jobs that an earlier studio has left, whether they still run, have ended, or were never begun."""
        with self._workspace.reading() as session:
            left = session.scalars(
                select(Job).where(Job.state.in_(UNFINISHED), Job.kind.in_(self._finish)).order_by(Job.id)
            ).all()
        with self._preparing, self._workspace.reading() as session:
            known = set(session.scalars(select(Job.folder)))
            for folder in self._workspace.jobs.iterdir():
                if folder.relative_to(self._workspace.path).as_posix() not in known:
                    shutil.rmtree(folder, ignore_errors=True)  # it was being prepared when the studio was killed
        for is_long, lane in self._lanes.items():
            for job in sorted(left, key=lambda job: job.state != RUNNING):
                if (job.kind in _LONG) == is_long:
                    lane.put(job.id)
            threading.Thread(target=self._serve, args=(lane,), name="jobs", daemon=True).start()

    def start(self, kind: str, product_id: int, by: str, prepare: Callable[[Path], Work]) -> Job:
        """Begin a job as soon as no other of its length is at work.

        Args:
            kind: of it, see ``database.schema.Job``.
            product_id: whose job it is.
            by: who wants it.
            prepare: writes what the process needs into the job's folder, and says what is to be run.

        Raises:
            RequestError: 409, the product has such a job already.
            PaddleXError: it cannot be prepared.
        """
        folder = self._workspace.jobs / f"{kind}-{uuid.uuid4().hex[:12]}"
        with self._preparing:
            made_at = now_ms()  # before anything is read that it works on
            with self._workspace.reading() as session:
                _check_alone(session, kind, product_id)
            folder.mkdir()
            try:
                work = prepare(folder)
                written = {"arguments": work.arguments, "outcome": work.outcome}
                (folder / _WORK).write_text(json.dumps(written, allow_nan=False), encoding="utf-8")
                job = Job(
                    product_id=product_id, kind=kind, state=WAITING, command=work.command, made_at=made_at, made_by=by,
                    folder=folder.relative_to(self._workspace.path).as_posix(), what="", error="", result={}, done=0,
                    total=0,
                )  # fmt: skip
                with self._workspace.writing() as session:
                    session.add(job)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        self._lanes[kind in _LONG].put(job.id)
        return job

    def get(self, number: int) -> Job:
        """A job by its number.

        Raises:
            RequestError: 404, there is none.
        """
        with self._workspace.reading() as session:
            job = session.get(Job, number)
        if job is None:
            raise RequestError(404, f"there is no job {number}", remedy="Reload the page")
        return job

    def cancel(self, number: int) -> Job:
        """Stop a job; what it has made so far is thrown away. One that has ended stays as it is."""
        job = self.get(number)
        if job.state in UNFINISHED and not job.folder:  # it has no process: whoever works on it looks here
            with self._workspace.writing() as session:
                job = session.get_one(Job, number, with_for_update=True)
                if job.state in UNFINISHED:
                    job.state, job.ended_at = CANCELLED, now_ms()
        elif job.state in UNFINISHED:
            (self._folder(job) / _CANCEL).touch()
            with self._workspace.writing() as session:
                job = session.get_one(Job, number, with_for_update=True)
                if job.state == WAITING:
                    job.state, job.ended_at = CANCELLED, now_ms()
            if job.state == RUNNING:
                threading.Thread(target=_stop, args=(self._folder(job),), daemon=True).start()
        return job

    def close(self) -> None:
        """Let go. What is at work goes on, and the next studio takes it up."""
        self._is_closed = True
        for lane in self._lanes.values():
            lane.put(None)

    def _folder(self, job: Job) -> Path:
        return self._workspace.path / job.folder

    def _serve(self, lane: queue.SimpleQueue[int | None]) -> None:
        while (number := lane.get()) is not None and not self._is_closed:
            try:
                self._run(number)
            except Exception as error:  # the lane serves the next one
                if self._is_closed:
                    return
                logger.exception("Job %d cannot be followed.", number)
                with contextlib.suppress(Exception):
                    self._end(number, FAILED, in_one_line(error))

    def _run(self, number: int) -> None:
        with self._workspace.writing() as session:
            job = session.get(Job, number, with_for_update=True)
            if job is None or job.state not in UNFINISHED:
                return
            is_new, job.state = job.state == WAITING, RUNNING
            job.started_at = job.started_at or now_ms()
        folder, status = self._folder(job), None
        if not is_new:
            with _locked(folder, wait=True):  # until the process that an earlier studio has started ends
                pass
        elif not (folder / _CANCEL).exists():
            process = _begin(folder)
            self._note_process(number, process.pid)
            status = process.wait()
        if self._is_closed:
            return  # the next studio takes it up
        self._conclude(job, folder, status)
        self._remove_old_folders()

    def _conclude(self, job: Job, folder: Path, status: int | None) -> None:
        outcome = _outcome(folder)
        if (folder / _CANCEL).exists():
            self._end(job.id, CANCELLED, "")
        elif outcome is None and status is None:
            self._end(job.id, LOST, "its process ended without a word. Start it again.")
        elif outcome is None:
            self._end(job.id, FAILED, _last_words(folder, status))
        elif not outcome.get("done_flag") and job.kind not in self._tells_why:
            self._end(job.id, FAILED, str(outcome.get("err_msg") or "it did not say why"))
        else:
            try:
                self._finish[job.kind](
                    job, folder, outcome, lambda session, result: _note_done(session, job.id, result)
                )
            except (PaddleXError, OSError) as error:
                self._end(job.id, FAILED, in_one_line(error))

    def _remove_old_folders(self) -> None:
        with self._workspace.reading() as session:
            ended = select(Job.folder).where(Job.folder != "", Job.state.not_in(UNFINISHED)).order_by(Job.id.desc())
            old = session.scalars(ended.offset(_KEPT).limit(_KEPT)).all()
        for folder in old:
            shutil.rmtree(self._workspace.path / folder, ignore_errors=True)

    def _note_process(self, number: int, process: int) -> None:
        with self._workspace.writing() as session:
            session.get_one(Job, number).process = process

    def _end(self, number: int, state: str, error: str) -> None:
        with self._workspace.writing() as session:
            job = session.get_one(Job, number, with_for_update=True)
            if job.state in UNFINISHED:
                job.state, job.error, job.ended_at = state, error, now_ms()
        if error:
            logger.error("Job %d (%s): %s", number, job.kind, error)


def _check_alone(session: Session, kind: str, product_id: int) -> None:
    same = select(Job.id).where(Job.product_id == product_id, Job.kind == kind, Job.state.in_(UNFINISHED))
    if (number := session.scalar(same)) is not None:
        raise RequestError(409, f"job {number} does that already", remedy="Let it end, or cancel it")


def _note_done(session: Session, number: int, result: dict[str, Any]) -> None:
    job = session.get_one(Job, number)
    job.state, job.result, job.ended_at = DONE, result, now_ms()


def _begin(folder: Path) -> subprocess.Popen[bytes]:
    """Start a job's process, which outlives this one, and has the lock."""
    work = json.loads((folder / _WORK).read_bytes())
    command = [sys.executable, *work["arguments"], "--progress", str(folder / PROGRESS)]
    with _locked(folder) as lock, (folder / LOG).open("wb") as log:
        return subprocess.Popen(
            ["/bin/sh", "-c", _SHELL, str(folder / _PROCESS), *command],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment_of_child(), cwd=folder,
            pass_fds=[lock], start_new_session=True,
        )  # fmt: skip


@contextmanager
def _locked(folder: Path, wait: bool = False) -> Iterator[int]:
    """Hold a job's lock.

    Raises:
        BlockingIOError: its process has it.
    """
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


def is_at_work(folder: Path) -> bool:
    """Whether a job's process is alive."""
    try:
        with _locked(folder):
            return False
    except (BlockingIOError, FileNotFoundError) as error:
        return isinstance(error, BlockingIOError)


def _stop(folder: Path) -> None:
    """SIGTERM to a job's process and to all that it has started; SIGKILL to what has not ended some seconds later."""
    for number, seconds in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, _PATIENCE)):
        deadline = time.monotonic() + seconds
        is_told = False
        while time.monotonic() < deadline:
            if not is_told:
                with contextlib.suppress(OSError, ValueError):  # it has not noted its number yet, or has ended
                    group = int((folder / _PROCESS).read_text(encoding="ascii"))
                    if is_at_work(folder):  # else the number may be another's by now
                        os.killpg(group, number)
                        is_told = True
            time.sleep(0.1)
            if is_told and not is_at_work(folder):
                return


def _outcome(folder: Path) -> dict[str, Any] | None:
    try:
        name = json.loads((folder / _WORK).read_bytes())["outcome"]
        found = json.loads((folder / name).read_bytes())
    except (OSError, ValueError, KeyError):
        return None
    return found if isinstance(found, dict) else None


def _last_words(folder: Path, status: int | None) -> str:
    """Why a process ended that has left no outcome, in one line."""
    if status is not None and status < 0:
        name = signal.Signals(-status).name
        hint = "; perhaps the memory did not suffice" if status == -signal.SIGKILL else ""
        return f"its process was ended by {name}{hint}. Start it again."
    with contextlib.suppress(OSError):
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        if lines:
            return lines[-1][:_LONGEST_LINE]
    return f"its process ended with status {status}"


def command_line(arguments: Sequence[str]) -> tuple[str, ...]:
    """The interpreter's arguments for what the ``paddlex`` command does with some of its own."""
    return ("-m", "paddlex", *arguments)
