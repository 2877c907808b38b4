"""What people say of verdicts: this one is good, and is learnt from; this one is bad, and every model must find it from now on.

A word is about a picture, whichever of its verdicts it was said of: all verdicts of the same picture of a product have the same
word. The last word holds, but for one thing: what is in the challenge set stays there until an engineer takes it out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from paddlex.errors import WorkspaceError
from paddlex.inference.serving.errors import RequestError
from paddlex.studio import audit
from paddlex.studio.database.schema import Member, Picture, Product, Verdict, Version
from paddlex.studio.refitting import ask_for_refit, can_refit
from paddlex.studio.versions import locked_product
from paddlex.studio.workspace import Workspace, now_ms

#: Polygons of a drawing, and corners of one.
MOST_POLYGONS, MOST_CORNERS = 20, 500

Label = Literal["good", "bad"]
Polygon = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Corrected:
    """What has come of a correction.

    Attributes:
        verdict: as it is now.
        wants_refit: whether the model will learn anew.
        note: what could not be done, as a kind and words; None where all was.
    """

    verdict: Verdict
    wants_refit: bool
    note: dict[str, Any] | None = None


class Corrections:
    """Takes them down.

    Args:
        workspace: of the verdicts.
        wanted: called with a product's number when its model is to learn anew.
    """

    def __init__(self, workspace: Workspace, wanted: Callable[[int], None]) -> None:
        self._workspace = workspace
        self._wanted = wanted

    def correct(self, verdict_id: int, label: Label, where: Sequence[Polygon], by: str, is_engineer: bool) -> Corrected:
        """Take down what somebody says of a verdict.

        Args:
            verdict_id: which.
            label: what the part is.
            where: of a bad one, polygons around what is wrong, in shares of width and height.
            by: who says so.
            is_engineer: may draw anew around a known bad part.

        Raises:
            RequestError: 404, there is no such verdict; 409, good is said of a known bad part.
        """
        with self._workspace.writing() as session:
            verdict, product = _verdict_of(session, verdict_id)
            member = _member_of(session, product, verdict.digest)
            if label == "good" and member is not None and member.role == "challenge":
                what = f"{member.name} is a known bad part, which every model must find"
                raise RequestError(
                    409, what, remedy="If it is good after all, an engineer has to take its correction back"
                )
            note, wants_refit = None, False
            if not self._is_kept(session, verdict):
                note = _GONE
            elif label == "good":
                wants_refit = _learn(session, product, verdict, member, by)
            else:
                wants_refit, note = _join_challenge(session, product, verdict, member, list(where), by, is_engineer)
            _say(session, verdict, label, by)
            if wants_refit and not can_refit(self._workspace, session, product):
                note, wants_refit = _TRAIN, False
            if wants_refit:
                ask_for_refit(session, product, by)
            details = {
                "verdict": verdict.id, "picture": verdict.digest, "name": verdict.name, "drawn": len(where),
                "note": None if note is None else note["kind"],
            }  # fmt: skip
            joins = label == "bad" and note not in (_GONE, _DRAWN)
            action = "challenge.add" if joins else f"correction.{label}"
            audit.append(session, by=by, action=action, product=product.name, details=details)
        if wants_refit:
            self._wanted(product.id)
        return Corrected(verdict, wants_refit, note)

    def take_back(self, verdict_id: int, by: str, is_engineer: bool) -> Corrected:
        """Let a word not have been said.

        Raises:
            RequestError: 404, there is no such verdict; 403, an operator takes a part out of the challenge set.
        """
        with self._workspace.writing() as session:
            verdict, product = _verdict_of(session, verdict_id)
            if not verdict.corrected:
                return Corrected(verdict, False)
            member = _member_of(session, product, verdict.digest)
            wants_refit = member is not None and _undo(session, product, member, is_engineer)
            action = "challenge.remove" if member is not None and member.role == "challenge" else "correction.withdraw"
            details = {"verdict": verdict.id, "picture": verdict.digest, "name": verdict.name, "was": verdict.corrected}
            _say(session, verdict, "", by)
            wants_refit = wants_refit and can_refit(self._workspace, session, product)
            if wants_refit:
                ask_for_refit(session, product, by)
            audit.append(session, by=by, action=action, product=product.name, details=details)
        if wants_refit:
            self._wanted(product.id)
        return Corrected(verdict, wants_refit)

    def _is_kept(self, session: Session, verdict: Verdict) -> bool:
        if session.get(Picture, verdict.digest, with_for_update=True) is None:
            return False
        try:
            self._workspace.pictures.path(verdict.digest)
        except WorkspaceError:
            return False
        return True


def _verdict_of(session: Session, verdict_id: int) -> tuple[Verdict, Product]:
    verdict = session.get(Verdict, verdict_id)
    if verdict is None:
        raise RequestError(404, f"there is no verdict {verdict_id}", remedy="Reload the page")
    product = locked_product(session, verdict.product_id)
    session.refresh(verdict)  # as it is now that nobody else changes it
    return verdict, product


def _member_of(session: Session, product: Product, digest: str) -> Member | None:
    return session.scalar(select(Member).where(Member.product_id == product.id, Member.digest == digest))


def _say(session: Session, verdict: Verdict, label: str, by: str) -> None:
    same = update(Verdict).where(Verdict.product_id == verdict.product_id, Verdict.digest == verdict.digest)
    session.execute(
        same.values(corrected=label, corrected_by=by if label else "", corrected_at=now_ms() if label else None)
    )
    session.refresh(verdict)


def _learn(session: Session, product: Product, verdict: Verdict, member: Member | None, by: str) -> bool:
    """Let a picture be one of the good ones; returns whether the live version has not learnt from it yet."""
    if member is None or member.role != "good":
        member = member or _added(session, product, verdict, by)
        member.role, member.verdict_id, member.added_at = "good", verdict.id, now_ms()
        return True
    return not _has_learnt(session, product, member)


def _join_challenge(
    session: Session, product: Product, verdict: Verdict, member: Member | None, where: list[Any], by: str, is_engineer: bool
) -> tuple[bool, dict[str, Any] | None]:  # fmt: skip
    """Let a picture be a known bad part; returns whether the live version has learnt that it is good."""
    if member is not None and member.role == "challenge":
        if where and member.where and not is_engineer:
            return False, _DRAWN
        member.where = where or member.where
        return False, None
    has_learnt = member is not None and member.role == "good" and _has_learnt(session, product, member)
    member = member or _added(session, product, verdict, by)
    member.role, member.verdict_id, member.where = "challenge", verdict.id, where
    return has_learnt, None


def _undo(session: Session, product: Product, member: Member, is_engineer: bool) -> bool:
    """Take back what a correction has made of a picture; returns whether the live version has learnt from it."""
    if member.verdict_id is None:  # no correction has brought it here
        return False
    if member.role == "challenge" and not is_engineer:
        raise RequestError(
            403, f"{member.name} is a known bad part, and locked", remedy="Ask an engineer to take it out"
        )
    has_learnt = member.role == "good" and _has_learnt(session, product, member)
    if member.source == "correction":
        session.delete(member)
    else:  # it was imported, and two people have said two things of it
        member.role, member.verdict_id = "aside", None
    return has_learnt


def _has_learnt(session: Session, product: Product, member: Member) -> bool:
    live = None if product.live_id is None else session.get(Version, product.live_id)
    return live is not None and member.added_at <= live.learnt_at


def _added(session: Session, product: Product, verdict: Verdict, by: str) -> Member:
    member = Member(
        product_id=product.id, digest=verdict.digest, role="", name=verdict.name, source="correction", where=[], problem="",
        added_at=now_ms(), added_by=by,
    )  # fmt: skip
    session.add(member)
    return member


_GONE = {
    "kind": "gone",
    "words": {
        "en": "It is noted. Its picture is not kept any more, so no model can learn from it or be held against it.",
        "zh": "已记录。其图片已不再保存，因此模型无法从中学习，也无法用它检验。",
    },
}
_DRAWN = {
    "kind": "drawn",
    "words": {
        "en": "It is a known bad part already. Where its defect is stays as it was drawn; an engineer can draw it anew.",
        "zh": "它已是已知不良品。缺陷位置保持原来的标注；工程师可以重新标注。",
    },
}
_TRAIN = {
    "kind": "train",
    "words": {
        "en": "It is noted. This model cannot learn anew by itself: train it again.",
        "zh": "已记录。此模型无法自行重新学习：请重新训练。",
    },
}
