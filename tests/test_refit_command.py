"""``paddlex --refit`` in a process of its own, as a user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from paddlex.inference.model_folder import open_model_folder


def paddlex(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "paddlex", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def test_it_writes_a_model_and_says_what_has_become_of_the_threshold(patchcore, demo_dataset, tmp_path) -> None:
    pictures = demo_dataset / "images" / "train"
    done = paddlex("--refit", "--model_dir", patchcore, "--input", pictures, "--save_path", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    old, new = (open_model_folder(folder).calibration for folder in (patchcore, tmp_path / "new"))
    said = [line.split(maxsplit=2) for line in done.stdout.splitlines() if line]
    assert ["good", "pictures", "24"] in said
    assert f"{new.image_threshold:.6g} as a raw score" in done.stdout
    assert f"was {old.image_threshold:.6g}" in done.stdout


def test_a_picture_that_was_left_out_shows_in_the_status_and_the_model_is_written(
    patchcore, demo_dataset, tmp_path
) -> None:
    pictures = demo_dataset / "images" / "train"
    done = paddlex(
        "--refit",
        "--json",
        "--model_dir",
        patchcore,
        "--input",
        pictures,
        "missing.png",
        "--save_path",
        tmp_path / "new",
    )
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert [one["source"] for one in told["left_out"]] == ["missing.png"]
    assert open_model_folder(tmp_path / "new").calibration.scores == told["calibration"]["scores"]


def test_what_cannot_be_done_is_one_line(trained, tmp_path) -> None:
    done = paddlex("--refit", "--model_dir", trained, "--input", "x.png", "--save_path", tmp_path / "new")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and "Train it again" in line


@pytest.mark.parametrize("missing", ["--model_dir", "--input", "--save_path"])
def test_what_it_needs_is_said(missing: str, tmp_path: Path) -> None:
    given = {"--model_dir": tmp_path, "--input": tmp_path, "--save_path": tmp_path / "new"}
    del given[missing]
    done = paddlex("--refit", *(part for pair in given.items() for part in pair))
    assert done.returncode == 2 and "--refit needs --model_dir" in done.stderr
