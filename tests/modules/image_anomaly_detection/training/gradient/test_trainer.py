"""A training run is reproducible, can be stopped and resumed at any point, and fails with advice."""

import hashlib
import json
import logging
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest
import yaml
from paddle.vision.models import resnet18

from paddlex.config import load_config
from paddlex.errors import ConfigError, TrainingError, TrainingInterrupted
from paddlex.modules.image_anomaly_detection.training.gradient.fit import fit
from paddlex.modules.image_anomaly_detection.training.gradient.trainer import Trainer
from paddlex.modules.image_anomaly_detection.training.normal_images import hold_out
from paddlex.modules.image_anomaly_detection.training.train_result import describe_training
from paddlex.utils.devices import Device

ROOT = Path(__file__).parents[5]
CONFIG = ROOT / "paddlex" / "configs" / "image_anomaly_detection" / "STFPM.yaml"

# 24 images: 5 held out, 19 to train on in batches of 6, 6 and 7; 4 epochs are 12 steps, every other one is evaluated.
SETTINGS = (
    "Train.image_size=64", "Train.layers=[layer1, layer2]", "Train.epochs_iters=4", "Train.batch_size=6",
    "Train.eval_interval=2", "Train.log_interval=1", "Train.robust=off",
)  # fmt: skip
LAST_CHECKPOINT = "checkpoints/step_0000012"


