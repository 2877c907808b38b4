"""Qualifying in the studio: a study that is filled from the browser, rated blind, and a report by the command that is shown."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from paddlex.studio.database.schema import Member, Version


@pytest.fixture
def filled(live_studio, add_member: Callable[..., Member], demo_dataset: Path, bad_part: Path) -> httpx.Client:
    """A studio with a challenge part, three good parts, and a part that was taken twice."""
    running, _ = live_studio
    add_member(bad_part, "challenge")
    good = sorted((demo_dataset / "images" / "val" / "good").iterdir())
    _send(running.client, "grid", good[:3])
    _send(running.client, "grid", good[2:4], part="part 1")
    return running.client


def _send(client: httpx.Client, product: str, pictures: list[Path], **query: str) -> list[dict]:
    files = [("files", (path.name, path.read_bytes())) for path in pictures]
    answer = client.post(f"/studio/products/{product}/study/pictures", params=query, files=files)
    assert answer.status_code == 200, answer.text
    return answer.json()["pictures"]


def test_the_report_is_that_of_the_command_that_is_shown(live_studio, filled: httpx.Client, tmp_path: Path) -> None:
    running, _ = live_studio
    for name in filled.get("/studio/products/grid/study").json()["toRate"]:
        verdict = "good" if name.startswith("good/") else "bad"
        assert (
            filled.post("/studio/products/grid/study/rating", json={"picture": name, "verdict": verdict}).status_code
            == 200
        )
    job = filled.post("/studio/products/grid/qualify", json={}).json()
    result = running.result_of(job["id"])
    assert result["figures"]["challenge"]["missed"]["of"] == 1
    assert result["figures"]["good"]["false_alarms"]["of"] == 3
    assert result["figures"]["repeatability"]["parts"] == 1
    page = filled.get(f"/{result['report']}")
    assert "sandbox" in page.headers["content-security-policy"]
    assert "Signatures" in page.text

    command = shlex.split(job["command"])
    command[command.index("--save_path") + 1] = str(tmp_path / "again")
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True, timeout=240)
    again = json.loads((tmp_path / "again" / "qualification.json").read_text(encoding="utf-8"))
    here = filled.get(f"/studio/jobs/{job['id']}/qualification/qualification.json").json()
    assert {**again, "about": here["about"]} == here
    assert filled.get("/studio/products/grid/qualifications").json()["reports"][0]["id"] == job["id"]


def test_another_threshold_is_qualified_with_that_threshold(live_studio, filled: httpx.Client) -> None:
    running, _ = live_studio
    version: dict = filled.post("/studio/products/grid/threshold", json={"threshold": 1e6}).json()
    job = filled.post("/studio/products/grid/qualify", json={"version": version["id"]}).json()
    assert running.result_of(job["id"])["figures"]["challenge"]["missed"]["count"] == 1


def test_a_picture_is_in_a_study_once_and_each_person_rates_it_once(filled: httpx.Client, demo_dataset: Path) -> None:
    good = sorted((demo_dataset / "images" / "val" / "good").iterdir())
    _send(filled, "grid", [good[0], good[0]])
    before = filled.get("/studio/products/grid/study").json()
    assert len(before["good"]) == 3
    assert len(before["toRate"]) == 4  # three good parts and the challenge part
    rating = {"picture": before["toRate"][0], "verdict": "bad"}
    for _ in range(2):
        after = filled.post("/studio/products/grid/study/rating", json=rating).json()
    assert after["raters"] == [{"name": "ada", "rated": 1}]
    assert len(after["toRate"]) == 3


def test_nothing_but_pictures_of_the_study_is_shown_or_rated(filled: httpx.Client) -> None:
    for name in ("../studio.db", "good/../../studio.db", "good/nothing.png", "/etc/passwd", ""):
        assert filled.get("/studio/products/grid/study/picture", params={"picture": name}).status_code == 409
        rating = {"picture": name, "verdict": "good"}
        assert filled.post("/studio/products/grid/study/rating", json=rating).status_code == 409


def test_a_part_has_a_name_that_a_folder_may_have(filled: httpx.Client, good_part: Path) -> None:
    for part in ("..", "a/b", "", " x", "x" * 61, "a\nb"):
        (entry,) = _send(filled, "grid", [good_part], part=part)
        assert entry["errorCode"] == 409, part


def test_what_is_no_picture_is_refused_alone(filled: httpx.Client, tmp_path: Path, good_part: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"no picture")
    first, second = _send(filled, "grid", [tmp_path / "no.png", good_part], part="2")
    assert first["errorCode"] == 415
    assert second["picture"].startswith("repeated/2/")


def test_a_part_that_was_taken_once_stops_the_report_before_it_begins(filled: httpx.Client, good_part: Path) -> None:
    _send(filled, "grid", [good_part], part="once")
    answer = filled.post("/studio/products/grid/qualify", json={})
    assert answer.status_code == 409
    assert "repeats nothing" in answer.json()["errorMsg"]


def test_a_study_is_begun_anew_by_an_engineer_alone(filled: httpx.Client) -> None:
    assert filled.delete("/studio/products/grid/study", headers={"X-Role": "operator"}).status_code == 403
    left = filled.delete("/studio/products/grid/study").json()
    assert (left["good"], left["parts"], left["raters"]) == ([], [], [])
    assert len(left["challenge"]) == 1  # it is the product's


def test_a_version_of_another_product_is_not_qualified(
    live_studio, filled: httpx.Client, model: Path, add_model: Callable[..., Version]
) -> None:
    other = add_model(model, "other")
    assert filled.post("/studio/products/grid/qualify", json={"version": other.id}).status_code == 409
    assert filled.get("/studio/jobs/1/qualification/qualification.html").status_code == 404
