"""Versions go live through the gate, and the database, the service and the audit trail agree about it."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from paddlex.studio.database.schema import AuditEntry, Job, Product, Verdict, Version
from paddlex.studio.workspace import Workspace
from paddlex.utils.files import folder_digest

from .conftest import Running

Live = tuple[Running, Version]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Either database: the transactions are what matters here."""
    return None if request.param == "sqlite" else request.getfixturevalue("new_database")()


def audit_of(workspace: Workspace) -> list[tuple[str, dict]]:
    with workspace.reading() as session:
        return [
            (one.action, json.loads(one.details))
            for one in session.scalars(select(AuditEntry).order_by(AuditEntry.number))
        ]


def live_id(workspace: Workspace) -> int | None:
    with workspace.reading() as session:
        return session.scalars(select(Product.live_id)).one()


def test_a_version_that_has_not_been_through_the_gate_does_not_go_live(
    workspace: Workspace, model: Path, add_model: Callable[..., Version], run_studio: Callable[..., Running]
) -> None:
    version = add_model(model)
    running = run_studio(workspace)
    answer = running.go_live(version)
    assert answer.status_code == 409 and answer.json()["gate"] is None
    assert live_id(workspace) is None


def test_a_version_that_is_live_judges_and_every_answer_is_remembered(
    live_studio: Live, workspace: Workspace, bad_part: Path, good_part: Path
) -> None:
    running, version = live_studio
    answers = [running.judge(bad_part), running.judge(good_part)]
    assert [answer["isAnomalous"] for answer in answers] == [True, False]
    with workspace.reading() as session:
        for answer, picture in zip(answers, (bad_part, good_part), strict=True):
            verdict = session.get_one(Verdict, answer["verdictId"])
            assert (verdict.version_id, verdict.model_digest) == (version.id, version.digest)
            assert (verdict.raw_score, verdict.threshold) == (answer["rawScore"], answer["threshold"])
            assert verdict.name == picture.name and verdict.by == "ada" and verdict.sharpness is not None
            assert workspace.pictures.read(verdict.digest) == picture.read_bytes()


def test_a_request_cannot_bring_a_threshold_that_the_gate_has_not_seen(live_studio: Live, bad_part: Path) -> None:
    running, _ = live_studio
    image = base64.b64encode(bad_part.read_bytes()).decode()
    for more in ({"threshold": 1e9}, {"scoreThreshold": 0.99}):
        assert running.client.post("/image-anomaly-detection", json={"image": image, **more}).status_code == 422
    assert running.client.post("/image-anomaly-detection", json={"image": image}).json()["result"]["verdictId"]


