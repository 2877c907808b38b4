"""Verdicts are found by product, time, decision, score, name and what a person said of them, a page at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, case, func, select, tuple_
from sqlalchemy.orm import Session

from paddlex.inference.serving.errors import RequestError
from paddlex.studio.database.schema import Product, Verdict, Version
from paddlex.studio.history import storable
from paddlex.studio.workspace import Workspace

#: Verdicts are counted up to here.
MOST_COUNTED = 10_000

_CURSOR = re.compile(r"(-?[0-9][0-9.e+-]{0,30})_([0-9]{1,18})", re.ASCII)

Sort = Literal["at", "score"]

_LABELS = {"any": ("good", "bad"), "good": ("good",), "bad": ("bad",)}


@dataclass(frozen=True)
class Wanted:
    """Which verdicts are meant; None or "" for any.

    Attributes:
        product_id: whose.
        is_anomalous: what was decided.
        corrected: what a person said of them: ``good``, ``bad``, either of them (``any``), or nothing (``none``).
        name: what the picture's name has in it somewhere, in large or small letters.
        since: from this moment on, in ms.
        until: before this moment.
        score_from: of at least this score.
        score_to: of at most this.
    """

    product_id: int | None = None
    is_anomalous: bool | None = None
    corrected: Literal["any", "good", "bad", "none"] | None = None
    name: str = ""
    since: int | None = None
    until: int | None = None
    score_from: float | None = None
    score_to: float | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same in SQL."""
        conditions: list[ColumnElement[bool]] = []
        if self.product_id is not None:
            conditions.append(Verdict.product_id == self.product_id)
        if self.is_anomalous is not None:
            conditions.append(Verdict.is_anomalous.is_(self.is_anomalous))
        if self.corrected == "none":  # nearly all of them, which an index on the label is no way to find
            conditions.append(Verdict.corrected.not_in(_LABELS["any"]))
        elif self.corrected is not None:
            conditions.append(Verdict.corrected.in_(_LABELS[self.corrected]))
        if self.since is not None:
            conditions.append(Verdict.at >= self.since)
        if self.until is not None:
            conditions.append(Verdict.at < self.until)
        if self.score_from is not None:
            conditions.append(Verdict.score >= self.score_from)
        if self.score_to is not None:
            conditions.append(Verdict.score <= self.score_to)
        if self.name:
            conditions.append(Verdict.folded_name.contains(storable(self.name, 255).casefold(), autoescape=True))
        return conditions


@dataclass(frozen=True)
class Page:
    """Some verdicts, and where those that follow begin; None after the last."""

    verdicts: list[Verdict]
    following: str | None


