"""Trainings and refits whose studio and whose process are killed at any moment: no half-written model, nothing forgotten."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from paddlex.inference.model_folder import open_model_folder
from paddlex.studio.jobs import UNFINISHED
from paddlex.utils.files import folder_digest
from tests.studio.teach.conftest import StudioProcess, picture

SEED = int(os.environ.get("KILL_SEED", random.randrange(10**6)))


def check_whole(studio: StudioProcess) -> int:
    """Every version is what it was when it was made, and nothing else lies beside them; returns how many there are."""
    versions = studio.call("GET", "/products/ring/versions")["versions"]
    for version in versions:
        folder = studio.workspace / version["folder"]
        assert folder_digest(folder) == version["digest"]
        open_model_folder(folder)
    assert [version["number"] for version in versions] == list(range(len(versions), 0, -1))
    left = {path.name for path in (studio.workspace / "models" / "ring").glob("*")}
    assert {str(version["number"]) for version in versions} <= left
    assert not list((studio.workspace / "models").glob(".*"))
    return len(versions)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=[pytest.mark.endurance, pytest.mark.timeout(7200)])])
def test_kills_leave_whole_versions_and_jobs_that_have_ended(
    start_studio: Callable[..., StudioProcess], kills: int
) -> None:
    print(f"KILL_SEED={SEED}")
    draw = random.Random(SEED)
    studio = start_studio()
    studio.add_product("ring", [picture(number) for number in range(8)], imageSize=64)
    begun = time.monotonic()
    assert studio.follow(studio.call("POST", "/products/ring/fit", json={"how": "train"})["id"])["state"] == "done"
    longest = {"train": time.monotonic() - begun}
    begun = time.monotonic()
    assert studio.follow(studio.call("POST", "/products/ring/fit", json={"how": "refit"})["id"])["state"] == "done"
    longest["refit"] = time.monotonic() - begun

    states = []
    for _ in range(kills):
        how = draw.choice(("train", "refit", "refit"))
        before = check_whole(studio)
        job = studio.call("POST", "/products/ring/fit", json={"how": how})
        folder = _folder_of(studio, job["command"])
        time.sleep(draw.uniform(0, 1.2 * longest[how]))
        victims = draw.choice(("studio", "process", "both"))
        if victims != "studio":
            with contextlib.suppress(OSError, ValueError):
                os.killpg(int((folder / "process").read_text()), signal.SIGKILL)
        if victims != "process":
            studio.kill()
            studio = start_studio(studio.workspace)
        job = studio.follow(job["id"])
        assert job["state"] not in UNFINISHED
        states.append((victims, job["state"]))
        if victims == "studio":
            assert job["state"] == "done", job
        assert check_whole(studio) == before + (job["state"] == "done")
    print(states)


def _folder_of(studio: StudioProcess, command: str) -> Path:
    parts = shlex.split(command)
    named = parts[parts.index("-c") + 1] if "-c" in parts else parts[parts.index("--save_path") + 1]
    return Path(named).parent
