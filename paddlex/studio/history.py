"""The verdicts of a workspace: how one is remembered."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from paddlex.studio.database.schema import Picture, Verdict, Version

#: Of a verdict's regions so many are kept, the strongest.
REGIONS = 10

_LONGEST_NAME = 255


@dataclass(frozen=True)
class Shadow:
    """What a version that decides nothing says of the same picture."""

    version_id: int
    score: float
    is_anomalous: bool


def record(
    session: Session,
    picture: Picture,
    version: Version,
    result: Mapping[str, Any],
    *,
    name: str,
    by: str,
    brightness: float | None = None,
    sharpness: float | None = None,
    shadow: Shadow | None = None,
    at: int | None = None,
) -> Verdict:
    """Remember a verdict; it is kept once the session is committed.

    Args:
        session: that writes; first of all it has added the picture.
        picture: that was judged.
        version: that has judged it.
        result: an ``AnomalyResult``, or its numbers: ``is_anomalous``, ``score``, ``raw_score``, ``threshold``,
            ``anomalous_area``, ``regions`` and, of a model that aligns, ``position``.
        name: of the picture, as the client calls it.
        by: who sent it: a user, or ``api``.
        brightness: of the picture.
        sharpness: of the picture.
        shadow: what the shadow version says.
        at: when; None for now.
    """
    position = result.get("position") or {"found": False}
    right, down = position["shift"] if position["found"] else (None, None)
    verdict = Verdict(
        at=time.time_ns() // 1_000_000 if at is None else at,
        product_id=version.product_id,
        version_id=version.id,
        model_digest=version.digest,
        name=storable(name, _LONGEST_NAME),
        digest=picture.digest,
        is_kept=True,
        is_anomalous=bool(result["is_anomalous"]),
        score=float(result["score"]),
        raw_score=float(result["raw_score"]),
        threshold=float(result["threshold"]),
        area=float(result["anomalous_area"]),
        brightness=brightness,
        sharpness=sharpness,
        offset_x=right,
        offset_y=down,
        angle=position["angle"] if position["found"] else None,
        regions=list(result["regions"][:REGIONS]),
        by=by,
        shadow_id=None if shadow is None else shadow.version_id,
        shadow_score=None if shadow is None else shadow.score,
        shadow_anomalous=None if shadow is None else shadow.is_anomalous,
    )
    session.add(verdict)
    session.flush()
    return verdict


def storable(text: str, longest: int) -> str:
    """Text as every database takes it: no zero character, no half of a pair of surrogates, and not too long."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")[:longest]
