"""Looks once a minute whether a product drifts, notes each alarm once, and lets it be sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from paddlex.errors import ImageReadError, ModelError
from paddlex.inference.appearance import appearance_of
from paddlex.inference.postprocess import Limit
from paddlex.studio import audit
from paddlex.studio.database.schema import DriftAlarm, Member, Picture, Product, Version
from paddlex.studio.drift import settings
from paddlex.studio.drift.blocks import SLOTS
from paddlex.studio.drift.ledger import Ledger
from paddlex.studio.drift.rule import Finding, judge
from paddlex.studio.drift.shifts import Shifts
from paddlex.studio.drift.verdicts import Reference, Verdicts
from paddlex.studio.pictures import PictureGoneError
from paddlex.studio.rounds import Rounds
from paddlex.studio.version_facts import opened_folder
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.logging import logger

#: Seconds between two looks.
_PAUSE = 60.0

#: Good pictures that are measured at a look: whoever brought them need not wait for it.
_MEASURED = 50


@dataclass(frozen=True)
class Drift:
    """How it stands with a product.

    Attributes:
        verdicts: all that are looked at.
        baseline: since when it is as it is; what was judged before counts no more.
        reference: what its live model was fitted to.
        limit: of the live version's scores; None where it has none.
        is_whole: whether the model looks at whole pictures as they are, so that pictures may be compared with verdicts.
        shifts: of the factory.
        finding: what the rule says.
        alarms: all that were noted, the latest first.
    """

    verdicts: Verdicts
    baseline: int
    reference: Reference
    limit: Limit | None
    is_whole: bool
    shifts: Shifts
    finding: Finding
    alarms: Sequence[DriftAlarm]


class Watch:
    """Looks on a thread of its own; and for whoever asks.

    Args:
        workspace: of the products.
        raised: called when an alarm was noted.
        looked: called after each look at a product, with its name.
    """

    def __init__(
        self,
        workspace: Workspace,
        raised: Callable[[], None] = lambda: None,
        looked: Callable[[str, Drift], None] = lambda product, drift: None,
    ) -> None:
        self._workspace = workspace
        self._raised, self._looked = raised, looked
        self._ledger = Ledger()
        self._unreadable: set[str] = set()
        self._findings: dict[int, tuple[object, Finding]] = {}
        self._rounds = Rounds("drift", self._round, failed="Drift could not be looked at", rest=_PAUSE)

    def start(self) -> None:
        """Begin."""
        self._rounds.start()

    def close(self) -> None:
        """End, when the look that is under way is done."""
        self._rounds.close()

    def drift(self, product: Product, now: int | None = None) -> Drift:
        """How it stands with a product.

        Args:
            product: which.
            now: ms UTC; None for the clock's.
        """
        now = now_ms() if now is None else now
        with self._workspace.reading() as session:
            verdicts = self._ledger.verdicts(session, product.id)
            shifts, baseline = settings.shifts(session), settings.baseline(session, product.id)
            alarms = list(
                session.scalars(
                    select(DriftAlarm).where(DriftAlarm.product_id == product.id).order_by(DriftAlarm.at.desc(), DriftAlarm.id)
                )
            )  # fmt: skip
            version = None if product.live_id is None else session.get(Version, product.live_id)
            reference, limit, is_whole = self._reference(session, product, version)
        noted = defaultdict(list)
        for alarm in alarms:
            if alarm.closed_at is not None and alarm.closed_at > baseline:
                noted[alarm.cause].append(alarm.closed_at)
        digest = None if version is None else version.digest
        begun = _begun(shifts, now)
        key = (
            begun,
            int(np.searchsorted(verdicts.at, begun)),
            baseline,
            digest,
            {cause: tuple(times) for cause, times in noted.items()},
            shifts,
        )
        known = self._findings.get(product.id)
        if known is None or known[0] != key:  # between two ends of a time nothing can be found
            counted = verdicts[int(np.searchsorted(verdicts.at, baseline)) :]
            known = key, judge(counted, reference, shifts, now, noted=noted)
            self._findings[product.id] = known
        return Drift(verdicts, baseline, reference, limit, is_whole, shifts, known[1], alarms)

    def look(self, now: int | None = None) -> list[DriftAlarm]:
        """Look at all products; returns the alarms that are new."""
        with self._workspace.reading() as session:
            products = list(session.scalars(select(Product).order_by(Product.id)))
        new = []
        for product in products:
            if self._rounds.is_closed:
                break
            drift = self.drift(product, now)
            new += self._note(product, drift)
            self._looked(product.name, drift)
        if new:
            self._raised()
        return new

    def measure(self) -> int:
        """Measure good pictures that were not measured yet, some of them; returns how many."""
        with self._workspace.reading() as session:
            query = (
                select(Picture.digest).join(Member, Member.digest == Picture.digest)
                .where(Member.role == "good", Picture.brightness.is_(None), Picture.digest.not_in(self._unreadable))
                .distinct().limit(_MEASURED)
            )  # fmt: skip
            digests = list(session.scalars(query))
        for digest in digests:
            try:
                found = appearance_of(self._workspace.pictures.image(digest))
            except (ImageReadError, PictureGoneError):
                self._unreadable.add(digest)
                continue
            with self._workspace.writing() as session:
                picture = session.get(Picture, digest)
                if picture is not None:
                    picture.brightness, picture.sharpness = found.brightness, found.sharpness
        return len(digests)

    def _round(self) -> float:
        self.measure()
        self.look()
        return _PAUSE

    def _note(self, product: Product, drift: Drift) -> list[DriftAlarm]:
        """Note the alarms of a product that are not noted yet."""
        open_causes = {alarm.cause for alarm in drift.alarms if alarm.closed_at is None}
        raised = [state.alarm for cause, state in drift.finding.states.items() if cause not in open_causes]
        new = []
        for alarm in raised:
            if alarm is None:
                continue
            details = {key: value for key, value in asdict(alarm).items() if key not in ("cause", "at")}
            row = DriftAlarm(product_id=product.id, at=alarm.at, cause=alarm.cause, details=details)
            with self._workspace.writing() as session:
                session.add(row)
                session.flush()
                told = {"alarm": row.id, "cause": row.cause, "at": row.at, **details}
                audit.append(session, by="studio", action="drift.alarm", product=product.name, details=told)
            logger.warning("Drift of %s: %s has changed (%s).", product.name, alarm.cause, alarm.quantity)
            new.append(row)
        return new

    def _reference(
        self, session: Session, product: Product, version: Version | None
    ) -> tuple[Reference, Limit | None, bool]:
        measured = select(Picture.brightness, Picture.sharpness).join(Member, Member.digest == Picture.digest)
        rows = session.execute(measured.where(Member.product_id == product.id, Member.role == "good")).all()
        appearance = np.array([tuple(row) for row in rows], np.float64).reshape(-1, 2)
        scores, limit, is_whole = np.empty(0), None, False
        if version is not None:
            try:
                folder = opened_folder(self._workspace.path / version.folder, version.digest)
                limit = folder.limits_at(threshold=version.threshold).image
            except ModelError:  # said wherever it is to judge; here there is nothing to compare scores with
                pass
            else:
                scores = np.array([] if folder.calibration is None else folder.calibration.scores, np.float64)
                preparation = folder.own.preparation
                is_whole = preparation is None or (preparation.regions is None and preparation.alignment is None)
        return Reference(scores, appearance[:, 0], appearance[:, 1], product.target_fpr), limit, is_whole


def _begun(shifts: Shifts, now: int) -> int:
    """When that of a shift's times began which is on now, ms UTC."""
    begin, end = shifts.edges(now, now).tolist()
    return int(begin + (now - begin) * SLOTS // (end - begin) * (end - begin) // SLOTS)
