"""Real training processes that are killed, run out of disk or cannot write: what they leave is resumed, bit for bit."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from paddlex.utils.tensor_files import read_arrays

ROOT = Path(__file__).parents[5]
CONFIG = ROOT / "paddlex" / "configs" / "image_anomaly_detection" / "STFPM.yaml"

# 19 images to train on in batches of 6, 6 and 7, 4 epochs, 12 steps; a checkpoint after each, so that many kills hit one
SETTINGS = (
    "Train.image_size=64", "Train.layers=[layer1, layer2]", "Train.epochs_iters=4", "Train.batch_size=6",
    "Train.log_interval=1", "Train.save_interval=0.0001", "Train.resume_path=auto",
)  # fmt: skip
LAST_STEP = "checkpoints/step_0000012"
TENSORS = ("model.pdparams", "model.pdema", "model.pdopt")


def command(dataset: Path, output: Path, *more: str) -> list[str]:
    basic = ["Global.mode=train", "Global.device=cpu", f"Global.dataset_dir={dataset}", f"Global.output={output}"]
    overrides = [part for override in (*basic, *SETTINGS, *more) for part in ("-o", override)]
    return [sys.executable, str(ROOT / "main.py"), "-c", str(CONFIG), *overrides]


def train(dataset: Path, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(dataset, output, *more), capture_output=True, text=True, timeout=600, cwd=ROOT)


def result(output: Path) -> dict:
    return json.loads((output / "train_result.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def dataset(demo_dataset, tmp_path_factory) -> Path:
    """The demonstration data set with few validation images. Do not change it."""
    copy = Path(shutil.copytree(demo_dataset, tmp_path_factory.mktemp("data") / "metal grid"))
    lines = (copy / "val.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    good, bad = ([line for line in lines if ("good" in line) == is_good] for is_good in (True, False))
    (copy / "val.txt").write_text("".join([*good[:2], *bad[:2]]), encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def uninterrupted(dataset, tmp_path_factory) -> tuple[Path, float]:
    """The output folder of a run that nothing disturbed, and how many seconds its training took."""
    output = tmp_path_factory.mktemp("uninterrupted") / "out"
    done = train(dataset, output)
    assert done.returncode == 0, done.stderr
    return output, result(output)["minutes"] * 60


def assert_same(output: Path, expected: Path) -> None:
    """Weights, smoothed weights, optimiser, history, thresholds and the exported model, bit for bit."""
    for name in ("best_model", LAST_STEP):
        for file in TENSORS:
            got, wanted = (read_arrays(folder / name / file) for folder in (output, expected))
            assert got.keys() == wanted.keys()
            for key in wanted:
                np.testing.assert_array_equal(got[key], wanted[key], err_msg=f"{name}/{file} {key}")
        for file in ("model.pdstates", "inference/inference.yml", "inference/inference.pdiparams"):
            assert (output / name / file).read_bytes() == (expected / name / file).read_bytes(), f"{name}/{file}"
    got, wanted = result(output), result(expected)
    assert got["done_flag"] is True
    assert (got["history"], got["best_epoch"], got["models"]) == (
        wanted["history"],
        wanted["best_epoch"],
        wanted["models"],
    )


def start_and_kill(dataset: Path, output: Path, delay: float) -> bool:
    """Start main.py and send SIGKILL so many seconds after it begins to train; False if it came to its end before."""
    with subprocess.Popen(
        command(dataset, output), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, cwd=ROOT
    ) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "images to train on" in line:
                break
        killer = threading.Timer(delay, process.kill)
        killer.start()
        lines += process.stderr
        process.wait(timeout=600)
        killer.cancel()
    assert process.returncode in (0, -signal.SIGKILL), "".join(lines)
    return process.returncode != 0


def kill_often(dataset: Path, output: Path, kills: int, longest: float, chance: random.Random) -> int:
    """Kill a training at random moments and let it go on each time; returns how often it was killed before its end."""
    for done in range(kills):
        if not start_and_kill(dataset, output, chance.uniform(0, longest)):
            return done
    finished = train(dataset, output)
    assert finished.returncode == 0, finished.stderr
    return kills


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_happened(dataset, uninterrupted, tmp_path):
    expected, seconds = uninterrupted
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"KILL_SEED={seed}")
    # each process goes a third of the way at most, so that the kills are spread over the run
    killed = kill_often(dataset, tmp_path / "out", 5, seconds / 3, random.Random(seed))
    assert killed >= 2
    assert_same(tmp_path / "out", expected)
    assert list((tmp_path / "out").rglob(".*")) == [], "the last process tidied up what the killed ones had left"


@pytest.mark.slow
def test_many_kills_lose_no_run(dataset, uninterrupted, tmp_path):
    """Minutes: KILLS of them (50), in as many runs as that takes."""
    expected, seconds = uninterrupted
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"KILL_SEED={seed}")
    chance, wanted = random.Random(seed), int(os.environ.get("KILLS", "50"))
    kills = runs = 0
    while kills < wanted:
        output = tmp_path / f"run {runs}"
        kills += kill_often(dataset, output, 10, seconds * chance.choice([0.2, 0.5, 1.0]), chance)
        runs += 1
        assert_same(output, expected)
        shutil.rmtree(output)
        print(f"{kills} kills, {runs} runs, 0 lost", flush=True)


# What is damaged, missing or in the way


def test_a_corrupted_last_checkpoint_costs_a_few_steps_and_nothing_else(dataset, uninterrupted, tmp_path):
    expected, _ = uninterrupted
    output = tmp_path / "out"
    shutil.copytree(expected, output)
    last = output / LAST_STEP / "model.pdopt"
    data = bytearray(last.read_bytes())
    data[1000] ^= 0xFF
    last.write_bytes(data)
    shutil.rmtree(output / "best_model")
    (output / "train_result.json").unlink()
    # what killed processes leave: half a checkpoint, and one that was taken out of the way for a new one
    (output / "checkpoints" / ".step_0000012.abcd1234").mkdir()
    older = max(path for path in (output / "checkpoints").glob("step_*") if path.name != "step_0000012")
    older.rename(older.with_name(f".{older.name}.abcd1234.old"))
    done = train(dataset, output)
    assert done.returncode == 0, done.stderr
    assert_same(output, expected)
    warnings = result(output)["warnings"]
    (warning,) = (text for text in warnings if "cannot be used" in text)
    assert "step_0000012 cannot be used (model.pdopt is damaged" in warning
    assert f"resumed from {older.name} instead" in warning
    assert "Tidied up" in done.stderr
    assert list(output.rglob(".*")) == []


def test_two_trainings_do_not_write_to_one_folder(dataset, tmp_path):
    import fcntl

    output = tmp_path / "out"
    output.mkdir()
    handle = os.open(output, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)  # as a training process holds it
    (output / "train.log").write_text("of the other one", encoding="utf-8")
    (output / ".config.abcd1234.yaml").touch()
    try:
        done = train(dataset, output)
    finally:
        os.close(handle)
    assert done.returncode == 1
    assert "another training is writing to the output folder" in done.stderr
    assert (output / "train.log").read_text(encoding="utf-8") == "of the other one"
    assert (output / ".config.abcd1234.yaml").exists(), "what a live process is writing is left alone"


@pytest.fixture
def mount(tmp_path) -> Iterator:
    """Mount a tmpfs of so many bytes; skips where that is not allowed."""
    mounted = []

    def make(size: int) -> Path:
        folder = tmp_path / f"mount{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
        if done.returncode:
            pytest.skip("this user may not mount a tmpfs")
        mounted.append(folder)
        return folder

    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("needs mount")
    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_ends_the_run_with_advice_and_with_space_it_goes_on(dataset, uninterrupted, mount, tmp_path):
    expected, _ = uninterrupted
    size = sum(path.stat().st_size for path in (expected / LAST_STEP).glob("model.*"))
    disk = mount(int(2.5 * size))  # two checkpoints and half of a third
    done = train(dataset, disk / "out")
    assert done.returncode == 1
    answer = result(disk / "out")
    assert (answer["done_flag"], answer["err_type"]) == (False, "TrainingError")
    assert "cannot be written: No space left on device" in answer["err_msg"]
    assert "Free some space, then go on with -o Train.resume_path=auto from step_00000" in answer["err_msg"]
    assert not list((disk / "out").rglob(".*"))

    subprocess.run(["mount", "-o", f"remount,size={20 * size}", disk], check=True)
    done = train(dataset, disk / "out")
    assert done.returncode == 0, done.stderr
    assert "Resumed from" in done.stderr
    assert_same(disk / "out", expected)


def test_a_read_only_output_folder_is_an_error_before_the_training(dataset, mount):
    disk = mount(1 << 20)
    (disk / "out").mkdir()
    (disk / "out" / "train_result.json").write_text("{}", encoding="utf-8")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    done = train(dataset, disk / "out")
    assert done.returncode == 1
    assert "the output folder cannot be written: Read-only file system" in done.stderr
    assert "Set Global.output to a folder on a disk that can be written" in done.stderr
    assert "images to train on" not in done.stderr
