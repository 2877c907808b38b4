"""What a workspace keeps within limits of days and space: the oldest good ones go first, corrected ones never."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, select, update
from sqlalchemy.orm import Session

from paddlex.studio.database.schema import Member, Picture, Setting, Verdict
from paddlex.studio.rounds import Rounds
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.logging import logger

_NAME = "retention"
_DAY_MS = 86_400_000

#: Seconds between two looks.
_PAUSE = 300.0

#: So many verdicts go in a transaction: whoever judges meanwhile hardly waits.
_STEP = 100


@dataclass(frozen=True)
class Limits:
    """How much is kept; None for all.

    Attributes:
        days: so old a verdict may become.
        gigabytes: so much space (10**9 bytes) all pictures may take, those that models learn from among them.
    """

    days: float | None = None
    gigabytes: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is told, and kept."""
        return {"days": self.days, "gigabytes": self.gigabytes}


@dataclass(frozen=True)
class Removed:
    """What has gone.

    Attributes:
        verdicts: rows.
        pictures: files.
        excess: bytes above the limit that are left, because what takes them must stay.
    """

    verdicts: int = 0
    pictures: int = 0
    excess: int = 0


def limits(session: Session) -> Limits:
    """The limits of a workspace; at first there are none."""
    kept = session.get(Setting, _NAME)
    return Limits() if kept is None else Limits(kept.value.get("days"), kept.value.get("gigabytes"))


def set_limits(session: Session, new: Limits) -> None:
    """Set the limits of a workspace."""
    session.merge(Setting(name=_NAME, value=new.to_json()))


def enforce(
    workspace: Workspace, limits: Limits, now: int | None = None, is_stopped: Callable[[], bool] = lambda: False
) -> Removed:
    """Remove what is beyond the limits: verdicts that are too old with their pictures, then pictures until there is space.

    A verdict whose picture went for space stays, with ``is_kept`` false. The oldest good ones go first, then the oldest
    anomalous ones. What a person has corrected stays, and so does every picture that a model learns from or must find.

    First a verdict lets go of its picture, and is committed; then the picture goes, if nothing else needs it. Killed in
    between, what is left is a picture that nobody needs: ``sweep`` finds it.

    Args:
        workspace: whose.
        limits: what is beyond them goes.
        now: in ms; None for the clock's.
        is_stopped: asked before every step.
    """
    verdicts = pictures = 0
    if limits.days is not None:
        oldest = (now_ms() if now is None else now) - round(limits.days * _DAY_MS)
        while not is_stopped() and (gone := _forget(workspace, oldest)):
            verdicts += len(gone)
            pictures += _release(workspace, gone)
    excess = 0
    if limits.gigabytes is not None:
        most = round(limits.gigabytes * 1e9)
        while (excess := _bytes(workspace) - most) > 0 and not is_stopped() and (gone := _let_go(workspace, excess)):
            pictures += _release(workspace, gone)
    return Removed(verdicts, pictures, max(0, excess))


def sweep(workspace: Workspace, before: int) -> int:
    """Remove the pictures, added before a moment, that nobody needs; returns how many there were."""
    with workspace.reading() as session:
        digests = list(session.scalars(select(Picture.digest).where(Picture.added_at < before, _is_free())))
    return sum(_release(workspace, digests[start : start + _STEP]) for start in range(0, len(digests), _STEP))


def _forget(workspace: Workspace, oldest: int) -> list[str]:
    """Delete some verdicts that are too old; returns their pictures' digests."""
    is_referred_to = exists().where(Member.verdict_id == Verdict.id)
    some = (
        select(Verdict.id).where(Verdict.at < oldest, Verdict.corrected == "", ~is_referred_to)
        .order_by(Verdict.at, Verdict.id).limit(_STEP)
    )  # fmt: skip
    with workspace.writing() as session:
        ids = list(session.scalars(some))
        gone = delete(Verdict).where(Verdict.id.in_(ids), Verdict.corrected == "").returning(Verdict.digest)
        return list(session.scalars(gone, execution_options={"synchronize_session": False})) if ids else []


def _let_go(workspace: Workspace, excess: int) -> list[str]:
    """Let some verdicts go without their pictures, the oldest good ones first; returns the pictures' digests."""
    is_taught = exists().where(Member.digest == Verdict.digest)
    may_go = and_(Verdict.is_kept.is_(True), Verdict.corrected.not_in(("good", "bad")), ~is_taught)
    query = (
        select(Verdict.id, func.coalesce(Picture.size, 0)).outerjoin(Picture, Picture.digest == Verdict.digest)
        .where(may_go).order_by(Verdict.at, Verdict.id).limit(_STEP)
    )  # fmt: skip
    with workspace.writing() as session:
        rows: Sequence[Any] = []
        for is_anomalous in (False, True):
            rows = rows or session.execute(query.where(Verdict.is_anomalous.is_(is_anomalous))).all()
        ids, freed = [], 0
        for number, size in rows:
            if freed < excess:
                ids.append(number)
                freed += size
        gone = update(Verdict).where(Verdict.id.in_(ids), Verdict.corrected == "").values(is_kept=False)
        returned = gone.returning(Verdict.digest)
        return list(session.scalars(returned, execution_options={"synchronize_session": False})) if ids else []


def _release(workspace: Workspace, digests: Iterable[str]) -> int:
    """Remove pictures that nobody needs any more; whoever adds one of them at the same time waits, and writes it anew."""
    chosen = select(Picture.digest, Picture.suffix).where(Picture.digest.in_(set(digests)), _is_free())
    with workspace.writing() as session:
        free = session.execute(chosen).all()
        session.execute(delete(Picture).where(Picture.digest.in_([digest for digest, _ in free])))
        for digest, suffix in free:
            workspace.pictures.remove_file(digest, suffix)
    return len(free)


def _is_free() -> ColumnElement[bool]:
    """Of a picture: that nothing refers to it."""
    is_shown = exists().where(and_(Verdict.digest == Picture.digest, Verdict.is_kept.is_(True)))
    return and_(~is_shown, ~exists().where(Member.digest == Picture.digest))


def _bytes(workspace: Workspace) -> int:
    with workspace.reading() as session:
        return int(session.scalar(select(func.coalesce(func.sum(Picture.size), 0))) or 0)


class Retention:
    """Looks every few minutes, on a thread of its own, whether a workspace is within its limits.

    Args:
        workspace: whose they are.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._is_swept = False
        failed = "What is beyond the limits could not be removed"
        self._rounds = Rounds("retention", self._look, failed=failed, rest=_PAUSE)

    def start(self) -> None:
        """Begin."""
        self._rounds.start()

    def look_now(self) -> None:
        """Look at once, because the limits have changed."""
        self._rounds.wake()

    def close(self) -> None:
        """End, when the step that is at work is done."""
        self._rounds.close()

    def _look(self) -> float:
        with self._workspace.reading() as session:
            wanted = limits(session)
        removed = enforce(self._workspace, wanted, is_stopped=lambda: self._rounds.is_closed)
        if removed.verdicts or removed.pictures:
            logger.info(
                "Beyond the limits: %d verdicts and %d pictures were removed.", removed.verdicts, removed.pictures
            )
        if removed.excess:
            logger.warning(
                "The pictures that may not be removed take %.1f GB more than the limit of %g GB.",
                removed.excess / 1e9, wanted.gigabytes,
            )  # fmt: skip
        if not self._is_swept:  # what a killed studio has left; once
            sweep(self._workspace, now_ms() - _DAY_MS)
            self._is_swept = True
        return _PAUSE
