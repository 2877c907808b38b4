"""Processes that are started together end together, whatever becomes of one of them."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from paddlex.errors import ConfigError, PaddleXError, TrainingInterrupted
from paddlex.utils import paddle_environment
from paddlex.utils.devices import Device
from paddlex.utils.launcher import _absolute
from paddlex.utils.paddle_environment import usable_cores
from paddlex.utils.processes import processes_to_start

ROOT = Path(__file__).parents[2]
LONG = 240  # less than the longest of them would sleep


@pytest.fixture
def start(tmp_path) -> Callable[..., subprocess.Popen[str]]:
    started = []

    def start(case: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, Path(__file__).with_name("launcher_worker.py"), case, tmp_path]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        environment.pop("OMP_NUM_THREADS", None)
        started.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def outcome(process: subprocess.Popen[str]) -> dict:
    out, err = process.communicate(timeout=LONG)
    assert out, err
    return json.loads(out.splitlines()[-1])


def wait_for(*paths: Path) -> None:
    deadline = time.monotonic() + LONG
    while not all(path.exists() for path in paths):
        assert time.monotonic() < deadline, f"{paths} did not come"
        time.sleep(0.05)


def assert_gone(folder: Path) -> None:
    """No child has outlived its parent for long."""
    pids = [int(path.read_text(encoding="utf-8")) for path in folder.glob("pid_*")]
    assert pids
    deadline = time.monotonic() + LONG
    while alive := [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]:
        assert time.monotonic() < deadline, f"{alive} are still running"
        time.sleep(0.1)


def test_the_result_is_that_of_the_first_process_and_the_cores_are_divided(start):
    found = outcome(start("describe", https_proxy="http://proxy:1"))["result"]
    assert found == [0, 2, str(max(1, usable_cores() // 2)), "http://proxy:1", "x" * 1_000_000]


def test_threads_that_the_user_has_set_are_kept(monkeypatch):
    monkeypatch.setattr(paddle_environment, "_USERS_THREADS", "3")
    before = dict(os.environ)
    with paddle_environment.environment_of_processes(2):
        assert os.environ["OMP_NUM_THREADS"] == "3"
    assert dict(os.environ) == before


def test_a_killed_process_ends_the_others_and_is_named(start, tmp_path):
    found = outcome(start("killed"))
    assert (found["error"], found["message"].partition(".")[0]) == (
        "TrainingError",
        "process 1 of 2 was killed by SIGKILL",
    )
    assert_gone(tmp_path)


def test_the_error_that_is_reported_is_the_cause_and_not_its_consequence(start):
    assert outcome(start("fails")) == {"error": "DatasetError", "message": "the image is missing (disc 2)"}


def test_an_error_of_the_program_arrives_as_text_and_its_traceback_in_the_log(start):
    process = start("program error")
    out, err = process.communicate(timeout=LONG)
    assert json.loads(out.splitlines()[-1])["message"].startswith("NotPicklable: <function")
    assert "Traceback" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_becomes_one_orderly_stop_of_all(number, start, tmp_path):
    process = start("orderly")
    wait_for(tmp_path / "ready_0", tmp_path / "ready_1")
    process.send_signal(number)
    assert outcome(process) == {"error": "TrainingInterrupted", "message": "stopped"}
    assert (tmp_path / "saved").exists(), "the first process was not left the time to save"
    assert_gone(tmp_path)


def test_no_process_outlives_a_parent_that_is_killed(start, tmp_path):
    process = start("hangs")
    wait_for(tmp_path / "ready_0", tmp_path / "ready_1")
    process.kill()
    assert_gone(tmp_path)


# How many processes


@pytest.mark.parametrize(
    ("wanted", "device", "expected"),
    [
        (None, Device("cpu"), 1),
        (1, Device("cpu"), 1),
        (2, Device("cpu"), 2),
        (None, Device("gpu", (0,)), 1),
        (None, Device("gpu", (0, 1)), 2),
        (2, Device("gpu", (1, 3)), 2),
    ],
)
def test_a_gpu_has_one_process_and_a_cpu_as_many_as_are_wanted(wanted, device, expected):
    assert processes_to_start(wanted, device, batch_size=8) == expected


@pytest.mark.parametrize(
    ("wanted", "device", "message"),
    [
        (1, Device("gpu", (0, 1)), r"Train\.processes is 1, but a GPU has one process, and Global\.device is gpu:0,1"),
        (2, Device("gpu", (0,)), r"Train\.processes is 2, but a GPU .* Leave it out, and list the GPUs"),
        (3, Device("cpu"), r"Train\.processes is 3, but a batch has 2 images to divide .* raise Train\.batch_size"),
        (None, Device("gpu", (0, 1, 2)), r"Global\.device lists 3 GPUs, but a batch has 2 images .* List fewer GPUs"),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(wanted, device, message):
    with pytest.raises(ConfigError, match=message):
        processes_to_start(wanted, device, batch_size=2)


def test_processes_that_a_launcher_has_started_start_no_others(monkeypatch):
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "4")
    assert processes_to_start(None, Device("cpu"), batch_size=8) == 1
    assert processes_to_start(4, Device("gpu", (0,)), batch_size=8) == 1
    with pytest.raises(ConfigError, match=r"Train\.processes is 2, but the launcher has started 4 processes"):
        processes_to_start(2, Device("cpu"), batch_size=8)
    with pytest.raises(ConfigError, match=r"Train\.processes is 4, but a batch has 3 images"):
        processes_to_start(None, Device("cpu"), batch_size=3)


def test_gpus_are_counted_as_the_user_sees_them_and_named_as_the_machine_does(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6,7")
    assert _absolute(Device("gpu", (0, 2))) == "4,7"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert _absolute(Device("gpu", (0, 2))) == "0,2"


def test_an_error_is_the_same_after_a_journey_between_processes():
    error = TrainingInterrupted("stopped", signal_number=15, where="here", remedy="Go on")
    other = pickle.loads(pickle.dumps(error))
    assert isinstance(other, PaddleXError)
    assert (type(other), str(other), other.signal_number, other.args) == (
        TrainingInterrupted, "stopped (here). Go on.", 15, ("stopped (here). Go on.",),
    )  # fmt: skip
