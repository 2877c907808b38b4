"""A product's verdicts are looked at, and an alarm is noted once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from sqlalchemy import insert, select

from paddlex.studio.database.schema import AuditEntry, DriftAlarm, Member, Picture, Product, Verdict, Version
from paddlex.studio.drift import settings
from paddlex.studio.drift.ledger import Ledger
from paddlex.studio.drift.verdicts import Verdicts
from paddlex.studio.drift.watch import Watch
from paddlex.studio.workspace import Workspace

START, SHIFT = 1_767_247_200_000, 28_800_000


def store(workspace: Workspace, version: Version, verdicts: Verdicts) -> None:
    """Rows of verdicts; NaN is what was not measured."""
    measured = ("brightness", "sharpness", "offset_x", "offset_y", "angle")
    rows = [
        {
            "at": int(verdicts.at[one]), "product_id": version.product_id, "version_id": version.id,
            "model_digest": version.digest, "name": "", "digest": "0" * 64, "is_kept": False,
            "is_anomalous": bool(verdicts.is_anomalous[one]), "score": float(verdicts.score[one]),
            "raw_score": float(verdicts.raw_score[one]), "threshold": 13.0, "area": 0.0, "regions": [], "by": "api",
            "corrected": "", "corrected_by": "",
            **{name: None if np.isnan(value := getattr(verdicts, name)[one]) else float(value) for name in measured},
        }
        for one in range(len(verdicts))
    ]  # fmt: skip
    with workspace.writing() as session:
        session.execute(insert(Verdict), rows)


def darkened(verdicts: Verdicts, since: int, by: float = 24) -> Verdicts:
    return replace(verdicts, brightness=verdicts.brightness - by * (verdicts.at >= START + since * SHIFT))


def product(workspace: Workspace) -> Product:
    with workspace.reading() as session:
        return session.scalars(select(Product)).one()


def alarms(workspace: Workspace) -> list[DriftAlarm]:
    with workspace.reading() as session:
        return list(session.scalars(select(DriftAlarm).order_by(DriftAlarm.id)))


def test_an_alarm_is_noted_and_audited_once_also_by_the_next_service(
    workspace: Workspace, add_version: Callable[..., Version], produce: Callable[..., Verdicts]
) -> None:
    store(workspace, add_version(workspace), darkened(produce(20, parts=60), since=14))
    told: list[str] = []
    watch = Watch(workspace, lambda: told.append("raised"))

    for now in (START + 14 * SHIFT, START + 15 * SHIFT, START + 16 * SHIFT):
        watch.look(now)
    Watch(workspace).look(START + 20 * SHIFT)

    (alarm,) = alarms(workspace)
    assert (alarm.cause, alarm.details["quantity"], alarm.closed_at) == ("light", "brightness", None)
    assert START + 14 * SHIFT < alarm.at <= START + 15 * SHIFT
    assert told == ["raised"]
    with workspace.reading() as session:
        assert [entry.action for entry in session.scalars(select(AuditEntry))] == ["drift.alarm"]


def test_verdicts_of_times_that_are_over_count_also_if_they_come_late(
    workspace: Workspace, add_version: Callable[..., Version], produce: Callable[..., Verdicts]
) -> None:
    version, watch = add_version(workspace), Watch(workspace)
    watch.look(START + 20 * SHIFT)

    store(workspace, version, darkened(produce(20, parts=60), since=14))
    watch.look(START + 20 * SHIFT)

    assert [alarm.cause for alarm in alarms(workspace)] == ["light"]


def test_after_it_was_closed_it_is_noted_again_only_if_it_is_still_so(
    workspace: Workspace, add_version: Callable[..., Version], produce: Callable[..., Verdicts]
) -> None:
    store(workspace, add_version(workspace), darkened(produce(24, parts=60), since=14))
    watch = Watch(workspace)
    watch.look(START + 16 * SHIFT)
    (first,) = alarms(workspace)
    with workspace.writing() as session:
        session.get_one(DriftAlarm, first.id).closed_at = START + 16 * SHIFT

    watch.look(START + 16 * SHIFT)
    assert len(alarms(workspace)) == 1
    watch.look(START + 18 * SHIFT)

    assert [alarm.cause for alarm in alarms(workspace)] == ["light", "light"]


def test_what_was_judged_before_somebody_said_that_this_is_how_it_is_counts_no_more(
    workspace: Workspace, add_version: Callable[..., Version], produce: Callable[..., Verdicts]
) -> None:
    store(workspace, add_version(workspace), darkened(produce(30, parts=60), since=14))
    watched = product(workspace)
    with workspace.writing() as session:
        settings.set_baseline(session, watched.id, START + 14 * SHIFT)
    watch = Watch(workspace)

    watch.look(START + 30 * SHIFT)

    assert alarms(workspace) == []
    drift = watch.drift(product(workspace), START + 30 * SHIFT)
    assert drift.finding.states["light"].learnt == 16
    assert len(drift.verdicts) == 30 * 60  # they are shown all the same


def test_verdicts_that_come_later_are_seen_and_none_twice(
    workspace: Workspace, add_version: Callable[..., Version], produce: Callable[..., Verdicts]
) -> None:
    version, verdicts = add_version(workspace), produce(3, parts=60)
    late = np.arange(len(verdicts)) == 99  # judged before others, remembered after them
    ledger = Ledger()

    def seen() -> Verdicts:
        with workspace.reading() as session:
            return ledger.verdicts(session, version.product_id)

    assert len(seen()) == 0
    store(workspace, version, verdicts[np.flatnonzero(~late & (np.arange(len(verdicts)) < 100))])
    assert len(seen()) == 99
    store(workspace, version, replace(verdicts[late], at=np.array([verdicts.at[98] - 1000])))
    store(workspace, version, verdicts[100:])

    assert len(seen()) == len(seen()) == 180
    assert (np.diff(seen().at) >= 0).all()


def test_a_refit_sees_photos_as_its_parent_did_and_a_training_begins_anew(
    workspace: Workspace, add_version: Callable[..., Version], produce: Callable[..., Verdicts]
) -> None:
    trained = add_version(workspace, number=1)
    refitted, anew = add_version(workspace, number=2), add_version(workspace, number=3)
    with workspace.writing() as session:
        row = session.get_one(Version, refitted.id)
        row.how, row.parent_id = "refit", trained.id
        session.get_one(Version, anew.id).parent_id = refitted.id
    verdicts = produce(3, parts=60)
    for number, version in enumerate((trained, refitted, anew)):
        store(workspace, version, verdicts[60 * number : 60 * number + 60])

    with workspace.reading() as session:
        seen = Ledger().verdicts(session, trained.product_id)

    assert len(np.unique(seen.model)) == 3
    assert seen.optics.tolist() == [trained.id] * 120 + [anew.id] * 60


def test_good_pictures_are_measured_once(
    workspace: Workspace, add_version: Callable[..., Version], png: Callable[[int], bytes]
) -> None:
    version = add_version(workspace)
    with workspace.writing() as session:
        for number, role in enumerate(("good", "good", "aside")):
            picture = workspace.pictures.add(session, png(number))
            session.add(
                Member(product_id=version.product_id, digest=picture.digest, role=role, name="", source="import",
                       added_at=0, added_by="anna")
            )  # fmt: skip
    watch = Watch(workspace)

    assert [watch.measure(), watch.measure()] == [2, 0]

    grey = cv2.cvtColor(cv2.imdecode(np.frombuffer(png(0), np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2GRAY)
    with workspace.reading() as session:
        levels = [picture.brightness for picture in session.scalars(select(Picture).order_by(Picture.added_at))]
    assert pytest.approx(grey.mean()) in levels
    assert sum(level is None for level in levels) == 1
    known = watch.drift(product(workspace)).reference.brightness
    assert np.isfinite(known).all() and len(known) == 2


def test_a_picture_that_is_gone_is_passed_over(
    workspace: Workspace, add_version: Callable[..., Version], png: Callable[[int], bytes]
) -> None:
    version = add_version(workspace)
    with workspace.writing() as session:
        picture = workspace.pictures.add(session, png(0))
        session.add(
            Member(product_id=version.product_id, digest=picture.digest, role="good", name="", source="import",
                   added_at=0, added_by="anna")
        )  # fmt: skip
        session.flush()
        workspace.pictures.path(picture.digest).unlink()
    watch = Watch(workspace)

    assert [watch.measure(), watch.measure()] == [1, 0]
