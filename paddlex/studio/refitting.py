"""After corrections the model learns anew, once for several that come together; the gate looks at it, and it goes live.

What is wanted stands in the database, in the transaction of the correction, until a version has come of it: a studio that is
killed in between takes it up when it starts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from paddlex.errors import ModelError, in_one_line
from paddlex.inference.model_folder import open_model_folder
from paddlex.studio.changes import ROLLBACK, Changes
from paddlex.studio.database.schema import AuditEntry, Job, Product, Setting, Version
from paddlex.studio.gate import GateRefused
from paddlex.studio.gate_jobs import GateJobs
from paddlex.studio.jobs import FITS, UNFINISHED
from paddlex.studio.rounds import Rounds
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.logging import logger

#: Seconds that a correction waits for others; however many come, the first has waited the longer time at most.
_QUIET, _LONGEST = 2.0, 10.0

#: Seconds between two looks at what is due.
_LOOK_EVERY = 0.25

_PREFIX = "refit/"

#: (product's number, who wants it) -> the job that learns anew; None for a model that cannot by itself.
StartRefit = Callable[[int, str], "Job | None"]


def ask_for_refit(session: Session, product: Product, by: str) -> None:
    """Note in the caller's transaction that a product's model is to learn anew."""
    name = f"{_PREFIX}{product.id}"
    value = {"by": by, "at": now_ms()}
    known = session.get(Setting, name)
    if known is None:
        session.add(Setting(name=name, value=value))
    else:
        known.value = {**known.value, **value}


def is_wanted(session: Session, product: Product) -> bool:
    """Whether a product's model is to learn anew, and has not yet."""
    return session.get(Setting, f"{_PREFIX}{product.id}") is not None


def can_refit(workspace: Workspace, session: Session, product: Product) -> bool:
    """Whether the model of a product can learn anew by itself; others are trained."""
    live = None if product.live_id is None else session.get(Version, product.live_id)
    if live is None:
        return False
    try:
        own = open_model_folder(workspace.path / live.folder).own
    except ModelError:
        return False
    return own.fit is not None and own.tiling is None


def _has_gone_back(session: Session, product: Product, since: int) -> bool:
    """Whether somebody has gone back to an older version of a product since then."""
    entries = select(AuditEntry.number).where(
        AuditEntry.product == product.name, AuditEntry.action == ROLLBACK, AuditEntry.at >= since
    )
    return session.scalar(entries.limit(1)) is not None


def _is_open(wanted: Setting) -> bool:
    """Whether no version has come yet of what was wanted last."""
    return wanted.value.get("at") != wanted.value.get("started") or "version" not in wanted.value


class Refitting:
    """Starts what is wanted, when nothing has been added for a moment and no other fit of the product is at work.

    Args:
        workspace: of the products.
        start_refit: starts the job.
        gate_jobs: look at what comes of it.
        changes: let it go live.
    """

    def __init__(self, workspace: Workspace, start_refit: StartRefit, gate_jobs: GateJobs, changes: Changes) -> None:
        self._workspace = workspace
        self._start_refit = start_refit
        self._gate_jobs = gate_jobs
        self._changes = changes
        self._due: dict[int, tuple[float, float]] = {}
        self._lock = threading.Lock()
        failed = "What is to be learnt anew could not be looked at"
        self._rounds = Rounds("refitting", self._look, failed=failed, rest=_LOOK_EVERY)

    def start(self) -> None:
        """Take up what was wanted when the studio last ended: the refit, or the gate of what has come of it."""
        with self._workspace.reading() as session:
            wanted = session.scalars(select(Setting).where(Setting.name.startswith(_PREFIX))).all()
            made = {one.name: session.get(Version, one.value["version"]) for one in wanted if not _is_open(one)}
        for one in wanted:
            version = made.get(one.name)
            if version is None:
                self.soon(int(one.name.removeprefix(_PREFIX)))
            else:
                self.fitted(version)
        self._rounds.start()

    def soon(self, product_id: int) -> None:
        """A product's model is to learn anew; that is noted already."""
        now = time.monotonic()
        with self._lock:
            _, latest = self._due.get(product_id, (0.0, now + _LONGEST))
            self._due[product_id] = (now + _QUIET, latest)
        self._rounds.wake()

    def fitted(self, version: Version) -> None:
        """A version was made by a fit: the gate looks at it, and a refit that passes goes live unless ``autoLive`` is off.

        It is on where nobody has said otherwise: whoever corrects a verdict expects the next part to be judged accordingly;
        what it might break the gate has looked at, and one click goes back. Where somebody has gone back meanwhile, that
        stands.
        """
        name = f"{_PREFIX}{version.product_id}"
        with self._workspace.writing() as session:
            wanted = session.get(Setting, name)
            if wanted is not None:
                wanted.value = {**wanted.value, "version": version.id}
            is_more_wanted = wanted is not None and _is_open(wanted)
        if is_more_wanted:
            self.soon(version.product_id)

        def then(found: dict[str, Any]) -> None:
            with self._workspace.reading() as session:
                product = session.get_one(Product, version.product_id)
                goes_live = (
                    product.settings.get("autoLive", True) and version.how == "refit" and product.live_id != version.id
                    and not _has_gone_back(session, product, version.learnt_at)
                )  # fmt: skip
            if found["passed"] and goes_live:
                try:
                    self._changes.go_live(version.id, version.made_by, by_itself=True)
                except GateRefused:  # what it rests on has changed while it looked
                    self.fitted(version)
                    return
            with self._workspace.writing() as session:
                wanted = session.get(Setting, name)
                if wanted is not None and not _is_open(wanted):
                    session.delete(wanted)

        self._gate_jobs.start(version.id, version.made_by, then)

    def close(self) -> None:
        """Start nothing more."""
        self._rounds.close()

    def _look(self) -> float | None:
        now = time.monotonic()
        with self._lock:
            ready = [product_id for product_id, times in self._due.items() if now >= min(times)]
        for product_id in ready:
            try:
                is_done = self._is_started(product_id)
            except Exception as error:
                logger.error("The model of product %d cannot learn anew: %s", product_id, in_one_line(error))
                is_done = True
            if is_done:
                with self._lock:
                    self._due.pop(product_id, None)
        return _LOOK_EVERY if self._due else None

    def _is_started(self, product_id: int) -> bool:
        """Start a refit; False while another fit of the product is at work."""
        at_work = select(Job.id).where(Job.product_id == product_id, Job.kind.in_(FITS), Job.state.in_(UNFINISHED))
        with self._workspace.reading() as session:
            if session.scalar(at_work.limit(1)) is not None:
                return False
        with self._workspace.writing() as session:
            wanted = session.get(Setting, f"{_PREFIX}{product_id}")
            if wanted is None or not _is_open(wanted):
                return True
            by = str(wanted.value["by"])
            wanted.value = {"by": by, "at": wanted.value["at"], "started": wanted.value["at"]}
        self._start_refit(product_id, by)
        return True