@pytest.fixture(scope="module")
def dataset(demo_dataset, tmp_path_factory) -> Path:
    """The demonstration data set with few validation images, since every training looks at them. Do not change it."""
    copy = Path(shutil.copytree(demo_dataset, tmp_path_factory.mktemp("data") / "metal grid"))
    lines = (copy / "val.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    good, bad = ([line for line in lines if ("good" in line) == is_good] for is_good in (True, False))
    (copy / "val.txt").write_text("".join([*good[:2], *bad[:3]]), encoding="utf-8")
    return copy


def overrides_for(dataset: Path, output: Path, *more: str) -> list[str]:
    basic = ["Global.mode=train", "Global.device=cpu", f"Global.dataset_dir={dataset}", f"Global.output={output}"]
    return [*basic, *SETTINGS, *more]


def train(dataset: Path, output: Path, *more: str) -> dict[str, Path]:
    """Train in this process."""
    return Trainer(load_config(CONFIG, overrides_for(dataset, output, *more)), "cpu").train()


def result_of(dataset: Path, output: Path, *more: str) -> dict:
    """Train in this process; what train_result.json would say."""
    fitted = fit(load_config(CONFIG, overrides_for(dataset, output, *more)), Device("cpu"))
    return describe_training(fitted, output, minutes=1.0)


def test_a_length_that_is_left_open_is_240_steps_and_the_same_as_if_it_had_been_given(dataset, tmp_path):
    left_open, given = (
        Trainer(load_config(CONFIG, overrides_for(dataset, tmp_path, *length)), "cpu")
        for length in (
            ("Train.epochs_iters=null", "Train.eval_interval=null"),
            ("Train.epochs_iters=80", "Train.eval_interval=8"),
        )
    )
    assert (left_open.epochs, left_open.eval_interval, left_open.total_steps) == (80, 8, 240)  # of 3 batches
    assert left_open.run.settings == given.run.settings


@pytest.fixture(scope="module")
def uninterrupted(dataset, main_runner, tmp_path_factory) -> Path:
    """The output folder of a run, by a process of its own, that nothing disturbed."""
    output = tmp_path_factory.mktemp("uninterrupted")
    done = main_runner(*overrides_for(dataset, output))
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture
def stop_at(ask_to_stop):
    """Ask this process to stop when a log line contains the given words; at most once."""

    class Trap(logging.Handler):
        words = None

        def emit(self, record):
            if self.words is not None and self.words in record.getMessage():
                self.words = None
                ask_to_stop()

    def arm(words: str) -> None:
        trap.words = words

    trap, logger = Trap(), logging.getLogger("paddlex")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(trap)
    yield arm
    logger.removeHandler(trap)
    logger.setLevel(level)


@pytest.fixture
def interrupted(dataset, tmp_path, stop_at):
    """Train until a log line with the given words, and return the checkpoint folder that the error names."""

    def run(words: str) -> Path:
        stop_at(words)
        with pytest.raises(TrainingInterrupted) as caught:
            train(dataset, tmp_path / "interrupted")
        return Path(caught.value.where)

    return run


def arrays(path: Path) -> dict[str, np.ndarray]:
    return paddle.load(str(path), return_numpy=True)


def card(folder: Path) -> dict:
    return json.loads((folder / "model.pdstates").read_text(encoding="utf-8"))


def assert_same(output: Path, expected: Path) -> None:
    """Weights, smoothed weights, optimiser state, history and thresholds, bit for bit."""
    for name in ("best_model", LAST_CHECKPOINT):
        for file in ("model.pdparams", "model.pdema", "model.pdopt"):
            got, wanted = arrays(output / name / file), arrays(expected / name / file)
            assert got.keys() == wanted.keys()
            for key, array in wanted.items():
                np.testing.assert_array_equal(got[key], array, err_msg=f"{name}/{file} {key}")
        assert card(output / name) == card(expected / name)
        config = "inference/inference.yml"
        assert (output / name / config).read_text("utf-8") == (expected / name / config).read_text("utf-8")


# Reproducible


def test_the_written_config_alone_gives_the_same_model_again_in_another_process(uninterrupted, tmp_path):
    Trainer(load_config(uninterrupted / "config.yaml", [f"Global.output={tmp_path}"]), "cpu").train()
    assert_same(tmp_path, uninterrupted)


def test_another_seed_gives_another_model(dataset, uninterrupted, tmp_path):
    train(dataset, tmp_path, "Train.seed=1", "Train.epochs_iters=1")
    first, other = arrays(uninterrupted / "best_model/model.pdparams"), arrays(tmp_path / "best_model/model.pdparams")
    assert not np.array_equal(first["student.conv1.weight"], other["student.conv1.weight"])


def test_the_log_tells_loss_learning_rate_speed_and_time_left(uninterrupted):
    log = (uninterrupted / "train.log").read_text(encoding="utf-8")
    lines = re.findall(r"epoch (\d)/4 step (\d+)/12 loss \d\.\d+ lr [\d.e-]+ \d+\.\d images/s, \d+:\d\d left", log)
    assert lines == [(str(1 + (step - 1) // 3), str(step)) for step in range(1, 13)]


def test_the_best_model_is_that_of_the_lowest_loss_on_held_out_images(uninterrupted):
    result = json.loads((uninterrupted / "train_result.json").read_text(encoding="utf-8"))
    losses = {entry["epoch"]: entry["held_out_loss"] for entry in result["history"]}
    assert list(losses) == [2, 4]
    assert result["best_epoch"] == min(losses, key=losses.get)
    assert card(uninterrupted / "best_model")["training"]["epoch"] == result["best_epoch"]
    assert result["models"]["best"]["score"] == min(losses.values())


def test_the_teacher_is_the_same_after_training_as_before(uninterrupted):
    bundled = Trainer(load_config(uninterrupted / "config.yaml"), "cpu").run.network.teacher.state_dict()
    trained = arrays(uninterrupted / "best_model/model.pdparams")
    for name, tensor in bundled.items():
        np.testing.assert_array_equal(trained[f"teacher.{name}"], tensor.numpy(), err_msg=name)


# Stopped and resumed


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("step 5/12", id="in the middle of an epoch"),
        pytest.param("step 3/12", id="after the last step of an epoch that is not evaluated"),
        pytest.param("Epoch 2/4", id="while evaluating"),
        pytest.param("Epoch 4/4", id="while evaluating for the last time"),
    ],
)
def test_a_resumed_run_ends_as_if_it_had_not_been_interrupted(words, interrupted, dataset, uninterrupted):
    checkpoint = interrupted(words)
    output = checkpoint.parent.parent
    train(dataset, output, f"Train.resume_path={checkpoint}")
    assert_same(output, uninterrupted)


def test_a_process_stopped_by_sigterm_exits_with_143_and_says_how_to_go_on(
    dataset, main_runner, uninterrupted, tmp_path
):
    output = tmp_path / "stopped"
    status = run_until("epoch 1/4 step 1/12", signal.SIGTERM, overrides_for(dataset, output))
    assert status == 128 + signal.SIGTERM
    result = json.loads((output / "train_result.json").read_text(encoding="utf-8"))
    assert result["done_flag"] is False
    assert result["err_type"] == "TrainingInterrupted"
    hint = re.search(r"Go on with -o (Train\.resume_path=\S+)\.$", result["err_msg"])
    assert hint, result["err_msg"]

    done = main_runner(*overrides_for(dataset, output, hint[1]))
    assert done.returncode == 0, done.stderr
    assert_same(output, uninterrupted)
    steps = re.findall(r" step (\d+)/12 ", (output / "train.log").read_text(encoding="utf-8"))
    assert steps == [str(step) for step in range(1, 13)], "the log of the resumed part follows that of the first"


def test_a_process_stopped_by_ctrl_c_exits_with_130_and_leaves_a_checkpoint(dataset, tmp_path):
    status = run_until("epoch 1/4 step 1/12", signal.SIGINT, overrides_for(dataset, tmp_path))
    assert status == 128 + signal.SIGINT
    (checkpoint,) = (tmp_path / "checkpoints").iterdir()
    assert {path.name for path in checkpoint.iterdir()} == {
        "model.pdparams",
        "model.pdema",
        "model.pdopt",
        "model.pdstates",
        "manifest.json",
    }


def run_until(words: str, signal_number: int, overrides: list[str]) -> int:
    """Run main.py, send a signal once a line of its log contains the words, and return the exit status."""
    arguments = [part for override in overrides for part in ("-o", override)]
    command = [sys.executable, str(ROOT / "main.py"), "-c", str(CONFIG), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=ROOT) as process:
        try:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if words in line:
                    process.send_signal(signal_number)
                    break
            lines += process.stderr
            process.wait()
        finally:
            process.kill()
    assert any(words in line for line in lines), "".join(lines)
    return process.returncode


@pytest.mark.parametrize("source", [LAST_CHECKPOINT, "best_model"])
def test_a_run_can_go_on_in_another_folder_even_if_that_holds_another_model(source, dataset, uninterrupted, tmp_path):
    assert card(uninterrupted / "best_model")["training"]["epoch"] == 4, "nothing better may come after the checkpoint"
    other_model = tmp_path / "best_model"
    other_model.mkdir()
    (other_model / "model.pdparams").write_bytes(b"of another run")
    train(dataset, tmp_path, f"Train.resume_path={uninterrupted / source}")
    assert_same(tmp_path, uninterrupted)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("Train.learning_rate=0.1", r"learning_rate \(learning_rate was 1.6, now 0.1\)"),
        ("Global.bit_depth=12", r"Global.bit_depth \(Global.bit_depth was 8, now 12\)"),
        ("Train.epochs_iters=7", r"epochs_iters \(epochs_iters was 4, now 7\)"),
        ("Train.calibration.holdout_percent=30", r"calibration.holdout_percent \(.* was 20.*, now 30"),
    ],
)
def test_resuming_with_another_setting_is_refused_and_the_setting_named(
    override, message, dataset, uninterrupted, tmp_path
):
    with pytest.raises(TrainingError, match=f"made with other settings: {message}"):
        train(dataset, tmp_path, f"Train.resume_path={uninterrupted / LAST_CHECKPOINT}", override)


