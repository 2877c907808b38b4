"""A shadow judges beside the live version and decides nothing: after the answer, in a queue of its own that drops what is too
much for it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from paddlex.errors import PaddleXError, in_one_line
from paddlex.studio.database.schema import Product, Setting, Verdict
from paddlex.studio.loading import Loader
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.logging import logger

#: Verdicts that wait for a shadow; of the pictures only the names are held.
_MOST_WAITING = 64

#: Seconds between two looks at whether the live version has nothing to do.
_LOOK_EVERY = 0.05

#: Verdicts on which the two differ that are shown, the latest.
_MOST_EXAMPLES = 50

#: What the operating system gives a shadow, compared with 0 for judging.
_NICENESS = 10

_PREFIX = "shadow/"


@dataclass(frozen=True)
class Comparison:
    """How a shadow and what is live have judged the same parts.

    Attributes:
        version_id: the shadow; None where there is none.
        of: parts that both have judged.
        agree: of these, with the same verdict.
        only_live, only_shadow: anomalous to one alone.
        dropped: parts that the shadow has not judged since it began, because it was too slow or failed.
        examples: verdicts on which they differ, the latest first.
        error: why it last failed; empty where it did not.
    """

    version_id: int | None
    of: int = 0
    agree: int = 0
    only_live: int = 0
    only_shadow: int = 0
    dropped: int = 0
    examples: list[Verdict] = field(default_factory=list)
    error: str = ""


def note_shadow(session: Session, product: Product, version_id: int | None) -> None:
    """Set a product's shadow in the caller's transaction, and since when it is."""
    product.shadow_id = version_id
    name = f"{_PREFIX}{product.id}"
    known = session.get(Setting, name)
    if known is None:
        known = Setting(name=name, value={})
        session.add(known)
    known.value = {"version": version_id, "since": now_ms()}


class Shadow:
    """Judges for all products that have a shadow, on one thread.

    Args:
        workspace: of the verdicts.
        loader: opens shadows; nobody else's, because what it keeps open is the shadows.
        is_busy: whether parts wait to be judged by what is live: then a shadow waits.
    """

    def __init__(self, workspace: Workspace, loader: Loader, is_busy: Callable[[], bool]) -> None:
        self._workspace = workspace
        self._loader = loader
        self._is_busy = is_busy
        self._shadowed: frozenset[int] = frozenset()
        self._errors: dict[int, str] = {}
        self._queue: queue.Queue[tuple[int, int, str] | None] = queue.Queue(_MOST_WAITING)
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.refresh()
        self._thread.start()

    def refresh(self) -> None:
        """Look again which products have a shadow."""
        with self._workspace.reading() as session:
            self._shadowed = frozenset(session.scalars(select(Product.id).where(Product.shadow_id.is_not(None))))

    def offer(self, verdict: Verdict) -> None:
        """Judge the picture of a verdict too, if there is a shadow and it is not too far behind; returns at once."""
        if verdict.product_id in self._shadowed:
            with contextlib.suppress(queue.Full):  # ``compare`` counts it
                self._queue.put_nowait((verdict.id, verdict.product_id, verdict.digest))

    def compare(self, product_id: int) -> Comparison:
        """How a product's shadow has done since it is one."""
        with self._workspace.reading() as session:
            shadow_id = session.get_one(Product, product_id).shadow_id
            setting = session.get(Setting, f"{_PREFIX}{product_id}")
            if shadow_id is None:
                return Comparison(None)
            since = 0 if setting is None else int(setting.value["since"])
            judged = Verdict.shadow_id == shadow_id
            differ = judged & (Verdict.shadow_anomalous != Verdict.is_anomalous)
            chosen = (Verdict.product_id == product_id) & (Verdict.at >= since)
            sums = select(
                func.count(), _sum(judged), _sum(differ & Verdict.is_anomalous), _sum(differ & ~Verdict.is_anomalous)
            )
            total, of, only_live, only_shadow = session.execute(sums.where(chosen)).one()
            examples = select(Verdict).where(chosen, differ).order_by(Verdict.at.desc()).limit(_MOST_EXAMPLES)
            return Comparison(
                shadow_id, of, of - only_live - only_shadow, only_live, only_shadow,
                max(0, total - of - self._queue.qsize()), list(session.scalars(examples)), self._errors.get(shadow_id, ""),
            )  # fmt: skip

    def close(self) -> None:
        """Judge nothing more."""
        self._is_closed = True
        with contextlib.suppress(queue.Full):  # then there is enough in it to wake up for
            self._queue.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # of the thread on Linux; elsewhere there is no such thing
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        while not self._is_closed:
            item = self._queue.get()
            while self._is_busy() and not self._is_closed:
                time.sleep(_LOOK_EVERY)
            if item is not None and not self._is_closed:
                self._judge(*item)

    def _judge(self, verdict_id: int, product_id: int, digest: str) -> None:
        shadow_id: int | None = None
        try:
            with self._workspace.reading() as session:
                shadow_id = session.get_one(Product, product_id).shadow_id
            if shadow_id is None:
                return
            result = self._loader.kept(shadow_id, 1).look_at(self._workspace.pictures, digest)
            said = {"shadow_score": float(result["score"]), "shadow_anomalous": bool(result["is_anomalous"])}
            with self._workspace.writing() as session:
                session.execute(update(Verdict).where(Verdict.id == verdict_id).values(shadow_id=shadow_id, **said))
            self._errors.pop(shadow_id, None)
        except Exception as error:  # whatever it is, it is the shadow's alone
            if shadow_id is not None and shadow_id not in self._errors:
                logger.warning("The shadow of product %d fails: %s", product_id, in_one_line(error))
            if shadow_id is not None:
                self._errors[shadow_id] = error.what if isinstance(error, PaddleXError) else in_one_line(error)


def _sum(condition: Any) -> Any:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
