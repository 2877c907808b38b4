"""The log for VisualDL, read back by VisualDL itself; and the picture of the course of a training."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.data.dataset import read_samples
from paddlex.errors import ConfigError
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import Progress
from paddlex.modules.image_anomaly_detection.training.gradient.train_curve import draw_train_curve
from paddlex.modules.image_anomaly_detection.training.gradient.visual_log import FILE, VisualLog, choose_samples


@pytest.fixture
def samples(demo_dataset):
    return choose_samples(read_samples(demo_dataset, "train.txt"), read_samples(demo_dataset, "val.txt"))


@pytest.fixture
def new_log(tmp_path, samples, trained):
    """A log whose heat maps are those of a trained model."""
    pytest.importorskip("visualdl")

    @contextmanager
    def predictor():
        yield AnomalyPredictor(trained, device="cpu", quiet=True)

    return lambda: VisualLog(tmp_path, samples[-1:], predictor)


def read(path: Path) -> dict[str, list[tuple[int, float]]]:
    """The scalars as (step, value), by tag."""
    from visualdl import LogReader

    reader = LogReader(file_path=str(path))
    tags = reader.get_tags().get("scalar", [])
    return {tag: [(r.id, round(r.value, 4)) for r in reader.get_data("scalar", tag)] for tag in tags}


def write(log: VisualLog, steps: range) -> None:
    """Three steps an epoch, an evaluation after each."""
    for step in steps:
        log.step(step, 1 / step, step / 10)
        if step % 3 == 0:
            log.evaluation({"step": step, "held_out_loss": 2 / step, "image_auroc": 0.5 + step / 100})


def test_losses_rate_auroc_and_heat_maps_can_be_read_back(new_log, samples):
    from visualdl import LogReader

    with new_log() as log:
        log.start(0, evaluated=False)
        write(log, range(1, 7))
    assert read(log.path) == {
        "train/loss": [(step, round(1 / step, 4)) for step in range(1, 7)],
        "train/learning_rate": [(step, round(step / 10, 4)) for step in range(1, 7)],
        "evaluation/held_out_loss": [(3, 0.6667), (6, 0.3333)],
        "evaluation/image_auroc": [(3, 0.53), (6, 0.56)],
    }
    pictures = LogReader(file_path=str(log.path)).get_data("image", f"heat_maps/{samples[-1].image}")
    assert [picture.id for picture in pictures] == [3, 6]
    decoded = cv2.imdecode(np.frombuffer(pictures[0].image.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape[0] > 200 and decoded.std() > 20


@pytest.mark.parametrize(
    ("killed_after", "resumed_at", "evaluated"),
    [
        pytest.param(5, 4, False, id="in the middle of an epoch"),
        pytest.param(6, 3, True, id="after an evaluation"),
        pytest.param(6, 6, False, id="between the last step of an epoch and its evaluation"),
        pytest.param(6, 6, True, id="nothing was lost"),
    ],
)
def test_a_resumed_run_leaves_no_gaps_and_no_repetitions(new_log, killed_after, resumed_at, evaluated):
    with new_log() as whole:
        whole.start(0, evaluated=False)
        write(whole, range(1, 10))
    expected = read(whole.path)
    whole.path.unlink()

    with new_log() as log:
        log.start(0, evaluated=False)
        write(log, range(1, killed_after + 1))
    with log.path.open("ab") as file:
        file.write(b"\xff\x01\x00\x00\x00\x00\x00\x00half a record")  # killed while it wrote
    with new_log() as log:
        log.start(resumed_at, evaluated)
        if resumed_at == 6 and not evaluated:
            log.evaluation({"step": 6, "held_out_loss": 2 / 6, "image_auroc": 0.56})
        write(log, range(resumed_at + 1, 10))
    assert read(log.path) == expected


def test_a_new_run_begins_a_new_log(new_log):
    for steps in (range(1, 9), range(1, 3)):
        with new_log() as log:
            log.start(0, evaluated=False)
            write(log, steps)
    assert [step for step, _ in read(log.path)["train/loss"]] == [1, 2]


def test_without_visualdl_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "visualdl", None)
    with pytest.raises(
        ConfigError, match=r"VisualDL cannot be imported.*pip install \"image-anomaly-toolkit\[visualdl\]\""
    ):
        VisualLog(tmp_path, [], None)
    assert list(tmp_path.iterdir()) == []


def test_two_good_images_and_one_of_each_kind_of_defect_are_shown(samples):
    kinds = [sample.defect_type for sample in samples]
    assert kinds[:2] == ["good", "good"]
    assert len(kinds) == 6 and len(set(kinds[2:])) == 4 and "good" not in kinds[2:]


# One run of main.py with the switch on


def test_the_result_names_the_log_and_the_curve(demo_dataset, main_runner, tmp_path):
    import json

    pytest.importorskip("visualdl")
    done = main_runner(
        "Global.mode=train", "Global.device=cpu", f"Global.dataset_dir={demo_dataset}", f"Global.output={tmp_path}",
        "Train.image_size=64", "Train.layers=[layer1]", "Train.epochs_iters=1", "Train.batch_size=6",
        "Train.log_interval=1", "Train.visualdl=True",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "train_result.json").read_text(encoding="utf-8"))
    assert result["visualdl_log"] == f"visualdl/{FILE}"
    log = read(tmp_path / result["visualdl_log"])
    assert [step for step, _ in log["train/loss"]] == [1, 2, 3]
    assert log["evaluation/held_out_loss"] == [(3, round(result["history"][0]["held_out_loss"], 4))]
    picture = cv2.imread(str(tmp_path / result["train_curve"]))
    assert picture.shape[0] > 400 and picture.shape[1] > 600


# The curve


@pytest.mark.parametrize("best_by", ["loss", "auroc"])
@pytest.mark.parametrize("start_loss", [None, 1.7])
@pytest.mark.parametrize("losses", [[0.5], [1.0, 0.3, 0.4], [0.0, 0.0]], ids=["one", "three", "zero"])
def test_a_curve_is_drawn_of_any_history(tmp_path, best_by, start_loss, losses):
    history = [
        {"epoch": n, "step": 3 * n, "train_loss": loss, "held_out_loss": loss, "image_auroc": 0.5}
        for n, loss in enumerate(losses, 1)
    ]
    best = losses.index(min(losses)) + 1
    progress = Progress(3 * len(losses), len(losses), best_epoch=best, start_loss=start_loss, history=history)
    draw_train_curve(tmp_path / "curve.png", progress, [0.1] * progress.step, best_by)
    picture = cv2.imread(str(tmp_path / "curve.png"))
    green = np.all(np.abs(picture.astype(int) - (0x3F, 0x9D, 0x2A)) < 10, axis=2)
    assert green.sum() > 50, "the star of the best model"