def test_resuming_with_other_images_is_refused(dataset, uninterrupted, tmp_path):
    copy = Path(shutil.copytree(dataset, tmp_path / "data"))
    lines = (copy / "train.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    (copy / "train.txt").write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(TrainingError, match="other settings: training images"):
        train(copy, tmp_path / "out", f"Train.resume_path={uninterrupted / LAST_CHECKPOINT}")


def test_resuming_with_another_teacher_is_refused(dataset, uninterrupted, tmp_path):
    save_teacher(tmp_path / "other.pdparams")
    more = (
        f"Train.pretrain_weight_path={tmp_path / 'other.pdparams'}",
        f"Train.resume_path={uninterrupted / 'best_model'}",
    )
    with pytest.raises(TrainingError, match="other settings: teacher weights"):
        train(dataset, tmp_path, *more)


def test_a_resume_path_without_a_checkpoint_is_named(dataset, tmp_path):
    with pytest.raises(TrainingError, match=r"there is no checkpoint to resume from .*nowhere"):
        train(dataset, tmp_path, f"Train.resume_path={tmp_path / 'nowhere'}")


def test_a_checkpoint_that_lacks_a_file_is_refused(dataset, uninterrupted, tmp_path):
    checkpoint = Path(shutil.copytree(uninterrupted / "best_model", tmp_path / "best_model"))
    (checkpoint / "model.pdopt").unlink()
    with pytest.raises(TrainingError, match=r"cannot be resumed: model\.pdopt is missing"):
        train(dataset, tmp_path / "out", f"Train.resume_path={checkpoint}")


# The best model of the training before


def test_a_new_training_keeps_the_best_model_of_the_one_before_and_says_where(dataset, uninterrupted, tmp_path, caplog):
    output = Path(shutil.copytree(uninterrupted, tmp_path / "output"))
    with caplog.at_level(logging.INFO, logger="paddlex"):
        result = result_of(dataset, output, "Train.seed=1")
    kept = output / "best_model_previous"
    assert files_of(kept) == files_of(uninterrupted / "best_model")
    assert str(kept) in caplog.text
    assert "The checkpoints of the training before go" in caplog.text
    assert result["previous_best_model"] == "best_model_previous"


def test_of_the_trainings_before_one_best_model_is_kept(dataset, uninterrupted, tmp_path):
    output = Path(shutil.copytree(uninterrupted, tmp_path / "output"))
    (output / "best_model_previous").mkdir()
    (output / "best_model_previous" / "model.pdparams").write_bytes(b"older still")
    train(dataset, output, "Train.seed=1")
    assert files_of(output / "best_model_previous") == files_of(uninterrupted / "best_model")
    assert sorted(path.name for path in output.glob("*best_model*")) == ["best_model", "best_model_previous"]


def test_a_resumed_training_replaces_its_own_best_model_and_moves_nothing(dataset, uninterrupted, tmp_path):
    output = Path(shutil.copytree(uninterrupted, tmp_path / "output"))
    train(dataset, output, f"Train.resume_path={output / LAST_CHECKPOINT}")
    assert not (output / "best_model_previous").exists()
    assert_same(output, uninterrupted)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Checkpoints on disk


def test_a_new_run_is_not_confused_by_the_checkpoints_of_a_longer_one(dataset, uninterrupted, tmp_path):
    output = Path(shutil.copytree(uninterrupted, tmp_path / "used"))
    folders = train(dataset, output, "Train.epochs_iters=1")
    assert {path.name for path in (output / "checkpoints").iterdir()} == {"step_0000003"}
    assert card(folders["best"])["training"]["epoch"] == 1


# What goes wrong


def test_a_loss_that_is_no_number_stops_the_training_with_advice(dataset, tmp_path):
    trainer = Trainer(load_config(CONFIG, overrides_for(dataset, tmp_path)), "cpu")
    trainer.run.network.student.layer2[1].bn2.bias.set_value(paddle.full([128], float("inf")))
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) in step 1\. Lower Train\.learning_rate"):
        trainer.train()


