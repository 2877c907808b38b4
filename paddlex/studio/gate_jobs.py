"""Looking at versions beside the service, one after the other, as jobs that the page can follow."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from sqlalchemy import func, select, update

from paddlex.errors import PaddleXError, in_one_line
from paddlex.inference.serving.errors import Busy, RequestError
from paddlex.studio.database.schema import Job, Version
from paddlex.studio.gate import Gate
from paddlex.studio.jobs import UNFINISHED
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.logging import logger

KIND = "gate"

#: Gates that wait.
_MOST_WAITING = 16

#: Seconds between two notes of progress.
_NOTE_EVERY = 0.5


class _Cancelled(PaddleXError):
    """Somebody has cancelled it."""


class GateJobs:
    """Runs the gate on a thread of its own.

    Args:
        workspace: that notes the jobs.
        gate: that is run.
    """

    def __init__(self, workspace: Workspace, gate: Gate) -> None:
        self._workspace = workspace
        self._gate = gate
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="gate")

    def start(self, version_id: int, by: str, then: Callable[[dict[str, Any]], None] | None = None) -> Job:
        """Look at a version soon; what is found stands in the job's result and in the version's row.

        Args:
            version_id: which.
            by: who wants it.
            then: called with what is found; None where only somebody who clicks wants to know.

        Raises:
            RequestError: 404, there is no such version.
            Busy: too many wait; not where something is to follow, which must not be lost.
        """
        with self._workspace.writing() as session:
            version = session.get(Version, version_id)
            if version is None:
                raise RequestError(404, f"there is no version {version_id}", remedy="Reload the page")
            waiting = select(func.count()).where(Job.kind == KIND, Job.state.in_(UNFINISHED))
            if then is None and (session.scalar(waiting) or 0) >= _MOST_WAITING:
                raise Busy("the gate has enough to look at already", retry_after=30)
            job = Job(
                product_id=version.product_id, kind=KIND, state="waiting", what=f"version {version.number}", made_at=now_ms(),
                made_by=by, done=0, total=0, command="", folder="", error="", result={},
            )  # fmt: skip
            session.add(job)
        self._pool.submit(self._run, job.id, version_id, then)
        return job

    def tidy(self) -> None:
        """Note that what a studio that was killed has not finished is lost."""
        left = update(Job).where(Job.kind == KIND, Job.state.in_(UNFINISHED))
        with self._workspace.writing() as session:
            session.execute(left.values(state="lost", ended_at=now_ms(), error="The studio ended. Look at it again."))

    def close(self) -> None:
        """Finish with what is at work."""
        self._is_closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    _is_closed = False

    def _run(self, job_id: int, version_id: int, then: Callable[[dict[str, Any]], None] | None) -> None:
        noted = [0.0]
        try:
            self._note(job_id, noted, 0, 0)
            found = self._gate.run(version_id, partial(self._note, job_id, noted))
            self._end(job_id, "done", result=found, done=found["judged"], total=found["judged"])
        except _Cancelled:
            self._end(job_id, "cancelled")
            return
        except Exception as error:
            if not isinstance(error, PaddleXError):
                logger.exception("The gate has failed.")
            self._end(job_id, "failed", error=in_one_line(error))
            return
        if then is None:
            return
        try:
            then(found)
        except Exception as error:
            logger.error("After the gate of version id %d: %s", version_id, in_one_line(error))

    def _note(self, job_id: int, noted: list[float], done: int, total: int) -> None:
        if time.monotonic() - noted[0] < _NOTE_EVERY:
            return
        noted[0] = time.monotonic()
        with self._workspace.writing() as session:
            job = session.get_one(Job, job_id)
            if self._is_closed or job.state not in UNFINISHED:
                raise _Cancelled("the job was cancelled")
            job.state, job.started_at = "running", job.started_at or now_ms()
            job.done, job.total = done, total

    def _end(self, job_id: int, state: str, **values: Any) -> None:
        try:
            with self._workspace.writing() as session:
                of_job = update(Job).where(Job.id == job_id)
                session.execute(of_job.values(state=state, ended_at=now_ms(), **values))
        except Exception as error:  # the next start notes it as lost
            logger.error("The end of job %d cannot be noted: %s", job_id, in_one_line(error))
