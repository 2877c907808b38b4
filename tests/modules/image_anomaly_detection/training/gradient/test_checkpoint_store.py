"""Checkpoints of an output folder: the last few are kept, and whatever is damaged, the last good one is found."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import paddle
import pytest
from paddle import nn

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import Progress, Run
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint_store import CheckpointStore
from paddlex.modules.image_anomaly_detection.training.gradient.resume import find_checkpoint, resume


def new_run(seed: int = 0) -> Run:
    network = nn.Layer()
    network.student = nn.Linear(1, 1)
    optimiser = paddle.optimizer.Momentum(0.1, 0.9, parameters=network.student.parameters())
    network.student(paddle.ones([1, 1])).sum().backward()
    optimiser.step()  # without a step it has no state
    ema = {"student.weight": paddle.zeros([1, 1]), "student.bias": paddle.zeros([1])}
    return Run(
        network,
        optimiser,
        ema,
        ModelCard(model_name="STFPM", backbone="resnet18", layers=("layer1",), image_size=64),
        {"seed": seed},
    )


@pytest.fixture
def run() -> Run:
    return new_run()


@pytest.fixture
def store(tmp_path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints", keep=2)


def save(store: CheckpointStore, run: Run, step: int, best_step: int = 0) -> Path:
    """Save a checkpoint whose only weight is its step."""
    run.progress = Progress(step=step, best_step=best_step, best_epoch=best_step)
    run.network.student.weight.set_value(paddle.full([1, 1], float(step)))
    return store.save(run)


def spoil(checkpoint: Path, name: str = "model.pdopt") -> None:
    (checkpoint / name).write_bytes(b"spoilt")


def names(store: CheckpointStore) -> set[str]:
    return {path.name for path in store.folder.iterdir()}


def resumed_at(store: CheckpointStore, path: str | None = "auto", seed: int = 0) -> tuple[int | None, list[str]]:
    """The step at which a new process would go on, None for a new run; and the warnings."""
    run, warnings = new_run(seed), []
    if not resume(run, store, path, warnings.append):
        return None, warnings
    assert run.network.student.weight.item() == run.progress.step
    return run.progress.step, warnings


# What is kept


def test_the_checkpoints_written_last_are_kept_and_the_best_models_that_they_name(store, run):
    for step, best_step in ((10, 10), (20, 20), (30, 20), (40, 20), (50, 20)):
        save(store, run, step, best_step)
    assert names(store) == {"step_0000020", "step_0000040", "step_0000050"}
    save(store, run, 60, 60)
    save(store, run, 70, 60)
    assert names(store) == {"step_0000060", "step_0000070"}


def test_the_order_of_writing_counts_and_not_the_clock(store, run):
    for step in (10, 20, 30):
        os.utime(save(store, run, step), (1e9 - step, 1e9 - step))
    assert names(store) == {"step_0000020", "step_0000030"}
    assert resumed_at(store) == (30, [])


def test_the_same_step_can_be_saved_again(store, run):
    save(store, run, 10)
    save(store, run, 10, best_step=10)
    assert names(store) == {"step_0000010"}
    assert resumed_at(store) == (10, [])


def test_a_new_run_takes_the_place_of_an_older_one_with_its_first_checkpoint(store, run):
    for step in (300, 400):
        save(store, run, step)
    store.supersede()
    assert names(store) == {"step_0000300", "step_0000400"}, "until then the old ones stay"
    save(store, run, 3)
    assert names(store) == {"step_0000003"}


def test_nothing_but_checkpoints_is_deleted(store, run):
    (store.folder / "mine").mkdir(parents=True)
    (store.folder / "step_notes.txt").touch()
    for step in (1, 2, 3):
        save(store, run, step)
    assert names(store) == {"step_0000002", "step_0000003", "mine", "step_notes.txt"}


# resume_path=auto


def test_auto_in_an_empty_folder_starts_a_new_run_and_says_so(store, caplog):
    with caplog.at_level("INFO", "paddlex"):
        assert resumed_at(store) == (None, [])
    assert "There is no checkpoint in" in caplog.text and "a new run starts" in caplog.text


def test_auto_goes_on_from_the_last_checkpoint(store, run):
    for step in (10, 20, 30):
        save(store, run, step, best_step=10)
    assert resumed_at(store) == (30, [])


@pytest.mark.parametrize("name", ["model.pdparams", "model.pdema", "model.pdopt", "model.pdstates", "manifest.json"])
def test_a_damaged_last_checkpoint_is_passed_over_with_a_warning_that_names_both(store, run, name):
    for step in (10, 20):
        save(store, run, step)
    spoil(store.path(20), name)
    step, (warning,) = resumed_at(store)
    assert step == 10
    assert f"{store.path(20)} cannot be used ({name} is" in warning
    assert "resumed from step_0000010 instead" in warning


def test_a_checkpoint_whose_best_model_is_damaged_is_passed_over(store, run):
    store = CheckpointStore(store.folder, keep=9)
    for step, best_step in ((10, 10), (20, 20), (30, 20)):
        save(store, run, step, best_step)
    spoil(store.path(20), "model.pdparams")
    step, warnings = resumed_at(store)
    assert step == 10
    assert "its best model so far, step_0000020: model.pdparams is damaged" in warnings[0]
    assert len(warnings) == 2


def test_a_best_model_of_another_run_does_not_pass_for_the_own(store, run, tmp_path):
    save(store, run, 20, 20)
    save(store, run, 30, 20)
    other = CheckpointStore(tmp_path / "other", keep=2)
    save(other, run, 21, 21)
    shutil.rmtree(store.path(20))
    shutil.copytree(other.path(21), store.path(20))
    run = new_run()
    warnings: list[str] = []
    resume(run, store, "auto", warnings.append)
    assert run.progress.step == 21, "it is whole: what cannot be used is the checkpoint that names it"
    assert "step_0000030 cannot be used" in warnings[0] and "not the one that was saved with it" in warnings[0]


def test_if_all_are_damaged_the_run_starts_anew_and_says_so(store, run):
    for step in (10, 20):
        spoil(save(store, run, step))
    step, warnings = resumed_at(store)
    assert step is None
    assert len(warnings) == 2
    assert all("no other one is left: the run starts anew" in warning for warning in warnings)


def test_damaged_checkpoints_do_not_push_out_good_ones(store, run):
    for step in (10, 20):
        save(store, run, step)
    spoil(store.path(20))
    store = CheckpointStore(store.folder, keep=2)
    assert resumed_at(store)[0] == 10
    save(store, run, 15)
    assert names(store) == {"step_0000010", "step_0000015"}


def test_auto_refuses_checkpoints_of_other_settings(store, run):
    save(store, run, 10)
    with pytest.raises(TrainingError, match=r"made with other settings: seed \(seed was 0, now 1\)"):
        resumed_at(store, seed=1)


# A named checkpoint


def test_a_run_goes_on_in_another_folder_with_its_best_model(store, run, tmp_path):
    for step, best_step in ((10, 10), (20, 10)):
        save(store, run, step, best_step)
    other = CheckpointStore(tmp_path / "other", keep=2)
    assert resumed_at(other, str(store.path(20))) == (20, [])
    assert names(other) == {"step_0000010", "step_0000020"}
    shutil.rmtree(store.folder)
    assert resumed_at(other) == (20, [])


def test_resuming_without_the_best_model_so_far_is_refused(store, run, tmp_path):
    for step, best_step in ((10, 10), (20, 10)):
        save(store, run, step, best_step)
    moved = Path(shutil.copytree(store.path(20), tmp_path / "moved" / "step_0000020"))
    with pytest.raises(TrainingError, match=r"its best model so far, step_0000010, is missing .*Put it back"):
        resumed_at(store, str(moved))


@pytest.mark.parametrize("below", ["", "model.pdparams", "model.pdopt", "model"])
def test_a_checkpoint_is_named_by_its_folder_or_a_file_in_it_or_the_common_stem(store, run, below):
    checkpoint = save(store, run, 10)
    assert find_checkpoint(str(checkpoint / below)) == checkpoint


@pytest.mark.parametrize("path", ["..", "../..", "../step_0000020", "../../nowhere"])
def test_a_path_without_a_checkpoint_is_refused(store, run, path):
    checkpoint = save(store, run, 10)
    with pytest.raises(TrainingError, match="no checkpoint to resume from"):
        find_checkpoint(str((checkpoint / path).resolve()))


# What cannot be written


def test_a_best_model_that_someone_deleted_ends_the_run_with_its_name(store, run):
    save(store, run, 10, 10)
    shutil.rmtree(store.path(10))
    with pytest.raises(TrainingError, match=r"best model so far has disappeared .*step_0000010"):
        save(store, run, 20, 10)


def test_a_file_system_that_fails_ends_the_run_with_advice_and_the_last_good_checkpoint(store, run, monkeypatch):
    save(store, run, 10)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Run, "save", fail)
    with pytest.raises(TrainingError) as caught:
        save(store, run, 20)
    assert "the checkpoint of step 20 cannot be written: No space left on device" in str(caught.value)
    assert "Free some space, then go on with -o Train.resume_path=auto from step_0000010" in str(caught.value)
    assert resumed_at(store) == (10, [])


def test_a_manifest_says_which_model_is_the_best(store, run):
    save(store, run, 10, 10)
    save(store, run, 20, 10)
    files = json.loads((store.path(10) / "manifest.json").read_text(encoding="utf-8"))["files"]
    best = json.loads((store.path(20) / "manifest.json").read_text(encoding="utf-8"))["best"]
    assert best == {"folder": "step_0000010", "sha256": files["model.pdparams"]}