def test_a_loss_that_is_no_number_on_held_out_images_stops_the_training_with_advice(dataset, tmp_path):
    more = ("Train.learning_rate=1e38", "Train.lr_schedule=constant", "Train.batch_size=20", "Train.eval_interval=1")
    with pytest.raises(
        TrainingError, match=r"the loss is (inf|nan) on held-out images after step 1\. Lower Train\.learning"
    ):
        train(dataset, tmp_path, *more)
    assert not (tmp_path / "best_model").exists()


def test_a_student_that_an_absurd_learning_rate_has_killed_does_not_pass_for_a_model(dataset, main_runner, tmp_path):
    # ReLU turns NaN into 0: the loss stays finite, half of a unit vector's squared length for each layer
    done = main_runner(*overrides_for(dataset, tmp_path, "Train.learning_rate=1e20"))
    assert done.returncode == 1
    result = json.loads((tmp_path / "train_result.json").read_text(encoding="utf-8"))
    assert (result["done_flag"], result["err_type"]) == (False, "TrainingError")
    assert "its features are all zero. Lower Train.learning_rate" in result["err_msg"]
    assert not (tmp_path / "best_model").exists()


def test_three_images_are_too_few(dataset, tmp_path):
    with pytest.raises(TrainingError, match=r"3 different training images are too few.*train\.txt"):
        train(shortened(dataset, tmp_path, 3), tmp_path / "out")


