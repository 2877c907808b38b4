"""The state of a run: what smoothing does to the weights, and that a checkpoint is only taken over whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import Progress, Run
from paddlex.modules.image_anomaly_detection.training.manifest import Manifest


@pytest.fixture
def run() -> Run:
    """A student of one weight and one bias, 10 and 0, after a step of gradient 1 with momentum."""
    student = nn.Linear(1, 1)
    student.weight.set_value(paddle.full([1, 1], 10.0))
    network = nn.Layer()
    network.student = student
    optimiser = paddle.optimizer.Momentum(0.1, 0.9, parameters=student.parameters())
    student(paddle.ones([1, 1])).sum().backward()
    optimiser.step()
    optimiser.clear_grad()
    ema = {"student.weight": paddle.zeros([1, 1]), "student.bias": paddle.zeros([1])}
    return Run(
        network,
        optimiser,
        ema,
        ModelCard(model_name="STFPM", backbone="resnet18", layers=("layer1",), image_size=64),
        {"seed": 0},
    )


def test_smoothed_weights_follow_the_weights_by_the_share_that_the_decay_leaves(run):
    # the decay is held down to (1 + step) / (10 + step) in the first steps: 1/10 at step 0, 0.5 at step 8, 0.9 for ever
    run.network.student.weight.set_value(paddle.full([1, 1], 10.0))
    expected = []
    for step, decay in ((0, 0.1), (8, 0.5), (1000, 0.9)):
        run.progress = Progress(step=step)
        run.update_ema(0.9)
        expected.append(decay * (expected[-1] if expected else 0.0) + (1 - decay) * 10.0)
        np.testing.assert_allclose(run.ema["student.weight"].numpy(), [[expected[-1]]], rtol=1e-6)


def test_a_restored_run_is_where_the_saved_one_was(run, tmp_path):
    run.progress = Progress(step=3, epoch=1, batch=1, loss_sum=0.1 + 0.2, start_loss=1 / 3, history=[{"epoch": 1}])
    saved = run.progress
    weight = run.network.student.weight.numpy().copy()
    run.save(tmp_path / "step", Manifest(1))
    run.progress = Progress()
    run.network.student.weight.set_value(paddle.zeros([1, 1]))
    run.restore(tmp_path / "step")
    assert run.progress == saved
    np.testing.assert_array_equal(run.network.student.weight.numpy(), weight)


@pytest.mark.parametrize("name", ["model.pdparams", "model.pdema", "model.pdopt", "model.pdstates"])
@pytest.mark.parametrize("harm", ["flip a bit", "cut off", "delete"])
def test_a_checkpoint_with_a_damaged_file_is_refused_and_the_file_named(run, tmp_path, name, harm):
    run.save(tmp_path / "step", Manifest(1))
    path = tmp_path / "step" / name
    data = bytearray(path.read_bytes())
    if harm == "flip a bit":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif harm == "cut off":
        path.write_bytes(data[:-1])
    else:
        path.unlink()
    problem = "is missing" if harm == "delete" else "is damaged: its checksum differs"
    with pytest.raises(TrainingError, match=rf"cannot be resumed: {name} {problem} .*resume_path=auto"):
        run.restore(tmp_path / "step")


@pytest.mark.parametrize(
    "text",
    [
        None, "", "{", "[]", '{"order": "1"}', '{"order": 1, "files": []}', '{"age": 1}', '{"order": true}',
        '{"order": 1, "order": 2}', '{"order": 1, "files": {"a": 1}}', '{"order": 1, "files": {"../a": "00"}}',
        '{"order": 1, "files": {"/dev/zero": "00"}}', '{"order": 1, "best": {"folder": "../../x", "sha256": "00"}}',
        '{"order": 1, "best": {"sha256": "00"}}', '{"order": 1, "best": 5}', "[" * 100_000, '{"order": ' + "1" * 10**6 + "}",
    ],
)  # fmt: skip
def test_a_checkpoint_with_no_sound_manifest_is_refused(run, tmp_path, text):
    run.save(tmp_path / "step", Manifest(1))
    manifest = tmp_path / "step" / "manifest.json"
    manifest.unlink() if text is None else manifest.write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=r"cannot be resumed: manifest\.json is missing or damaged"):
        run.restore(tmp_path / "step")


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("step", "many", "step in its training state is wrong: Input should be a valid integer"),
        ("history", {"a": 1}, "history in its training state is wrong: Input should be a valid list"),
        ("best_score", [], "best_score in its training state is wrong: Input should be a valid number"),
    ],
)
def test_a_training_state_of_other_types_is_refused(run, tmp_path, key, value, complaint):
    run.save(tmp_path / "step", Manifest(1))
    path = tmp_path / "step" / "model.pdstates"
    card = json.loads(path.read_text(encoding="utf-8"))
    card["training"][key] = value
    path.write_text(json.dumps(card), encoding="utf-8")
    Manifest(1).write(tmp_path / "step")
    with pytest.raises(TrainingError, match=f"cannot be resumed: {complaint}"):
        run.restore(tmp_path / "step")


def test_a_manifest_that_lists_too_little_does_not_pass(run, tmp_path):
    run.save(tmp_path / "step", Manifest(1))
    path = tmp_path / "step" / "manifest.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["files"]["model.pdopt"]
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(TrainingError, match=r"cannot be resumed: manifest\.json does not list model\.pdopt"):
        run.restore(tmp_path / "step")


def test_a_damaged_checkpoint_leaves_the_run_as_it_was(run, tmp_path):
    run.save(tmp_path / "step", Manifest(1))
    (tmp_path / "step" / "model.pdopt").write_bytes(b"")
    run.progress = Progress(step=7)
    before = run.network.student.weight.numpy().copy()
    with pytest.raises(TrainingError):
        run.restore(tmp_path / "step")
    assert run.progress.step == 7
    np.testing.assert_array_equal(run.network.student.weight.numpy(), before)


def test_the_files_of_a_checkpoint_have_the_checksums_of_sha256sum(run, tmp_path):
    import hashlib

    run.save(tmp_path / "step", Manifest(1))
    files = json.loads((tmp_path / "step" / "manifest.json").read_text(encoding="utf-8"))["files"]
    paths = {path.name: path for path in Path(tmp_path / "step").iterdir() if path.name != "manifest.json"}
    assert files == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items()}
