"""Train.processes=2 through main.py: the same model as from one process, and an end with an error instead of a hang."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import paddle
import psutil
import pytest

from paddlex.inference.predictor import AnomalyPredictor

pytestmark = pytest.mark.slow


ROOT = Path(__file__).parents[5]
CONFIG = ROOT / "paddlex" / "configs" / "image_anomaly_detection" / "STFPM.yaml"

# 24 images: 5 held out, 19 to train on in batches of 6, 6 and 7; 4 epochs are 12 steps, every other one is evaluated.
SETTINGS = (
    "Global.mode=train", "Global.device=cpu", "Train.image_size=64", "Train.layers=[layer1, layer2]",
    "Train.epochs_iters=4", "Train.batch_size=6", "Train.eval_interval=2", "Train.log_interval=1",
)  # fmt: skip
TIMEOUT = 240
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}  # as two processes have it on two cores


def arguments(dataset: Path, output: Path, *more: str) -> list[str]:
    overrides = [*SETTINGS, f"Global.dataset_dir={dataset}", f"Global.output={output}", *more]
    return ["main.py", "-c", str(CONFIG), *(part for override in overrides for part in ("-o", override))]


@pytest.fixture
def start(demo_dataset, tmp_path):
    """Start main.py with two processes and leave it running."""
    started = []

    def start(*more: str, dataset: Path = demo_dataset) -> subprocess.Popen[str]:
        command = [sys.executable, *arguments(dataset, tmp_path, "Train.processes=2", *more)]
        started.append(subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def one(demo_dataset, main_runner, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("one")
    done = main_runner(*SETTINGS, f"Global.dataset_dir={demo_dataset}", f"Global.output={output}", env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="module")
def two(demo_dataset, main_runner, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("two")
    more = (f"Global.dataset_dir={demo_dataset}", f"Global.output={output}", "Train.processes=2")
    done = main_runner(*SETTINGS, *more, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch 1/4 step 1/12") == 1, "one process logs, not both"
    return output


def result(output: Path) -> dict:
    return json.loads((output / "train_result.json").read_text(encoding="utf-8"))


def weights(folder: Path) -> dict[str, np.ndarray]:
    return paddle.load(str(folder / "model.pdparams"), return_numpy=True)


def assert_same(output: Path, expected: Path) -> None:
    for name in ("best_model", "checkpoints/step_0000012"):
        got, wanted = weights(output / name), weights(expected / name)
        for key, array in wanted.items():
            np.testing.assert_array_equal(got[key], array, err_msg=f"{name} {key}")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def wait_for_line(process: subprocess.Popen[str], log: Path, words: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not (log.is_file() and words in log.read_text(encoding="utf-8")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"{words} did not come"
        time.sleep(0.02)


def ranks(process: subprocess.Popen[str]) -> list[psutil.Process]:
    children = [child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    return sorted(children, key=lambda child: child.pid)


# The model


def test_the_losses_are_those_of_one_process(one, two):
    histories = [
        [(entry["epoch"], entry["train_loss"], entry["held_out_loss"]) for entry in result(output)["history"]]
        for output in (one, two)
    ]
    # Every step multiplies what rounding has changed: one process differs as much between one thread and two.
    np.testing.assert_allclose(histories[1], histories[0], rtol=0.02)
    first_steps = [
        re.findall(r"step 1/12 loss (\S+)", (output / "train.log").read_text(encoding="utf-8")) for output in (one, two)
    ]
    assert first_steps[0] == first_steps[1]


def test_the_model_can_be_used_and_has_the_names_and_files_of_one_process(one, two, demo_dataset):
    assert files(two) == files(one)
    for name in ("best_model", "checkpoints/step_0000012"):
        expected, got = weights(one / name), weights(two / name)
        assert {key: array.shape for key, array in got.items()} == {key: a.shape for key, a in expected.items()}
    predictor = AnomalyPredictor(two / "best_model" / "inference", device="cpu", quiet=True)
    image = next((demo_dataset / "images" / "val" / "good").iterdir())
    (judged,) = predictor.predict(str(image))
    assert np.isfinite(judged["score"])


def test_the_checkpoint_says_how_many_processes_made_it(two):
    card = json.loads((two / "checkpoints/step_0000012/model.pdstates").read_text(encoding="utf-8"))
    assert card["training"]["processes"] == 2


# Stopped, resumed, killed


def test_a_signal_leaves_one_checkpoint_and_resuming_gives_the_uninterrupted_run_bit_for_bit(start, two, tmp_path):
    process = start()
    wait_for_line(process, tmp_path / "train.log", "step 4/12")
    first = ranks(process)[0]
    process.send_signal(signal.SIGTERM)
    with suppress(psutil.NoSuchProcess):
        for _ in range(20):  # as Paddle's launcher does, if less often
            time.sleep(0.1)
            first.terminate()
    _, log = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 128 + signal.SIGTERM, log
    stopped = result(tmp_path)
    assert (stopped["done_flag"], stopped["err_type"]) == (False, "TrainingInterrupted")
    (checkpoint,) = (tmp_path / "checkpoints").iterdir()
    assert str(checkpoint) in stopped["err_msg"]

    resumed = start(f"Train.resume_path={checkpoint}")
    _, log = resumed.communicate(timeout=TIMEOUT)
    assert resumed.returncode == 0, log
    assert_same(tmp_path, two)


def test_a_killed_process_ends_the_run_and_one_process_can_go_on_from_its_checkpoint(
    start, demo_dataset, main_runner, tmp_path
):
    process = start("Train.epochs_iters=8")
    wait_for_line(process, tmp_path / "train.log", "Epoch 2/8")
    victim = ranks(process)[1]
    victim.kill()
    _, log = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1, log
    failed = result(tmp_path)
    assert (failed["done_flag"], failed["err_type"]) == (False, "TrainingError")
    assert "process 1 of 2 was killed by SIGKILL" in failed["err_msg"]

    (checkpoint,) = (path for path in (tmp_path / "checkpoints").iterdir() if path.name.startswith("step_"))
    paths = (f"Global.dataset_dir={demo_dataset}", f"Global.output={tmp_path}", f"Train.resume_path={checkpoint}")
    done = main_runner(*SETTINGS, *paths, "Train.epochs_iters=8")
    assert done.returncode == 0, done.stderr
    assert "So far 2 process(es) trained, now 1: the result is the same to rounding, not to the bit." in done.stderr
    assert [entry["epoch"] for entry in result(tmp_path)["history"]] == [2, 4, 6, 8]


def test_an_image_that_one_process_cannot_read_ends_the_run_with_its_name(start, demo_dataset, tmp_path):
    copy = Path(shutil.copytree(demo_dataset, tmp_path / "data"))
    broken = sorted((copy / "images" / "train" / "good").iterdir())[3]
    broken.write_bytes(b"not an image")
    process = start("Train.calibration.holdout_percent=10", dataset=copy)
    _, log = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1, log
    failed = result(tmp_path)
    assert (failed["done_flag"], failed["err_type"]) == (False, "ImageReadError")
    assert broken.name in failed["err_msg"]


def test_more_processes_than_images_in_a_batch_are_refused_before_anything_is_written(
    demo_dataset, main_runner, tmp_path
):
    more = ("Train.processes=2", "Train.batch_size=1")
    done = main_runner(*SETTINGS, f"Global.dataset_dir={demo_dataset}", f"Global.output={tmp_path}", *more)
    assert done.returncode == 1
    assert result(tmp_path)["err_type"] == "ConfigError"
    assert files(tmp_path) == {"train_result.json"}


# Several machines


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.slow  # two launchers, each with two imports of Paddle, which wait seconds for each other
def test_two_machines_started_by_hand_give_the_model_of_two_processes_on_one(two, demo_dataset, tmp_path):
    master = f"127.0.0.1:{free_port()}"
    machines = []
    for rank in (0, 1):  # the second machine shares no folder with the first
        launcher = ["-m", "paddle.distributed.launch", "--nnodes", "2", "--master", master, "--rank", str(rank)]
        launcher += ["--nproc_per_node", "1", "--log_dir", str(tmp_path / f"log_{rank}")]
        command = [sys.executable, *launcher, *arguments(demo_dataset, tmp_path / f"machine_{rank}")]
        machines.append(
            subprocess.Popen(
                command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
    said = [machine.communicate(timeout=TIMEOUT)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], "\n".join(said)
    assert not (tmp_path / "machine_1").exists(), "only the first process writes"
    assert result(tmp_path / "machine_0")["done_flag"]
    assert_same(tmp_path / "machine_0", two)
