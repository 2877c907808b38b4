"""Checkpoints: which is meant, which are kept, and what smoothing does to the weights in them."""

import os
from pathlib import Path

import numpy as np
import pytest

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.checkpoint import Progress, Run, find_checkpoint, keep_newest
from paddlex.modules.image_anomaly_detection.model_card import ModelCard

import paddle  # isort: skip
from paddle import nn  # isort: skip


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    folder = tmp_path / "checkpoints" / "step_0000010"
    folder.mkdir(parents=True)
    for name in ("model.pdparams", "model.pdopt"):
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("below", ["", "model.pdparams", "model.pdopt", "model"])
def test_a_checkpoint_is_named_by_its_folder_or_a_file_in_it_or_the_common_stem(checkpoint, below):
    assert find_checkpoint(str(checkpoint / below)) == checkpoint


@pytest.mark.parametrize("path", ["..", "../..", "../step_0000020", "../../nowhere"])
def test_a_path_without_a_checkpoint_is_refused(checkpoint, path):
    with pytest.raises(TrainingError, match="no checkpoint to resume from"):
        find_checkpoint(str((checkpoint / path).resolve()))


def test_the_checkpoints_written_last_are_kept_whatever_their_step(tmp_path):
    written = ["step_0000300", "step_0000400", "step_0000010", "step_0000020"]  # a long run, then a short one
    for second, name in enumerate(written):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (second, second))
    keep_newest(tmp_path, 3)
    assert {path.name for path in tmp_path.iterdir()} == {"step_0000400", "step_0000010", "step_0000020"}


def test_nothing_but_checkpoints_is_deleted(tmp_path):
    for name in ("step_0000001", "step_0000002", "mine"):
        (tmp_path / name).mkdir()
    (tmp_path / "step_notes.txt").touch()
    keep_newest(tmp_path, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"step_0000002", "mine", "step_notes.txt"}


def test_smoothed_weights_follow_the_weights_by_the_share_that_the_decay_leaves():
    # the decay is held down to (1 + step) / (10 + step) in the first steps: 1/10 at step 0, 0.5 at step 8, 0.9 for ever
    student = nn.Linear(1, 1)
    network = nn.Layer()
    network.student = student
    run = Run(
        network,
        paddle.optimizer.SGD(parameters=student.parameters()),
        {"student.weight": paddle.zeros([1, 1]), "student.bias": paddle.zeros([1])},
        ModelCard("STFPM", "resnet18", ("layer1",), 64),
        {},
    )
    student.weight.set_value(paddle.full([1, 1], 10.0))
    expected = []
    for step, decay in ((0, 0.1), (8, 0.5), (1000, 0.9)):
        run.progress = Progress(step=step)
        run.update_ema(0.9)
        expected.append(decay * (expected[-1] if expected else 0.0) + (1 - decay) * 10.0)
        np.testing.assert_allclose(run.ema["student.weight"].numpy(), [[expected[-1]]], rtol=1e-6)