def test_the_same_image_in_several_lines_counts_once(dataset, tmp_path):
    short = shortened(dataset, tmp_path, 3)
    text = (short / "train.txt").read_text(encoding="utf-8")
    (short / "train.txt").write_text(text * 5, encoding="utf-8")
    with pytest.raises(TrainingError, match="3 different training images are too few"):
        train(short, tmp_path / "out")


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("fusion", ["calibrated", "product"])
def test_four_images_are_enough(fusion, dataset, tmp_path):
    short = shortened(dataset, tmp_path, 4)
    folders = train(short, tmp_path / "out", "Train.epochs_iters=1", f"Train.calibration.fusion={fusion}")
    assert np.isfinite(card(folders["best"])["calibration"]["image_threshold"])


def shortened(dataset: Path, tmp_path: Path, count: int) -> Path:
    copy = Path(shutil.copytree(dataset, tmp_path / "short"))
    lines = (copy / "train.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    (copy / "train.txt").write_text("".join(lines[:count]), encoding="utf-8")
    return copy


def test_an_image_too_small_for_its_layers_is_refused_before_training(dataset, tmp_path):
    with pytest.raises(Exception, match=r"the image is too small.*Train\.image_size"):
        train(dataset, tmp_path, "Train.layers=[layer3]", "Train.image_size=48")
    assert not (tmp_path / "checkpoints").exists()


# What is warned of


def test_few_constant_and_unlearned_images_are_warned_of_in_the_result(dataset, main_runner, tmp_path):
    copy = Path(shutil.copytree(dataset, tmp_path / "data"))
    name = (copy / "train.txt").read_text(encoding="utf-8").splitlines()[6].split()[0]
    cv2.imwrite(str(copy / name), np.zeros((128, 128, 3), np.uint8))
    done = main_runner(*overrides_for(copy, tmp_path / "out", "Train.learning_rate=1e-6", "Train.epochs_iters=1"))
    assert done.returncode == 0, done.stderr
    few, constant, unlearned, *_ = json.loads((tmp_path / "out" / "train_result.json").read_text("utf-8"))["warnings"]
    assert "24 training images are few" in few
    assert f"1 training image is a single colour: {name} (line 7)" in constant
    assert "The student has not learned" in unlearned
    assert all(text in done.stderr for text in (few, constant, unlearned))


def test_a_training_that_diverges_is_stopped_and_leaves_no_model(dataset, tmp_path):
    more = ("Train.learning_rate=1e4", "Train.epochs_iters=30", "Train.eval_interval=1", "Train.layers=[layer1]")
    with pytest.raises(TrainingError, match=r"the training diverges: .*Lower Train\.learning_rate"):
        train(dataset, tmp_path, *more)
    assert not (tmp_path / "best_model").exists()
    assert (tmp_path / "train_curve.png").is_file(), "the picture shows it"


# Early stopping


def test_early_stopping_ends_the_run_at_the_same_epoch_after_a_resume(dataset, tmp_path, stop_at):
    more = ("Train.early_stopping.patience=1", "Train.early_stopping.min_delta=9", "Train.eval_interval=1",
            "Train.layers=[layer1]")  # fmt: skip
    whole = Trainer(load_config(CONFIG, overrides_for(dataset, tmp_path / "whole", *more)), "cpu")
    whole.train()
    assert whole.run.progress.epoch == 2, "the second evaluation is not better by 9"

    stop_at("step 5/12")
    with pytest.raises(TrainingInterrupted):
        train(dataset, tmp_path / "parts", *more)
    rest = Trainer(
        load_config(CONFIG, overrides_for(dataset, tmp_path / "parts", *more, "Train.resume_path=auto")), "cpu"
    )
    rest.train()
    assert rest.run.progress == whole.run.progress


# Augmentation


AUGMENTED = ("Train.augment=[flip_horizontal,rotate=20,brightness]", "Train.layers=[layer1]", "Train.epochs_iters=2")


def test_the_teacher_sees_the_augmented_picture_and_held_out_images_stay_as_they_are(dataset, tmp_path):
    trainer = Trainer(load_config(CONFIG, overrides_for(dataset, tmp_path, *AUGMENTED)), "cpu")
    seen, held_out, take = [], [], trainer.step

    class WatchedStep:
        settle = staticmethod(take.settle)

        def __call__(self, x, teacher, *others):
            for got, expected in zip(teacher, trainer.run.network.teacher_features(x), strict=True):
                np.testing.assert_array_equal(got.numpy(), expected.numpy())
            seen.append(x.numpy())
            take(x, teacher, *others)

    class Watched(type(trainer.held_out)):
        def __call__(self, *arguments):
            for batch in super().__call__(*arguments):
                held_out.append(batch)
                yield batch

    trainer.held_out.__class__ = Watched
    trainer.step = WatchedStep()
    trainer.train()
    first, second = (np.concatenate(epoch) for epoch in (seen[:3], seen[3:]))
    assert len(first) == len(second) == 19
    originals = trainer.run.card.transform([sample.read() for sample in trainer.fit_samples])
    for epoch, pictures in ((0, first), (1, second)):
        order = [number for batch in trainer._batches(epoch) for number in batch]
        changed = [not np.array_equal(picture, originals[n]) for n, picture in zip(order, pictures, strict=True)]
        assert all(changed)
    assert not any(np.array_equal(a, b) for a in first for b in second), "each epoch has its own"
    wanted = trainer.run.card.transform([sample.read() for sample in trainer.held_out_samples])
    assert len(held_out) > 2
    for picture in np.concatenate(held_out):
        assert any(np.array_equal(picture, original) for original in wanted)


def test_a_resumed_run_with_augmentation_ends_as_if_it_had_not_been_interrupted(dataset, tmp_path, stop_at):
    train(dataset, tmp_path / "whole", *AUGMENTED)
    stop_at("step 4/6")
    with pytest.raises(TrainingInterrupted):
        train(dataset, tmp_path / "parts", *AUGMENTED)
    train(dataset, tmp_path / "parts", *AUGMENTED, "Train.resume_path=auto")
    got, wanted = (arrays(tmp_path / name / "best_model/model.pdparams") for name in ("parts", "whole"))
    for name in wanted:
        np.testing.assert_array_equal(got[name], wanted[name], err_msg=name)


def test_an_unknown_augmentation_is_refused_before_training(dataset, tmp_path):
    with pytest.raises(ConfigError, match=r"unknown augmentation 'rotation'.*Did you mean rotate"):
        train(dataset, tmp_path, "Train.augment=[rotation]")
    assert list(tmp_path.iterdir()) == []


# Held-out images


def test_images_are_held_out_by_share_and_seed_and_trained_on_otherwise(dataset):
    samples = Trainer(load_config(CONFIG, overrides_for(dataset, Path("unused"))), "cpu")
    to_fit, held_out = ({sample.image for sample in part} for part in (samples.fit_samples, samples.held_out_samples))
    assert (len(to_fit), len(held_out)) == (19, 5)  # a fifth of 24, rounded
    assert not to_fit & held_out
    again, other = (hold_out(samples.fit_samples, 20, seed) for seed in (0, 1))
    assert hold_out(samples.fit_samples, 20, 0) == again
    assert again != other


# Options


def test_the_best_model_can_be_chosen_by_auroc_and_the_result_says_so(dataset, uninterrupted, tmp_path):
    result = result_of(dataset, tmp_path, "Train.best_by=auroc")
    assert "auroc" in result["best_chosen_by"]
    values = {entry["epoch"]: entry["image_auroc"] for entry in result["history"]}
    assert list(values) == [2, 4]
    assert result["models"]["best"]["score"] == max(values.values())
    assert result["best_epoch"] == max(values, key=values.get)

    # and looking at the validation images does not change the course of the training
    got, wanted = (arrays(folder / LAST_CHECKPOINT / "model.pdparams") for folder in (tmp_path, uninterrupted))
    for name in (name for name in wanted if name.startswith("student.")):
        np.testing.assert_array_equal(got[name], wanted[name], err_msg=name)


def test_the_threshold_of_the_highest_f1_can_rule_and_the_model_says_so(dataset, tmp_path):
    folders = train(dataset, tmp_path, "Train.calibration.rule=best_f1")
    calibration = card(folders["best"])["calibration"]
    assert calibration["image_threshold"] == calibration["best_f1_threshold"]
    assert "highest F1 on the validation images" in calibration["method"]


def test_by_default_the_threshold_of_the_highest_f1_is_stored_but_does_not_rule(uninterrupted):
    calibration = card(uninterrupted / "best_model")["calibration"]
    assert calibration["best_f1_threshold"] is not None
    assert "quantile" in calibration["method"]


@pytest.mark.parametrize("choice", ["Train.best_by=auroc", "Train.calibration.rule=best_f1"])
def test_masks_that_are_all_empty_leave_nothing_to_choose_by(choice, dataset, tmp_path):
    copy = Path(shutil.copytree(dataset, tmp_path / "data"))
    neutral = copy / "images" / "val" / "images"  # a folder that names no defect: there only the mask tells
    (copy / "images" / "val" / "bent").rename(neutral)
    mask = next((copy / "masks" / "val" / "bent").iterdir())
    cv2.imwrite(str(mask), np.zeros_like(cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)))
    image = next(neutral.glob(f"{mask.stem}.*"))
    good = next((copy / "images" / "val" / "good").iterdir())
    lines = [str(good.relative_to(copy)), f"{image.relative_to(copy)}\t{mask.relative_to(copy)}"]
    (copy / "val.txt").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(TrainingError, match="no normal or no anomalous images to choose by"):
        train(copy, tmp_path / "out", choice)


