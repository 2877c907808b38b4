"""From pictures to a model: a check, a training in a process of its own, and the command that does the same."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from paddlex.inference.model_folder import open_model_folder
from paddlex.utils.files import folder_digest
from tests.studio.teach.conftest import StudioProcess, picture

#: Good pictures of the product that is taught.
GOOD = 14


def defective(number: int) -> np.ndarray:
    """A bad part: a white bar across the ring."""
    image = picture(number)
    cv2.rectangle(image, (30, 44), (66, 54), (250, 250, 250), -1)
    return image


def foreign() -> np.ndarray:
    """Nothing like the part."""
    return np.random.default_rng(1).integers(0, 255, (96, 96, 3), np.uint8)


@pytest.fixture(scope="module")
def taught(studio: StudioProcess) -> dict[str, Any]:
    """The job of a training of the product ``ring``, one of whose good parts is none; its settings have regions and
    another share of false alarms.
    """
    studio.add_product("ring", [*(picture(number) for number in range(GOOD)), foreign()], imageSize=64)
    studio.send("ring", [defective(100)], role="challenge", first=100)
    studio.call("PATCH", "/products/ring", json={"targetFpr": 0.1})
    corner = [[0, 0], [0.1, 0], [0.1, 0.1], [0, 0.1]]
    studio.call("PUT", "/products/ring/regions", json={"ignore": [corner]})
    return studio.follow(studio.call("POST", "/products/ring/fit", json={"how": "train"})["id"])


def run_as_shown(command: str, folder: Path) -> None:
    """Run a command that the page shows, in a shell, with another folder for what it writes."""
    as_here = command.replace("paddlex", f"{shlex.quote(sys.executable)} -m paddlex", 1)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        ["sh", "-c", as_here], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def test_a_training_makes_a_version_with_what_the_product_is_set_to(
    studio: StudioProcess, taught: dict[str, Any]
) -> None:
    assert (taught["state"], taught["error"]) == ("done", "")
    (version,) = studio.call("GET", "/products/ring/versions")["versions"]

    assert version["id"] == taught["result"]["version"]
    assert (version["number"], version["how"], version["isLive"]) == (1, "train", False)
    folder = open_model_folder(studio.workspace / version["folder"])
    assert folder.calibration is not None
    assert folder.calibration.target_fpr == 0.1
    assert folder.own.regions is not None
    assert folder.own.regions.share == pytest.approx(0.99, abs=0.01)
    assert version["detectability"]["drawn"] == 2 * (GOOD + 1)  # a spot and a scratch on each picture
    steps = studio.call("GET", "/products/ring")["steps"]
    assert (steps["pictures"], steps["fit"], steps["live"]) == ("done", "done", "open")


def test_what_is_no_good_part_is_not_learnt_from_and_comes_back_as_a_finding(
    studio: StudioProcess, taught: dict[str, Any]
) -> None:
    flagged = studio.call("GET", "/products/ring/pictures", params={"problem": "suspect"})["pictures"]
    digests = {one["name"]: one["digest"] for one in flagged}
    (found,) = taught["result"]["findings"]
    (version,) = studio.call("GET", "/products/ring/versions")["versions"]

    assert f"part {GOOD}.png" in digests
    assert (found["kind"], sorted(found["digests"])) == ("suspect", sorted(digests.values()))
    assert version["pictures"] == len(version["scores"]) == GOOD + 1 - len(flagged)
    aside = {"digests": [digests[f"part {GOOD}.png"]], "role": "aside"}
    studio.call("PATCH", "/products/ring/pictures", json=aside)


def test_the_command_that_is_shown_makes_the_same_model(
    studio: StudioProcess, taught: dict[str, Any], tmp_path: Path
) -> None:
    (version,) = studio.call("GET", "/products/ring/versions")["versions"]
    run_as_shown(f"{taught['command']} -o Global.output={shlex.quote(str(tmp_path / 'again'))}", tmp_path)

    ours = open_model_folder(studio.workspace / version["folder"])
    again = open_model_folder(tmp_path / "again")
    assert ours.calibration == again.calibration
    same = [path.name for path in sorted(ours.path.iterdir()) if path.suffix in (".onnx", ".pdiparams")]
    assert same
    assert [(ours.path / name).read_bytes() for name in same] == [(again.path / name).read_bytes() for name in same]


def test_the_version_is_whole_and_the_jobs_copy_of_it_is_gone(studio: StudioProcess, taught: dict[str, Any]) -> None:
    (version,) = studio.call("GET", "/products/ring/versions")["versions"]
    assert folder_digest(studio.workspace / version["folder"]) == version["digest"]
    job_folder = Path(shlex.split(taught["command"])[-1]).parent
    assert (job_folder / "config.yaml").is_file()
    assert (job_folder / "output" / "train.log").is_file()
    assert not (job_folder / "output" / "best_model").exists()
    assert [path.name for path in (studio.workspace / "models").iterdir()] == ["ring"]


def test_no_picture_is_copied_for_a_training(studio: StudioProcess, taught: dict[str, Any]) -> None:
    dataset = Path(shlex.split(taught["command"])[-1]).parent / "dataset"
    images = [path for path in (dataset / "images").rglob("*") if path.suffix == ".png"]
    assert len(images) == GOOD + 2
    assert all(path.is_symlink() and path.resolve().is_relative_to(studio.workspace / "pictures") for path in images)


@pytest.fixture(scope="module")
def refitted(studio: StudioProcess, taught: dict[str, Any]) -> dict[str, Any]:
    """The job of a refit of the same product to three parts more, with other regions."""
    studio.send("ring", [picture(number) for number in range(500, 503)], first=500)
    corner = [[0.8, 0.8], [1, 0.8], [1, 1], [0.8, 1]]
    studio.call("PUT", "/products/ring/regions", json={"ignore": [corner]})
    return studio.follow(studio.call("POST", "/products/ring/fit", json={"how": "refit"})["id"])


def test_a_refit_learns_from_all_that_is_good_now_and_is_told_what_it_finds(
    studio: StudioProcess, refitted: dict[str, Any]
) -> None:
    assert (refitted["state"], refitted["error"]) == ("done", "")
    versions = {one["number"]: one for one in studio.call("GET", "/products/ring/versions")["versions"]}
    good = studio.call("GET", "/products/ring")["counts"]["good"]
    assert (versions[2]["how"], versions[2]["pictures"], len(versions[2]["scores"])) == ("refit", good, good)
    regions = open_model_folder(studio.workspace / versions[2]["folder"]).own.regions
    assert regions is not None
    assert regions.ignore == (((76.8, 76.8), (96.0, 76.8), (96.0, 96.0), (76.8, 96.0)),)
    for number in (refitted["id"] + 1, refitted["id"] + 2):  # the gate, and afterwards what it finds of drawn defects
        studio.follow(number)
    versions = {one["number"]: one for one in studio.call("GET", "/products/ring/versions")["versions"]}
    assert versions[1]["detectability"]["drawn"] > 0
    assert versions[2]["detectability"]["drawn"] == 2 * good


def test_the_command_of_a_refit_makes_the_same_model(
    studio: StudioProcess, refitted: dict[str, Any], tmp_path: Path
) -> None:
    versions = {one["number"]: one for one in studio.call("GET", "/products/ring/versions")["versions"]}
    parts = shlex.split(refitted["command"])
    parts[parts.index("--save_path") + 1] = str(tmp_path / "again")
    run_as_shown(shlex.join(parts), tmp_path)

    ours, again = open_model_folder(studio.workspace / versions[2]["folder"]), open_model_folder(tmp_path / "again")
    assert ours.calibration == again.calibration
    assert (ours.path / "inference.onnx").read_bytes() == (again.path / "inference.onnx").read_bytes()


def test_a_check_finds_what_does_not_belong_as_pictures_to_click_away(studio: StudioProcess, tmp_path: Path) -> None:
    studio.add_product("checked", [picture(number) for number in range(200, 219)])
    digest = studio.send("checked", [foreign()], first=300)[0]["digest"]
    job = studio.follow(studio.call("POST", "/products/checked/check")["id"])

    assert (job["state"], job["error"]) == ("done", "")
    found = {one["kind"]: one for one in job["result"]["findings"]}
    assert found["unlike"]["digests"] == [digest]
    assert found["unlike"]["words"]["en"] and found["unlike"]["words"]["zh"]
    assert found["dataSet"]["digests"] == []  # there is no known bad part yet
    assert studio.call("GET", "/products/checked")["steps"]["check"] == "done"
    run_as_shown(f"{job['command']} -o Global.output={shlex.quote(str(tmp_path / 'again'))}", tmp_path)


def test_a_part_that_is_good_and_bad_is_a_finding_and_no_failure(studio: StudioProcess) -> None:
    images = [picture(number) for number in range(400, 412)]
    studio.add_product("both", images)
    bmp = cv2.imencode(".bmp", cv2.imdecode(cv2.imencode(".png", images[3])[1], cv2.IMREAD_COLOR))[1].tobytes()
    answer = studio.call("POST", "/products/both/pictures?role=challenge", files=[("files", ("bad.bmp", bmp))])
    job = studio.follow(studio.call("POST", "/products/both/check")["id"])

    assert (job["state"], job["error"]) == ("done", "")
    (one,) = [one for one in job["result"]["findings"] if "same content" in one["words"]["en"]]
    assert one["digests"] == [answer["pictures"][0]["digest"]]


def test_too_few_pictures_are_refused_before_a_process_starts(studio: StudioProcess) -> None:
    studio.add_product("few", [picture(number) for number in range(3)])
    for step in ("check", "fit"):
        answer = studio.client.post(f"/studio/products/few/{step}")
        assert answer.status_code == 409
        assert "has 3 good pictures, and at least 4 are needed" in answer.json()["errorMsg"]


def test_a_refit_needs_a_model(studio: StudioProcess) -> None:
    studio.add_product("none", [picture(number) for number in range(4)])
    answer = studio.client.post("/studio/products/none/fit", json={"how": "refit"})
    assert answer.status_code == 409
    assert "Train one first" in answer.json()["errorMsg"]