def page(session: Session, wanted: Wanted, sort: Sort, before: str | None, limit: int) -> Page:
    """A page of verdicts, the newest or those of the highest scores first; as quick at the end as at the beginning.

    Args:
        session: that reads.
        wanted: which.
        sort: by what.
        before: ``following`` of the page before; None for the first.
        limit: how many.

    Raises:
        RequestError: 422, ``before`` is none.
    """
    key = Verdict.at if sort == "at" else Verdict.score
    query = select(Verdict).where(*wanted.conditions()).order_by(key.desc(), Verdict.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(tuple_(key, Verdict.id) < tuple_(*_parsed(before, sort)))
    verdicts = list(session.scalars(query))
    if len(verdicts) <= limit:
        return Page(verdicts, None)
    last = verdicts[limit - 1]
    return Page(verdicts[:limit], f"{last.at if sort == 'at' else repr(last.score)}_{last.id}")


def _parsed(cursor: str, sort: Sort) -> tuple[int | float, int]:
    try:
        match = _CURSOR.fullmatch(cursor)
        if match is not None:
            key, number = (int if sort == "at" else float)(match[1]), int(match[2])
            if abs(key) < 2**62:
                return key, number
    except ValueError:
        pass
    raise RequestError(422, "before: that is not where a page ends", remedy="Begin with the first page")


def count(session: Session, wanted: Wanted, first: Page | None = None) -> int | None:
    """How many there are; None for more than ``MOST_COUNTED``.

    Args:
        session: that reads.
        wanted: which.
        first: the first page, if that is known: where no other follows it, nothing needs to be counted.
    """
    if first is not None and first.following is None:
        return len(first.verdicts)
    some = select(Verdict.id).where(*wanted.conditions()).limit(MOST_COUNTED + 1).subquery()
    number = session.scalar(select(func.count()).select_from(some)) or 0
    return None if number > MOST_COUNTED else number


def walk(workspace: Workspace, wanted: Wanted, step: int = 1000) -> Iterator[list[Verdict]]:
    """All verdicts that there are now, the oldest first, some at a time: as many as there are take no more memory.

    Between two steps nothing is held: whoever reads slowly keeps nobody from writing.
    """
    with workspace.reading() as session:
        newest = session.scalar(select(func.max(Verdict.id))) or 0
    last = (-1, -1)
    while True:
        here = and_(Verdict.id <= newest, tuple_(Verdict.at, Verdict.id) > tuple_(*last))
        query = select(Verdict).where(*wanted.conditions(), here).order_by(Verdict.at, Verdict.id).limit(step)
        with workspace.reading() as session:
            verdicts = list(session.scalars(query))
        if verdicts:
            last = (verdicts[-1].at, verdicts[-1].id)
            yield verdicts
        if len(verdicts) < step:
            return


@dataclass(frozen=True)
class Names:
    """What people call the products and versions of verdicts: id -> name, id -> number."""

    products: dict[int, str]
    versions: dict[int, int]


def names(session: Session, verdicts: list[Verdict]) -> Names:
    """The names that some verdicts need."""
    products = select(Product.id, Product.name).where(Product.id.in_({one.product_id for one in verdicts}))
    ids = {one.version_id for one in verdicts} | {one.shadow_id for one in verdicts if one.shadow_id is not None}
    versions = select(Version.id, Version.number).where(Version.id.in_(ids))
    return Names(dict(session.execute(products).tuples().all()), dict(session.execute(versions).tuples().all()))


def to_json(verdict: Verdict, known: Names) -> dict[str, Any]:
    """A verdict as it is told; the number of a version that is not there any more is null."""
    shadow = {
        "version": known.versions.get(verdict.shadow_id or 0),
        "score": verdict.shadow_score,
        "isAnomalous": verdict.shadow_anomalous,
    }
    return {
        "id": verdict.id,
        "at": verdict.at,
        "product": known.products.get(verdict.product_id),
        "version": known.versions.get(verdict.version_id),
        "modelDigest": verdict.model_digest,
        "name": verdict.name,
        "digest": verdict.digest,
        "isKept": verdict.is_kept,
        "isAnomalous": verdict.is_anomalous,
        "score": verdict.score,
        "rawScore": verdict.raw_score,
        "threshold": verdict.threshold,
        "area": verdict.area,
        "brightness": verdict.brightness,
        "sharpness": verdict.sharpness,
        "offsetX": verdict.offset_x,
        "offsetY": verdict.offset_y,
        "angle": verdict.angle,
        "regions": verdict.regions,
        "by": verdict.by,
        "corrected": verdict.corrected,
        "correctedBy": verdict.corrected_by,
        "correctedAt": verdict.corrected_at,
        "shadow": None if verdict.shadow_id is None else shadow,
    }


def figures(session: Session, wanted: Wanted) -> list[dict[str, Any]]:
    """How many verdicts each product has, and what people said of them.

    Returns:
        For each product that has any ``product`` (its name), ``judged``, ``anomalous``, ``falseAlarms`` (anomalous, but
        corrected to good) and ``missed`` (not anomalous, but corrected to bad).
    """

    def counted(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)

    query = (
        select(
            Verdict.product_id,
            func.count(),
            counted(Verdict.is_anomalous.is_(True)),
            counted(Verdict.is_anomalous.is_(True), Verdict.corrected == "good"),
            counted(Verdict.is_anomalous.is_(False), Verdict.corrected == "bad"),
        )
        .where(*wanted.conditions())
        .group_by(Verdict.product_id)
    )
    called = dict(session.execute(select(Product.id, Product.name)).tuples().all())
    keys = ("judged", "anomalous", "falseAlarms", "missed")
    rows = ((called.get(row[0], ""), *row[1:]) for row in session.execute(query))
    return [dict(zip(("product", *keys), row, strict=True)) for row in sorted(rows)]