def test_choosing_by_auroc_needs_normal_and_anomalous_validation_images(dataset, tmp_path):
    copy = Path(shutil.copytree(dataset, tmp_path / "data"))
    lines = (copy / "val.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    (copy / "val.txt").write_text("".join(line for line in lines if "good" in line), encoding="utf-8")
    with pytest.raises(TrainingError, match=r"no anomalous images to choose by .*val\.txt.*Train.best_by=loss"):
        train(copy, tmp_path / "out", "Train.best_by=auroc", "Train.epochs_iters=1")


def test_another_teacher_is_used_and_named(dataset, tmp_path):
    path = tmp_path / "teacher.pdparams"
    weights = save_teacher(path)
    folders = train(dataset, tmp_path / "out", f"Train.pretrain_weight_path={path}", "Train.epochs_iters=1")
    trained = arrays(folders["best"] / "model.pdparams")
    for name in ("conv1.weight", "bn1._mean", "layer2.1.conv2.weight"):
        np.testing.assert_array_equal(trained[f"teacher.{name}"], weights[name].numpy(), err_msg=name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert card(folders["best"])["teacher_weights"] == {"source": str(path), "sha256": digest}


def test_the_recipe_of_the_paper_runs(dataset, tmp_path):
    recipe = (
        "Train.lr_schedule=constant", "Train.learning_rate=0.4", "Train.momentum=0.9", "Train.nesterov=False",
        "Train.weight_decay=1e-4", "Train.batch_size=32", "Train.layers=[layer1, layer2, layer3]",
        "Train.calibration.fusion=product", "Train.epochs_iters=2",
    )  # fmt: skip
    folders = train(dataset, tmp_path, *recipe)
    described = yaml.safe_load((folders["best"] / "inference/inference.yml").read_text(encoding="utf-8"))
    assert described["AnomalyDetection"]["calibration"]["fusion"] == "product"


def test_without_smoothing_the_smoothed_weights_are_the_weights(dataset, tmp_path):
    folders = train(dataset, tmp_path, "Train.ema_decay=0", "Train.epochs_iters=1")
    weights, smoothed = (arrays(folders["last_1"] / name) for name in ("model.pdparams", "model.pdema"))
    for name in (name for name in weights if name.startswith("student.")):
        np.testing.assert_array_equal(smoothed[name], weights[name], err_msg=name)


def save_teacher(path: Path) -> dict[str, paddle.Tensor]:
    """Save a ResNet-18 of random weights, without what lies deeper than layer2; returns what is in the file."""
    paddle.seed(7)
    weights = {
        name: array
        for name, array in resnet18().state_dict().items()
        if not name.startswith(("layer3", "layer4", "fc"))
    }
    paddle.save(weights, str(path))
    return weights