def test_what_cannot_be_remembered_is_no_verdict(
    live_studio: Live, workspace: Workspace, bad_part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, _ = live_studio

    def full(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr("paddlex.studio.history.record", full)
    answer = running.client.post("/judge?model=grid", files={"files": bad_part.read_bytes()})
    assert answer.status_code == 503
    assert (
        "database or disk is full" in answer.text and "isAnomalous" not in answer.text and "INSERT" not in answer.text
    )


def test_the_gate_refuses_a_version_that_misses_a_challenge_part_and_names_it(
    live_studio: Live, workspace: Workspace, blind_model: Path, bad_part: Path,
    add_model: Callable[..., Version], add_member: Callable[..., object],
) -> None:  # fmt: skip
    running, version = live_studio
    add_member(bad_part, "challenge")
    worse = add_model(blind_model)
    found = running.pass_gate(worse)
    assert not found["passed"] and found["challenge"]["missed"][0]["name"] == bad_part.name
    assert found["changes"][0]["before"]["isAnomalous"] and not found["changes"][0]["after"]["isAnomalous"]
    refused = running.go_live(worse)
    assert refused.status_code == 409 and bad_part.name in refused.json()["errorMsg"]
    assert refused.json()["gate"]["passed"] is False
    assert live_id(workspace) == version.id and running.judge(bad_part)["isAnomalous"]


def test_a_threshold_above_a_challenge_part_is_refused_and_one_below_it_judges(
    live_studio: Live, workspace: Workspace, bad_part: Path, add_member: Callable[..., object]
) -> None:
    running, version = live_studio
    add_member(bad_part, "challenge")
    answer = running.judge(bad_part)
    made = {}
    for share in (1.01, 0.99):
        threshold = answer["threshold"] + share * (answer["rawScore"] - answer["threshold"])
        row = running.client.post("/studio/products/grid/threshold", json={"threshold": threshold}).json()
        assert row["how"] == "threshold" and row["folder"] == version.folder and row["threshold"] == threshold
        with workspace.reading() as session:
            made[share] = session.get_one(Version, row["id"])
    assert not running.pass_gate(made[1.01])["passed"]
    assert running.go_live(made[1.01]).status_code == 409
    assert running.pass_gate(made[0.99])["passed"]
    assert running.go_live(made[0.99]).status_code == 200
    assert running.judge(bad_part)["threshold"] == made[0.99].threshold
    assert "--threshold" in running.client.get("/studio/products/grid/versions").json()["versions"][0]["command"]


def test_a_finding_is_out_of_date_when_the_challenge_set_has_grown(
    live_studio: Live, model: Path, bad_part: Path, add_model: Callable[..., Version], add_member: Callable[..., object]
) -> None:
    running, _ = live_studio
    version = add_model(model)
    assert running.pass_gate(version)["passed"]
    add_member(bad_part, "challenge")
    refused = running.go_live(version)
    assert refused.status_code == 409 and "out of date" in refused.json()["errorMsg"]
    running.pass_gate(version)
    assert running.go_live(version).status_code == 200


def test_of_two_engineers_the_second_is_told_that_another_version_is_live_now(
    live_studio: Live, workspace: Workspace, model: Path, add_model: Callable[..., Version]
) -> None:
    running, _ = live_studio
    first, second = add_model(model), add_model(model)
    assert running.pass_gate(first)["passed"] and running.pass_gate(second)["passed"]
    assert running.go_live(first).status_code == 200
    assert running.go_live(second).status_code == 409
    assert live_id(workspace) == first.id


def test_going_back_is_always_possible_and_says_what_is_missed(
    live_studio: Live, workspace: Workspace, model: Path, bad_part: Path, good_part: Path,
    add_model: Callable[..., Version], add_member: Callable[..., object],
) -> None:  # fmt: skip
    running, first = live_studio
    second = add_model(model)
    running.pass_gate(second)
    assert running.go_live(second).status_code == 200
    add_member(good_part, "challenge")  # which no version calls bad
    back = running.client.post("/studio/products/grid/rollback", json={}).json()
    assert back["id"] == first.id and back["isLive"]
    assert [one["name"] for one in back["gate"]["challenge"]["missed"]] == [good_part.name]
    action, details = audit_of(workspace)[-1]
    assert action == "version.rollback" and details["challenge"]["missed"] == [good_part.name]
    assert (details["before"], details["version"]) == (second.number, first.number)
    assert running.client.post("/studio/products/grid/rollback", json={}).status_code == 409  # nothing older


def test_an_operator_changes_no_version(live_studio: Live) -> None:
    running, version = live_studio
    for path in (
        f"versions/{version.id}/live",
        f"versions/{version.id}/gate",
        "products/grid/rollback",
        "products/grid/threshold",
    ):
        assert running.client.post(f"/studio/{path}", headers={"X-Role": "operator"}).status_code == 403


def test_a_live_version_whose_folder_was_changed_is_not_served_and_no_other_takes_its_place(
    live_studio: Live, workspace: Workspace, model: Path, bad_part: Path,
    add_model: Callable[..., Version], run_studio: Callable[..., Running], database_url: str | None,
) -> None:  # fmt: skip
    running, first = live_studio
    other = add_model(model, "other")
    running.pass_gate(other)
    assert running.go_live(other).status_code == 200
    running.stop()
    config = workspace.path / first.folder / "inference.yml"
    whole = config.read_text(encoding="utf-8")
    config.write_text(whole + "\n", encoding="utf-8")
    again = run_studio(Workspace(workspace.path, database_url))
    for query in ("?model=grid", ""):
        refused = again.client.post(f"/judge{query}", files={"files": bad_part.read_bytes()})
        assert refused.status_code in (409, 422), refused.text
    assert "not what it was" in again.client.post("/judge?model=grid", files={"files": b""}).json()["errorMsg"]
    assert again.judge(bad_part, "other")["isAnomalous"]


def test_a_model_that_cannot_be_opened_leaves_the_old_one_live(
    live_studio: Live, workspace: Workspace, model: Path, bad_part: Path, add_model: Callable[..., Version]
) -> None:
    running, first = live_studio
    second = add_model(model)
    running.pass_gate(second)
    next((workspace.path / second.folder).glob("*.pdiparams")).write_bytes(b"")
    assert running.go_live(second).status_code == 409
    assert live_id(workspace) == first.id and running.judge(bad_part)["isAnomalous"]
    assert [action for action, _ in audit_of(workspace)].count("version.live") == 1


def test_a_database_that_cannot_be_written_leaves_the_old_one_live(
    live_studio: Live,
    workspace: Workspace,
    model: Path,
    add_model: Callable[..., Version],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running, first = live_studio
    second = add_model(model)
    running.pass_gate(second)

    def full(*_: object, **__: object) -> None:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    monkeypatch.setattr("paddlex.studio.audit.append", full)
    assert running.go_live(second).status_code >= 500
    monkeypatch.undo()
    assert live_id(workspace) == first.id
    assert running.studio.service.registry.serves("grid", f"version {first.id}")


def test_a_version_is_a_copy_that_is_what_it_was_made_of(
    workspace: Workspace, model: Path, add_model: Callable[..., Version]
) -> None:
    first, second = add_model(model), add_model(model)
    assert (first.folder, second.folder) == ("models/grid/1", "models/grid/2")
    assert folder_digest(workspace.path / first.folder) == first.digest == folder_digest(model)
    assert not list(workspace.models.glob(".*"))


def test_a_version_tells_how_many_drawn_defects_its_training_has_found(live_studio: Live, workspace: Workspace) -> None:
    running, version = live_studio
    result = {"version": version.id, "detectability": {"drawn": 40, "found": 30}}
    with workspace.writing() as session:
        session.add(
            Job(product_id=version.product_id, kind="train", state="done", made_at=0, made_by="ada", result=result)
        )
    told = running.client.get("/studio/products/grid/versions").json()["versions"][0]["detectability"]
    assert (told["found"], told["drawn"], told["share"]) == (30, 40, 0.75)


def test_a_gate_can_be_cancelled(live_studio: Live, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    running, version = live_studio
    goes_on = threading.Event()

    def look(version_id: int, progress: Callable[[int, int], None]) -> dict:
        assert goes_on.wait(240)
        time.sleep(0.6)  # progress is noted twice a second
        progress(1, 2)
        raise AssertionError("it was not cancelled")

    monkeypatch.setattr(running.studio.gate, "run", look)
    number = running.client.post(f"/studio/versions/{version.id}/gate").json()["id"]
    assert running.client.delete(f"/studio/jobs/{number}").status_code == 200
    goes_on.set()
    running.studio.gate_jobs._pool.shutdown(wait=True)
    assert running.client.get(f"/studio/jobs/{number}").json()["state"] == "cancelled"
