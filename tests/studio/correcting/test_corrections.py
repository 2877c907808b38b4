"""What people say of verdicts: good parts are learnt from, bad parts join the challenge set, which is locked."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import select

from paddlex.studio import gate_jobs, refitting
from paddlex.studio.database.schema import Job, Member, Product, Verdict, Version
from paddlex.studio.gate import good_ones
from paddlex.studio.intake import set_role
from paddlex.studio.workspace import Workspace, now_ms

from .conftest import Running

Live = tuple[Running, Version]
TRIANGLE = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]


@pytest.fixture
def judged(live_studio: Live, bad_part: Path) -> tuple[Running, int]:
    """A studio, and the number of a verdict that calls a part bad."""
    running, _ = live_studio
    answer = running.judge(bad_part)
    assert answer["isAnomalous"]
    return running, answer["verdictId"]


def say(running: Running, verdict: int, label: str, role: str = "operator", **more: object) -> dict:
    answer = running.client.post(
        f"/studio/verdicts/{verdict}/correction", json={"label": label, **more}, headers={"X-Role": role}
    )
    return {"status": answer.status_code, **answer.json()}


def take_back(running: Running, verdict: int, role: str = "operator") -> int:
    return running.client.delete(f"/studio/verdicts/{verdict}/correction", headers={"X-Role": role}).status_code


def members(workspace: Workspace) -> list[Member]:
    with workspace.reading() as session:
        return list(session.scalars(select(Member)))


def test_a_false_alarm_joins_the_good_parts_and_the_model_is_to_learn_from_it(
    judged: tuple[Running, int], workspace: Workspace
) -> None:
    running, verdict = judged
    said = say(running, verdict, "good")
    assert (
        said["refit"] == "soon" and said["verdict"]["corrected"] == "good" and said["verdict"]["correctedBy"] == "ada"
    )
    (member,) = members(workspace)
    assert (member.role, member.source, member.verdict_id) == ("good", "correction", verdict)
    assert running.client.get("/studio/products/grid/refit").json()["isDue"]


def test_a_missed_defect_joins_the_challenge_set_with_what_was_drawn(
    judged: tuple[Running, int], workspace: Workspace
) -> None:
    running, verdict = judged
    said = say(running, verdict, "bad", where=[TRIANGLE])
    assert said["refit"] == "none"
    (member,) = members(workspace)
    assert (member.role, member.where) == ("challenge", [TRIANGLE])


def test_an_operator_takes_nothing_out_of_the_challenge_set_and_an_engineer_does(
    judged: tuple[Running, int], workspace: Workspace
) -> None:
    running, verdict = judged
    say(running, verdict, "bad")
    assert say(running, verdict, "good")["status"] == 409
    assert take_back(running, verdict) == 403
    assert [member.role for member in members(workspace)] == ["challenge"]
    assert take_back(running, verdict, "engineer") == 200
    assert members(workspace) == []


def test_an_operator_does_not_redraw_a_known_bad_part(judged: tuple[Running, int], workspace: Workspace) -> None:
    running, verdict = judged
    say(running, verdict, "bad", where=[TRIANGLE])
    other = [[0, 0], [0.1, 0], [0, 0.1]]
    assert say(running, verdict, "bad", where=[other])["note"]["kind"] == "drawn"
    assert members(workspace)[0].where == [TRIANGLE]
    say(running, verdict, "bad", role="engineer", where=[other])
    assert members(workspace)[0].where == [other]


def test_a_word_is_about_the_picture_whichever_of_its_verdicts_it_was_said_of(
    judged: tuple[Running, int], workspace: Workspace, bad_part: Path
) -> None:
    running, first = judged
    second = running.judge(bad_part)["verdictId"]
    say(running, first, "good")
    say(running, second, "bad")
    with workspace.reading() as session:
        assert [session.get_one(Verdict, number).corrected for number in (first, second)] == ["bad", "bad"]
    assert [member.role for member in members(workspace)] == ["challenge"]


def test_a_good_part_that_was_learnt_and_turns_out_bad_is_unlearnt(
    judged: tuple[Running, int], workspace: Workspace, bad_part: Path, add_member: Callable[..., Member]
) -> None:
    running, verdict = judged
    member = add_member(bad_part, "good")
    with workspace.writing() as session:
        session.get_one(Member, member.id).added_at = 0  # before the live version was made
    assert say(running, verdict, "bad")["refit"] == "soon"
    assert take_back(running, verdict, "engineer") == 200
    assert [one.role for one in members(workspace)] == ["aside"]  # two people have said two things of it


def test_a_word_can_be_taken_back(judged: tuple[Running, int], workspace: Workspace) -> None:
    running, verdict = judged
    say(running, verdict, "good")
    assert take_back(running, verdict) == 200
    assert members(workspace) == []
    with workspace.reading() as session:
        assert session.get_one(Verdict, verdict).corrected == ""
    assert take_back(running, verdict) == 200  # nothing is left to take back


def test_a_word_about_a_picture_that_is_gone_is_noted_and_nothing_more(
    judged: tuple[Running, int], workspace: Workspace
) -> None:
    running, verdict = judged
    with workspace.reading() as session:
        workspace.pictures.path(session.get_one(Verdict, verdict).digest).unlink()
    said = say(running, verdict, "good")
    assert said["note"]["kind"] == "gone" and said["refit"] == "none" and said["verdict"]["corrected"] == "good"
    assert members(workspace) == []


@pytest.mark.parametrize(
    "where", [[[[0, 0], [1, 1]]], [[[0, 0], [2, 0], [0, 1]]], [501 * [[0.5, 0.5]]], 21 * [TRIANGLE]],
    ids=["two corners", "outside", "many corners", "many polygons"],
)  # fmt: skip
def test_what_is_no_drawing_is_refused(judged: tuple[Running, int], workspace: Workspace, where: list) -> None:
    running, verdict = judged
    assert say(running, verdict, "bad", where=where)["status"] == 422
    assert members(workspace) == []


def test_a_challenge_part_must_be_found_where_it_was_drawn(
    judged: tuple[Running, int], model: Path, add_model: Callable[..., Version]
) -> None:
    running, verdict = judged
    png = running.client.get(f"/studio/verdicts/{verdict}/heat").content
    heat = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    above, beside = (np.array(np.unravel_index(which, heat.shape)) for which in (heat.argmax(), heat.argmin()))
    for place, kinds in ((above, []), (beside, ["elsewhere"])):
        y, x = (place + 0.5) / heat.shape
        around = [[x - 0.004, y - 0.004], [x + 0.004, y - 0.004], [x + 0.004, y + 0.004], [x - 0.004, y + 0.004]]
        drawn = np.clip(around, 0, 1).tolist()
        assert say(running, verdict, "bad", role="engineer", where=[drawn])["status"] == 200
        found = running.pass_gate(add_model(model))
        assert [reason["kind"] for reason in found["reasons"]] == kinds


def refit_with(running: Running, add: Callable[[], Version]) -> list[Job]:
    """Let refits of a studio be done at once by ``add``; returns the list of their jobs, which grows."""
    started: list[Job] = []

    def start(product_id: int, by: str) -> Job:
        with running.studio.workspace.writing() as session:
            job = Job(
                product_id=product_id, kind="refit", state="running", made_at=now_ms(), made_by=by, result={}, done=0, total=0,
            )  # fmt: skip
            session.add(job)
        started.append(job)
        version = add()
        with running.studio.workspace.writing() as session:
            session.get_one(Job, job.id).state = "done"
            session.get_one(Version, version.id).how = "refit"
            version.how = "refit"
        running.studio.refitting.fitted(version)
        return job

    running.studio.refitting._start_refit = start
    return started


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def live_of(workspace: Workspace) -> int | None:
    with workspace.reading() as session:
        return session.scalars(select(Product.live_id)).one()


def test_several_corrections_are_one_refit_which_goes_live_by_itself_through_the_gate(
    live_studio: Live, workspace: Workspace, model: Path, demo_dataset: Path, add_model: Callable[..., Version],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    running, first = live_studio
    started = refit_with(running, lambda: add_model(model))
    verdicts = [running.judge(demo_dataset / "images" / "val" / "good" / f"00{number}.jpg") for number in range(3)]
    monkeypatch.setattr(refitting, "_QUIET", 600.0)
    monkeypatch.setattr(refitting, "_LONGEST", 600.0)
    for verdict in verdicts[:-1]:
        say(running, verdict["verdictId"], "good")
    monkeypatch.setattr(refitting, "_QUIET", 0.0)
    say(running, verdicts[-1]["verdictId"], "good")
    wait_for(lambda: live_of(workspace) != first.id)
    assert len(started) == 1
    now_live = live_of(workspace)
    with workspace.reading() as session:
        version = session.get_one(Version, now_live)
        assert version.how == "refit" and version.gate["passed"]
    wait_for(lambda: not running.client.get("/studio/products/grid/refit").json()["isDue"])


def test_a_false_alarm_is_accepted_once_it_was_corrected_and_known_bad_parts_are_still_found(
    live_studio: Live, workspace: Workspace, demo_dataset: Path, bad_part: Path, add_member: Callable[..., Member]
) -> None:
    running, first = live_studio
    for picture in sorted((demo_dataset / "images" / "train" / "good").iterdir()):
        add_member(picture, "good")
    say(running, running.judge(bad_part)["verdictId"], "bad")

    unusual = demo_dataset / "images" / "val" / "broken" / "001.jpg"
    answer = running.judge(unusual)
    assert answer["isAnomalous"]
    say(running, answer["verdictId"], "good")
    wait_for(lambda: live_of(workspace) != first.id)
    assert not running.judge(unusual)["isAnomalous"] and running.judge(bad_part)["isAnomalous"]
    changes = running.client.get("/studio/products/grid/versions").json()["versions"][0]["gate"]["changes"]
    assert changes[0]["name"] == unusual.name and changes[0]["before"]["isAnomalous"]


def test_where_versions_do_not_go_live_by_themselves_the_refit_is_offered(
    judged: tuple[Running, int], workspace: Workspace, model: Path, add_model: Callable[..., Version]
) -> None:
    running, verdict = judged
    before = live_of(workspace)
    with workspace.writing() as session:
        session.scalars(select(Product)).one().settings = {"autoLive": False}
    refit_with(running, lambda: add_model(model))
    say(running, verdict, "good")
    wait_for(lambda: running.client.get("/studio/products/grid/refit").json()["offered"])
    assert live_of(workspace) == before


def test_a_refit_that_misses_a_known_bad_part_does_not_go_live(
    judged: tuple[Running, int],
    workspace: Workspace,
    blind_model: Path,
    demo_dataset: Path,
    add_model: Callable[..., Version],
) -> None:
    running, verdict = judged
    before = live_of(workspace)
    say(running, verdict, "bad")
    made: list[Version] = []
    refit_with(running, lambda: made.append(add_model(blind_model)) or made[-1])
    say(running, running.judge(demo_dataset / "images" / "val" / "thread" / "000.jpg")["verdictId"], "good")

    def gate() -> dict:
        with workspace.reading() as session:
            return session.get_one(Version, made[0].id).gate if made else {}

    wait_for(gate)
    assert not gate()["passed"] and live_of(workspace) == before


def test_a_refit_that_was_wanted_when_the_studio_was_killed_is_taken_up(
    judged: tuple[Running, int], workspace: Workspace, run_studio: Callable[..., Running]
) -> None:
    running, verdict = judged
    running.studio.refitting.close()  # before it was due
    say(running, verdict, "good")
    running.stop()
    again = run_studio(Workspace(workspace.path))
    taken_up: list[int] = []
    again.studio.refitting._start_refit = lambda product_id, by: taken_up.append(product_id)
    wait_for(lambda: taken_up)


def test_a_gate_that_was_looking_when_the_studio_was_killed_looks_again(
    judged: tuple[Running, int], workspace: Workspace, model: Path,
    add_model: Callable[..., Version], run_studio: Callable[..., Running],
) -> None:  # fmt: skip
    running, verdict = judged
    before = live_of(workspace)
    running.studio.gate_jobs.close()  # as if it were killed: nothing is looked at any more
    refit_with(running, lambda: add_model(model))
    say(running, verdict, "good")
    wait_for(lambda: len(running.client.get("/studio/products/grid/versions").json()["versions"]) == 2)
    time.sleep(0.5)
    running.stop()
    with workspace.writing() as session:  # the part that was called good is not one that this model has learnt
        session.delete(session.scalars(select(Member)).one())
    workspace = Workspace(workspace.path)
    run_studio(workspace)
    wait_for(lambda: live_of(workspace) != before)


def test_a_refit_that_was_under_way_does_not_undo_going_back(
    live_studio: Live, workspace: Workspace, model: Path, demo_dataset: Path, add_model: Callable[..., Version]
) -> None:
    running, first = live_studio
    second = add_model(model)
    running.pass_gate(second)
    assert running.go_live(second).status_code == 200

    def go_back_meanwhile() -> Version:
        begun = now_ms()
        assert running.client.post("/studio/products/grid/rollback", json={}).status_code == 200
        return add_model(model, learnt_at=begun)

    refit_with(running, go_back_meanwhile)
    say(running, running.judge(demo_dataset / "images" / "val" / "good" / "000.jpg")["verdictId"], "good")
    wait_for(lambda: not running.client.get("/studio/products/grid/refit").json()["isDue"])
    newest = running.client.get("/studio/products/grid/versions").json()["versions"][0]
    assert newest["number"] == 3 and newest["gate"]["passed"]
    assert live_of(workspace) == first.id


def test_a_version_has_learnt_from_what_was_good_when_its_pictures_were_read(
    workspace: Workspace, model: Path, demo_dataset: Path,
    add_model: Callable[..., Version], add_member: Callable[..., Member],
) -> None:  # fmt: skip
    add_model(model)  # makes the product
    names = ["learnt.jpg", "aside.jpg", "meanwhile.jpg"]
    sources = sorted((demo_dataset / "images" / "val" / "good").iterdir())
    pictures = [Path(shutil.copy(source, workspace.path / name)) for source, name in zip(sources, names, strict=False)]
    members = [add_member(picture, role) for picture, role in zip(pictures, ["good", "aside"], strict=False)]
    begun = now_ms()
    time.sleep(0.002)
    add_member(pictures[2], "good")
    with workspace.writing() as session:
        set_role(session, session.scalars(select(Product)).one(), [members[1].digest], "good")
    version = add_model(model, learnt_at=begun)
    with workspace.reading() as session:
        parts = good_ones(session, session.scalars(select(Product)).one(), version)
    assert {part.name: part.is_learnt for part in parts} == dict(zip(names, [True, False, False], strict=True))


def test_what_a_gate_is_followed_by_waits_however_many_gates_wait(
    live_studio: Live, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, version = live_studio
    monkeypatch.setattr(gate_jobs, "_MOST_WAITING", 0)
    assert running.client.post(f"/studio/versions/{version.id}/gate").status_code == 503
    said: list[dict] = []
    running.studio.gate_jobs.start(version.id, "ada", said.append)
    wait_for(lambda: said)
