"""The gate: nothing goes live before it has been held against the challenge set and the recent good parts."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from paddlex.errors import PaddleXError, WorkspaceError, in_one_line
from paddlex.inference.polygons import union
from paddlex.inference.results import AnomalyResult
from paddlex.inference.serving.errors import RequestError
from paddlex.studio.database.schema import Member, Product, Verdict, Version
from paddlex.studio.gate_rule import Count, Judged, Seen, finding
from paddlex.studio.loading import Loader, VersionPredictor
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.logging import logger

#: Good parts that are looked at: the latest that were not learnt from, and the latest that were.
MOST_FRESH, MOST_LEARNT = 100, 50

#: Of each of the two: the rest of the processor goes on judging.
_THREADS = max(1, (os.cpu_count() or 1) // 2)

#: Pictures whose scores are remembered.
_MOST_REMEMBERED = 20_000

#: Told of progress: how many pictures of how many.
Progress = Callable[[int, int], None]


class GateRefused(RequestError):
    """A version may not go live.

    Args:
        what: why not.
        gate: what the gate has found; empty where it has not looked.
    """

    def __init__(self, what: str, gate: dict[str, Any], remedy: str) -> None:
        self.gate = gate
        super().__init__(409, what, remedy=remedy)


@dataclass(frozen=True)
class Part:
    """A picture that is looked at."""

    digest: str
    name: str
    where: tuple[tuple[tuple[float, float], ...], ...] = ()
    is_challenge: bool = False
    is_learnt: bool = False


class Gate:
    """Judges with a candidate and with what is live, a picture at a time, beside the service.

    Args:
        workspace: of the pictures.
        loader: opens versions.
    """

    def __init__(self, workspace: Workspace, loader: Loader) -> None:
        self._workspace = workspace
        self._loader = loader
        self._remembered: OrderedDict[tuple[Any, ...], tuple[float | None, bool | None, str]] = OrderedDict()
        self._lock = threading.Lock()

    def run(self, version_id: int, progress: Progress = lambda done, total: None) -> dict[str, Any]:
        """Look at a version, note in its row what was found, and return it.

        Raises:
            PaddleXError: it cannot be opened, or ``progress`` has had enough.
        """
        with self._workspace.reading() as session:
            product, version, live = _versions(session, version_id)
            parts = challenge_of(session, product) + good_ones(session, product, version)
            basis = basis_of(session, product, version)
            target = product.target_fpr
        candidate = self._loader.kept(version.id, _THREADS)
        compared = None if live is None else self._opened_if_it_can(live)
        judged: list[Judged] = []
        for part in parts:
            progress(len(judged), len(parts))
            before = None if compared is None else self.look(compared, part)
            after = self.look(candidate, part)
            judged.append(Judged(part.digest, part.name, part.is_challenge, part.is_learnt, before, after))
        found = finding(judged, _above(candidate), target, now_ms())
        found = {**found, "basis": basis, "comparedWith": None if compared is None else compared.version.number}
        with self._workspace.writing() as session:
            session.get_one(Version, version_id).gate = found
        return found

    def _opened_if_it_can(self, live: Version) -> VersionPredictor | None:
        """What is live; None if its folder is damaged: that must not keep another version from its place."""
        try:
            return self._loader.kept(live.id, _THREADS)
        except PaddleXError as error:
            logger.warning("What is live cannot be compared with: %s", in_one_line(error))
            return None

    def challenge(self, predictor: VersionPredictor, most_seconds: float) -> dict[str, Any]:
        """What an opened version says of the challenge set alone, as far as it comes in some seconds.

        Returns:
            As ``run`` does, of the challenge set alone; ``challenge.notLookedAt`` counts those for which there was no time.
        """
        with self._workspace.reading() as session:
            parts = challenge_of(session, session.get_one(Product, predictor.product_id))
        end = now_ms() + 1000 * most_seconds
        judged = []
        for part in parts:
            if now_ms() > end:
                break
            seen = self.look(predictor, part)
            judged.append(Judged(part.digest, part.name, True, False, None, seen))
        found = finding(judged, Count(0, 0), 1.0, now_ms())
        found["challenge"]["notLookedAt"] = len(parts) - len(judged)
        return {key: found[key] for key in ("passed", "at", "reasons", "challenge")}

    def look(self, predictor: VersionPredictor, part: Part) -> Seen:
        """What a version says of a picture; what its folder has said of it before is remembered."""
        key = (predictor.digest, part.digest, part.where)
        with self._lock:
            known = self._remembered.pop(key, None)
        if known is None:
            known = self._judge(predictor, part)
        if known[0] is not None:
            with self._lock:
                self._remembered[key] = known
                while len(self._remembered) > _MOST_REMEMBERED:
                    self._remembered.popitem(last=False)
        raw, is_there, error = known
        if raw is None:
            return Seen(None, 1.0, True, None, error)
        limit = predictor.limits.image
        return Seen(raw, float(limit.normalise(raw)), raw > limit.threshold, is_there)

    def _judge(self, predictor: VersionPredictor, part: Part) -> tuple[float | None, bool | None, str]:
        try:
            result = predictor.look_at(self._workspace.pictures, part.digest)
        except (PaddleXError, OSError) as error:
            return None, None, in_one_line(error)
        return float(result["raw_score"]), _is_there(result, part), ""


def _is_there(result: AnomalyResult, part: Part) -> bool | None:
    if not part.where:
        return None
    anomaly_map = result["anomaly_map"]
    drawn = union(part.where, (1, 1), *anomaly_map.shape)
    return bool(np.any(anomaly_map[drawn] > result["pixel_threshold"]))


def challenge_of(session: Session, product: Product) -> list[Part]:
    """The challenge set of a product, the latest first."""
    chosen = (
        select(Member).where(Member.product_id == product.id, Member.role == "challenge").order_by(Member.id.desc())
    )
    return [Part(one.digest, one.name, _frozen(one.where), is_challenge=True) for one in session.scalars(chosen)]


def good_ones(session: Session, product: Product, version: Version) -> list[Part]:
    """The latest good parts, at most ``MOST_FRESH`` that a version has not learnt from and ``MOST_LEARNT`` that it has.

    Not learnt from are first those that a person has called good since the version's pictures were read, then those that the
    live version has called good and nobody has corrected.
    """
    members = select(Member).where(Member.product_id == product.id, Member.role == "good").order_by(Member.id.desc())
    learnt = list(session.scalars(members.where(Member.added_at <= version.learnt_at).limit(MOST_LEARNT)))
    fresh = list(session.scalars(members.where(Member.added_at > version.learnt_at).limit(MOST_FRESH)))
    parts = {one.digest: Part(one.digest, one.name) for one in fresh}
    if product.live_id is not None and len(parts) < MOST_FRESH:
        known = select(Member.digest).where(Member.product_id == product.id)
        passed = (
            select(Verdict.digest, Verdict.name)
            .where(
                Verdict.product_id == product.id, Verdict.is_anomalous.is_(False), Verdict.version_id == product.live_id,
                Verdict.corrected == "", Verdict.is_kept.is_(True), Verdict.digest.not_in(known),
            )
            .order_by(Verdict.at.desc())
            .limit(4 * MOST_FRESH)
        )  # fmt: skip
        for digest, name in session.execute(passed):
            if len(parts) < MOST_FRESH:
                parts.setdefault(digest, Part(digest, name))
    return [*parts.values(), *(Part(one.digest, one.name, is_learnt=True) for one in learnt)]


def basis_of(session: Session, product: Product, version: Version) -> str:
    """A digest of what a finding rests on: the candidate, what is live, the challenge set and the target."""
    challenge = select(Member.digest, Member.where).where(Member.product_id == product.id, Member.role == "challenge")
    parts = sorted([digest, where] for digest, where in session.execute(challenge))
    rests_on = [version.digest, version.threshold, product.live_id, product.target_fpr, parts]
    return hashlib.sha256(json.dumps(rests_on, allow_nan=False).encode()).hexdigest()


def is_fresh(session: Session, product: Product, version: Version) -> bool:
    """Whether what the gate found is about what there is now."""
    return bool(version.gate) and version.gate.get("basis") == basis_of(session, product, version)


def check_passed(session: Session, product: Product, version: Version) -> dict[str, Any]:
    """See that a version has passed the gate as things are now; called in the transaction that lets it go live.

    Returns:
        What the audit trail tells of it.

    Raises:
        GateRefused: it has not.
    """
    gate = version.gate
    if not gate:
        raise GateRefused(
            f"version {version.number} has not been through the gate", {}, "Let the gate look at it first"
        )
    if not is_fresh(session, product, version):
        what = f"what the gate has found of version {version.number} is out of date: what it rests on has changed since"
        raise GateRefused(what, gate, "Let the gate look at it again")
    if not gate["passed"]:
        reasons = "; ".join(reason["words"]["en"] for reason in gate["reasons"][:3])
        raise GateRefused(
            f"version {version.number} does not pass the gate. {reasons}", gate, "Teach it more, and try again"
        )
    return {"gate": {key: gate[key] for key in ("challenge", "falseAlarms", "basis")}}


def _above(predictor: VersionPredictor) -> Count:
    calibration = predictor.folder.calibration
    scores = [] if calibration is None else calibration.scores
    return Count(sum(score > predictor.limits.image.threshold for score in scores), len(scores))


def _versions(session: Session, version_id: int) -> tuple[Product, Version, Version | None]:
    version = session.get(Version, version_id)
    if version is None:
        raise WorkspaceError(f"there is no version {version_id}", remedy="Reload the page")
    product = session.get_one(Product, version.product_id)
    live = None if product.live_id in (None, version.id) else session.get(Version, product.live_id)
    return product, version, live


def _frozen(where: list[Any]) -> tuple[tuple[tuple[float, float], ...], ...]:
    return tuple(tuple((float(x), float(y)) for x, y in polygon) for polygon in where)
