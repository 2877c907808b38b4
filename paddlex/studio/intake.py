"""Pictures as they come in: kept, measured, and flagged where something looks wrong. A person decides what follows."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from paddlex.inference.serving.errors import RequestError
from paddlex.studio import audit
from paddlex.studio.database.schema import Member, Picture, Product
from paddlex.studio.history import storable
from paddlex.studio.looks import Look, Looks
from paddlex.studio.workspace import Workspace, now_ms

GOOD, CHALLENGE, ASIDE = ROLES = ("good", "challenge", "aside")

_LONGEST_NAME = 255


class Intake:
    """Takes pictures in. All of it blocks, and belongs on threads.

    Args:
        workspace: that keeps them.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.looks = Looks(workspace.pictures)

    def add(
        self, product_id: int, data: bytes, image: np.ndarray, *, name: str, role: str, source: str, by: str
    ) -> dict[str, Any]:
        """Keep a picture of a product.

        Args:
            product_id: whose it is.
            data: the file as it came.
            image: what it shows, uint8 [H, W, 3] BGR.
            name: of the file, for people.
            role: ``good`` or ``challenge``.
            source: ``import`` or ``camera``.
            by: who has sent it.

        Returns:
            What the page is told of it.

        Raises:
            RequestError: 409, the product has the very same file.
            PaddleXError: it cannot be kept.
        """
        digest = hashlib.sha256(data).hexdigest()
        with self._workspace.reading() as session:
            product = session.get_one(Product, product_id)
            _check_new(session, product, digest)
            good = self.looks.good_pictures(session, product)
        look = Look.of(image)
        problem, duplicate_of = good.problem_of(look), good.like(look) if role == GOOD else ""
        if duplicate_of and not problem:
            problem = "duplicate"
        with self._workspace.writing() as session:
            picture = self._workspace.pictures.add(session, data, image)
            picture.brightness, picture.sharpness = look.appearance.brightness, look.appearance.sharpness
            _check_new(session, product, digest)
            member = Member(
                product_id=product_id, digest=digest, role=role, name=storable(name, _LONGEST_NAME), source=source, where=[],
                problem=problem, duplicate_of=duplicate_of, added_at=now_ms(), added_by=by,
            )  # fmt: skip
            session.add(member)
            if role == CHALLENGE:
                details = {"picture": digest, "name": member.name, "source": source}
                audit.append(session, by=by, action="challenge.add", product=product.name, details=details)
        self.looks.remember(digest, look)
        return member_json(member, picture)

    def frame(self, product_id: int, image: np.ndarray) -> dict[str, Any]:
        """What is wrong with a picture of the camera that is not taken yet; nothing of it is kept."""
        with self._workspace.reading() as session:
            good = self.looks.good_pictures(session, session.get_one(Product, product_id))
        look = Look.of(image)
        problem = good.problem_of(look)
        return {
            "brightness": look.appearance.brightness,
            "sharpness": look.appearance.sharpness,
            "isBlurred": problem in ("blurred", "flat"),
            "isDark": problem == "dark",
            "isBright": problem == "bright",
            "isDuplicate": bool(good.like(look)),
        }


def _check_new(session: Session, product: Product, digest: str) -> None:
    same = select(Member.name, Member.role).where(Member.product_id == product.id, Member.digest == digest)
    if (found := session.execute(same).one_or_none()) is not None:
        raise RequestError(409, f"the same picture is there already: {found.name or digest[:12]} ({found.role})")


def members(
    session: Session, product: Product, *, role: str | None, problem: str | None, after: int, limit: int
) -> dict[str, Any]:
    """The pictures of a product, in the order in which they came.

    Args:
        session: that reads.
        product: whose they are.
        role: only of this one.
        problem: only with this one; ``any`` for whatever is wrong, empty for nothing.
        after: the ``next`` of the answer before.
        limit: at most so many.
    """
    asked = [Member.product_id == product.id]
    if role is not None:
        asked.append(Member.role == role)
    if problem is not None:
        asked.append(Member.problem != "" if problem == "any" else Member.problem == problem)
    total = session.scalar(select(func.count()).select_from(Member).where(*asked))
    rows = session.execute(
        select(Member, Picture)
        .join(Picture, Picture.digest == Member.digest)
        .where(*asked, Member.id > after)
        .order_by(Member.id)
        .limit(limit + 1)
    ).all()
    shown = rows[:limit]
    return {
        "pictures": [member_json(member, picture) for member, picture in shown],
        "total": total,
        "next": shown[-1][0].id if len(rows) > limit else None,
    }


def set_role(session: Session, product: Product, digests: list[str], role: str) -> dict[str, str]:
    """Give pictures of a product another role; returns those that they had, by digest.

    Raises:
        RequestError: 404, it has no such picture.
    """
    found = session.scalars(select(Member).where(Member.product_id == product.id, Member.digest.in_(digests))).all()
    if missing := set(digests) - {member.digest for member in found}:
        raise RequestError(404, f"{product.name} has no picture {min(missing)[:12]}…", remedy="Reload the page")
    before = {member.digest: member.role for member in found}
    for member in found:
        if role == GOOD != member.role:
            member.added_at = now_ms()  # models that there are have not learnt from it
        member.role = role
    return before


def member_json(member: Member, picture: Picture) -> dict[str, Any]:
    """A picture of a product as the page has it."""
    return {
        "digest": member.digest,
        "name": member.name,
        "role": member.role,
        "source": member.source,
        "width": picture.width,
        "height": picture.height,
        "problem": member.problem,
        "duplicateOf": member.duplicate_of or None,
        "addedAt": member.added_at,
        "addedBy": member.added_by,
        "where": member.where,
    }
