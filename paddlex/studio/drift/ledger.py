"""The verdicts of products, kept as columns in memory: the first look reads them, every other what has come since."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from paddlex.studio.database.schema import Verdict, Version
from paddlex.studio.drift.verdicts import Verdicts

#: So many verdicts of a product are looked at, the latest.
MOST = 300_000

#: A verdict may be seen later than one that was judged after it, but hardly by more than this.
_OVERLAP_MS = 60_000

_COLUMNS = (
    Verdict.at, Verdict.score, Verdict.raw_score, Verdict.is_anomalous, Verdict.brightness, Verdict.sharpness,
    Verdict.offset_x, Verdict.offset_y, Verdict.angle, Verdict.model_digest, Verdict.version_id,
)  # fmt: skip


@dataclass
class _Known:
    """Of a product: what was read, in the order of time, and up to when nothing is missing."""

    verdicts: Verdicts
    complete_to: int = -1
    lock: threading.Lock = field(default_factory=threading.Lock)


class Ledger:
    """The verdicts of all products of a workspace; for any thread."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._lock = threading.Lock()
        self._models: dict[str, int] = {}

    def verdicts(self, session: Session, product_id: int) -> Verdicts:
        """Those of a product, the latest ``MOST`` of them.

        Args:
            session: that reads.
            product_id: whose.
        """
        with self._lock:
            known = self._known.setdefault(product_id, _Known(self._columns([], {})))
        with known.lock:
            query = (
                select(*_COLUMNS).where(Verdict.product_id == product_id, Verdict.at > known.complete_to)
                .order_by(Verdict.at.desc(), Verdict.id.desc()).limit(MOST)
            )  # fmt: skip
            rows = session.connection().execute(query).all()[::-1]
            new = self._columns(rows, _optics(session, product_id))
            kept = known.verdicts[: int(np.searchsorted(known.verdicts.at, known.complete_to, "right"))]
            everything = kept.joined(new)
            known.verdicts = everything[max(0, len(everything) - MOST) :]
            if len(everything):
                known.complete_to = max(known.complete_to, int(everything.at[-1]) - _OVERLAP_MS)
            return known.verdicts

    def _columns(self, rows: Sequence[Sequence[Any]], optics: dict[int, int]) -> Verdicts:
        *numbers, digests, versions = zip(*rows, strict=True) if rows else [()] * len(_COLUMNS)
        kinds = (np.int64, np.float64, np.float64, bool, *[np.float64] * 5)
        columns = [np.array(column, kind) for column, kind in zip(numbers, kinds, strict=True)]
        models = [self._models.setdefault(one, len(self._models)) for one in digests]
        columns += [np.array(models, np.int64), np.array([optics.get(one, 0) for one in versions], np.int64)]
        return Verdicts(*columns)


def _optics(session: Session, product_id: int) -> dict[int, int]:
    """Version -> the training it goes back to: what comes of a refit, or of another threshold, sees photos as it did."""
    query = (
        select(Version.id, Version.parent_id, Version.how).where(Version.product_id == product_id).order_by(Version.id)
    )
    found: dict[int, int] = {}
    for number, parent, how in session.execute(query):
        found[number] = number if how == "train" or parent not in found else found[parent]
    return found


def corrections(session: Session, product_id: int, since: int) -> list[int]:
    """When those verdicts were judged that a person has corrected, ms UTC."""
    query = select(Verdict.at).where(
        Verdict.corrected.in_(("good", "bad")), Verdict.at >= since, Verdict.product_id == product_id
    )
    return list(session.scalars(query))
