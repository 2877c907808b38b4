"""What is told of a job: its row, how far its process says it is, and how long that will still take."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from paddlex.studio.database.schema import Job
from paddlex.studio.jobs import DONE, PROGRESS, RUNNING
from paddlex.studio.workspace import Workspace
from paddlex.utils.progress import read_steps

#: Seconds that steps take where no earlier job tells, and for each of what is counted in them; measured on two cores.
_USUAL: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "train": {
        "Starting": (2.1, 0.0),
        "Features": (2.5, 0.055),
        "Fitting the model": (1.2, 0.017),
        "Exporting the model": (8.0, 0.0),
        "Trying the model": (0.7, 0.0),
    },
    "check": {"Starting": (1.0, 0.0), "Checking the data set": (0.2, 0.01)},
}

Step = Mapping[str, Any]


def job_json(workspace: Workspace, job: Job) -> dict[str, Any]:
    """A job as the page has it."""
    done, total, what, left = job.done, job.total, job.what, None
    if job.state == RUNNING and job.folder:
        steps = read_steps(workspace.path / job.folder / PROGRESS)
        if steps:
            done, total, what = steps[-1]["done"], steps[-1]["total"], steps[-1]["what"]
        left = seconds_left(steps, _earlier(workspace, job), job.kind, time.time())
    return {
        "id": job.id, "kind": job.kind, "state": job.state, "done": done, "total": total, "what": what,
        "secondsLeft": left, "command": job.command, "error": job.error, "result": job.result, "madeAt": job.made_at,
        "startedAt": job.started_at, "endedAt": job.ended_at,
    }  # fmt: skip


def seconds_left(steps: Sequence[Step], earlier: Sequence[Step], kind: str, now: float) -> float | None:
    """How long a job will still take; None where nothing tells.

    Args:
        steps: those of the job so far, see ``utils.progress``.
        earlier: those of one of its kind that has ended; none where there is none.
        kind: of the job.
        now: in seconds, on the clock of the steps.
    """
    counted = max((step["total"] for step in steps), default=0)
    expected = _expected(earlier, kind, counted)
    if not expected:
        return None
    if not steps:
        return round(sum(expected.values()), 1)
    names, current = list(expected), steps[-1]
    passed = max(0.0, now - current["start"])
    if current["total"] and current["done"] >= max(3, current["total"] // 10):
        own = passed / current["done"] * (current["total"] - current["done"])
    else:
        own = max(0.0, expected.get(current["what"], 0.0) - passed)
    seen = {step["what"] for step in steps}
    at = max((names.index(name) for name in seen if name in names), default=-1)
    return round(own + sum(expected[name] for name in names[at + 1 :]), 1)


def _expected(earlier: Sequence[Step], kind: str, counted: int) -> dict[str, float]:
    """What -> seconds, in the order of the steps."""
    if not earlier:
        return {what: fixed + each * counted for what, (fixed, each) in _USUAL.get(kind, {}).items()}
    before = max(step["total"] for step in earlier)
    found: dict[str, float] = {}
    for step in earlier:
        seconds = step.get("end", step["start"]) - step["start"]
        grows = counted / before if step["total"] and before and counted else 1.0
        found[step["what"]] = found.get(step["what"], 0.0) + seconds * grows
    return found


def _earlier(workspace: Workspace, job: Job) -> list[dict[str, Any]]:
    """The steps of the last job of the kind that has ended well, of the product rather than of another."""
    asked = select(Job).where(Job.kind == job.kind, Job.state == DONE)
    with workspace.reading() as session:
        rows = session.scalars(asked.order_by((Job.product_id == job.product_id).desc(), Job.id.desc()).limit(1)).all()
    return [step for row in rows for step in read_steps(workspace.path / row.folder / PROGRESS)]
