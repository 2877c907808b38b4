"""What an earlier benchmark left behind, and what of it counts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from paddlex.config import schema_for
from paddlex.modules.image_anomaly_detection.benchmark.discovery import DataSet
from paddlex.modules.image_anomaly_detection.benchmark.runs import CategoryRun
from paddlex.modules.image_anomaly_detection.training.manifest import Manifest


@pytest.fixture
def run(tmp_path: Path) -> CategoryRun:
    data = DataSet(tmp_path / "data", 10, "train fingerprint", "val fingerprint")
    return CategoryRun.of("bottle", schema_for("STFPM")(), data, tmp_path / "output")


def leave(run: CategoryRun, name: str, content: dict[str, Any]) -> None:
    run.output.mkdir(exist_ok=True)
    (run.output / name).write_text(json.dumps(content), encoding="utf-8")


def leave_state(run: CategoryRun, **changes: Any) -> None:
    settings = {**run._settings(), **changes}
    state = {"settings": settings, "data": run._model_data(), "started": 0.0, "earlier_minutes": 2.5}
    leave(run, "category_state.json", state)


def leave_checkpoint(run: CategoryRun, step: int, *missing: str) -> Path:
    folder = run.output / "checkpoints" / f"step_{step:07d}"
    folder.mkdir(parents=True)
    for suffix in ("pdparams", "pdema", "pdopt", "pdstates"):
        (folder / f"model.{suffix}").touch()
    Manifest(order=step).write(folder)
    for suffix in missing:
        (folder / f"model.{suffix}").unlink()
    return folder


def test_a_checkpoint_that_was_being_removed_when_the_training_was_killed_is_passed_over(run: CategoryRun) -> None:
    leave_state(run)
    leave_checkpoint(run, 1)
    newest = leave_checkpoint(run, 2)
    damaged = leave_checkpoint(run, 3, "pdema")
    os.utime(damaged, (2**31, 2**31))  # removing a file makes its folder younger
    assert run._resume() == [f"Train.resume_path={newest}"]


def test_the_config_of_a_run_has_a_data_set_and_an_output_of_its_own(run: CategoryRun, tmp_path: Path) -> None:
    assert run.config.Global.dataset_dir == str(tmp_path / "data")
    assert run.output == tmp_path / "output"
    assert schema_for("STFPM")().Global.output == "output"


def test_a_training_by_hand_of_unknown_settings_does_not_count(run: CategoryRun) -> None:
    leave(run, "train_result.json", {"done_flag": True, "minutes": 1.0})
    assert not run.is_trained()
    leave_state(run)
    assert run.is_trained()


@pytest.mark.parametrize(
    "state", ["[]", "{}", '{"settings": 1}', "[" * 100_000, '{"settings": {}, "data": [], "started": "now"}']
)
def test_a_state_that_cannot_be_read_is_none(run: CategoryRun, state: str) -> None:
    leave(run, "train_result.json", {"done_flag": True, "minutes": 1.0})
    (run.output / "category_state.json").write_text(state, encoding="utf-8")
    assert not run.is_trained()
    assert run._resume() == []


def test_a_training_that_failed_does_not_count(run: CategoryRun) -> None:
    leave_state(run)
    leave(run, "train_result.json", {"done_flag": False, "err_msg": "no"})
    assert not run.is_trained()


def test_the_minutes_before_an_interruption_are_counted(run: CategoryRun) -> None:
    leave_state(run)
    leave(run, "train_result.json", {"done_flag": True, "minutes": 1.0})
    assert run.training_minutes() == 3.5


@pytest.mark.parametrize("key", ["Train.seed", "Train.calibration.target_fpr", "Global.model"])
def test_what_was_made_with_another_setting_that_decides_the_figures_is_made_anew(run: CategoryRun, key: str) -> None:
    leave_state(run, **{key: "other"})
    assert run.outdated() is None  # nothing was trained yet
    leave_checkpoint(run, 1)
    leave_checkpoint(run, 2)
    leave(run, "train_result.json", {"done_flag": True, "minutes": 1.0})
    assert str(run.outdated()).startswith(f"{key} was other, now ")
    assert not run.is_trained()
    assert run._resume() == []
    assert run._resume() == []  # nor by the next run, should this one be killed before it has a checkpoint of its own


def test_before_a_training_starts_nothing_speaks_for_an_earlier_one(run: CategoryRun) -> None:
    """However early it is killed, it is not taken for finished."""
    leave_state(run, **{"Train.seed": "other"})
    for mode in ("train", "evaluate"):
        leave(run, f"{mode}_result.json", {"done_flag": True, "minutes": 1.0})
    run._resume()
    assert run.outdated() is None
    assert not run.is_trained()
    assert run.result("evaluate") is None


def test_figures_of_another_bit_depth_are_not_taken_for_those_of_this_one(run: CategoryRun) -> None:
    leave_state(run)
    leave(run, "train_result.json", {"done_flag": True, "minutes": 1.0})
    run.config.Global.bit_depth = 12
    assert run.outdated() == "Global.bit_depth was None, now 12"


def test_a_setting_that_decides_nothing_may_change(run: CategoryRun) -> None:
    leave_state(run)
    leave(run, "train_result.json", {"done_flag": True, "minutes": 1.0})
    run.config.Train.log_interval = 99
    assert run.outdated() is None
    assert run.is_trained()


def test_validation_images_bind_a_model_only_if_it_was_chosen_by_them(run: CategoryRun) -> None:
    leave_state(run)
    leave(run, "train_result.json", {"done_flag": True, "minutes": 1.0})
    changed = DataSet(run.data.folder, 10, "train fingerprint", "other")
    assert CategoryRun(run.category, run.config, changed).is_trained()
    run.config.Train.best_by = "auroc"
    leave_state(run)
    assert CategoryRun(run.category, run.config, changed).outdated() == "it was made with other images"
