"""A shadow judges what is live has judged, and changes nothing of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from paddlex.studio.database.schema import Verdict, Version
from paddlex.studio.loading import VersionPredictor
from paddlex.studio.workspace import Workspace

from .conftest import Running

Live = tuple[Running, Version]


def compared(running: Running) -> dict:
    return running.client.get("/studio/products/grid/shadow").json()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def shadowed(live_studio: Live, blind_model: Path, add_model: Callable[..., Version]) -> tuple[Running, Version]:
    """A studio whose product has a shadow that misses every defect, and the shadow."""
    running, _ = live_studio
    shadow = add_model(blind_model)
    assert running.client.post("/studio/products/grid/shadow", json={"version": shadow.id}).status_code == 200
    return running, shadow


def test_a_shadow_is_compared_with_what_is_live(
    shadowed: tuple[Running, Version], workspace: Workspace, bad_part: Path, good_part: Path
) -> None:
    running, shadow = shadowed
    answers = [running.judge(bad_part), running.judge(good_part)]
    assert answers[0]["isAnomalous"]  # as the live version says
    wait_for(lambda: compared(running)["of"] == 2)
    found = compared(running)
    assert (found["agree"], found["onlyLive"], found["onlyShadow"], found["dropped"]) == (1, 1, 0, 0)
    assert [one["id"] for one in found["examples"]] == [answers[0]["verdictId"]]
    with workspace.reading() as session:
        verdict = session.get_one(Verdict, answers[0]["verdictId"])
        assert verdict.shadow_id == shadow.id and verdict.shadow_anomalous is False


def test_a_shadow_that_hangs_delays_no_answer_and_what_it_has_no_time_for_is_dropped(
    shadowed: tuple[Running, Version], bad_part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, shadow = shadowed
    goes_on = threading.Event()
    judge = VersionPredictor.outcomes

    def hang(self: VersionPredictor, *arguments: object) -> object:
        if self.version.id == shadow.id:
            assert goes_on.wait(240)
        return judge(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(VersionPredictor, "outcomes", hang)
    monkeypatch.setattr(running.studio.shadow._queue, "maxsize", 2)
    for _ in range(6):
        assert running.judge(bad_part)["isAnomalous"]
    goes_on.set()
    wait_for(lambda: compared(running)["of"] + compared(running)["dropped"] == 6)
    assert 2 <= compared(running)["of"] < 6


def test_a_shadow_that_fails_is_told_and_changes_nothing(
    shadowed: tuple[Running, Version], workspace: Workspace, bad_part: Path
) -> None:
    running, shadow = shadowed
    (workspace.path / shadow.folder / "inference.yml").unlink()
    assert running.judge(bad_part)["isAnomalous"]
    wait_for(lambda: compared(running)["error"])
    assert "not what it was" in compared(running)["error"] and compared(running)["of"] == 0


def test_what_steps_out_of_the_shadow_is_no_shadow_any_more(
    live_studio: Live, model: Path, add_model: Callable[..., Version]
) -> None:
    running, _ = live_studio
    version = add_model(model)
    running.client.post("/studio/products/grid/shadow", json={"version": version.id})
    running.pass_gate(version)
    assert running.go_live(version).status_code == 200
    assert compared(running)["version"] is None


def test_a_remembered_region_has_few_corners() -> None:
    from paddlex.studio.recording import _small

    angles = np.linspace(0, 2 * np.pi, 5000, endpoint=False)
    circle = np.stack([500 + 400 * np.cos(angles), 500 + 400 * np.sin(angles)], 1).astype(int).tolist()
    assert 8 <= len(_small({"polygon": circle, "area": 1})["polygon"]) <= 200
