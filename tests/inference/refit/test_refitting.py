"""``refit`` on a model that was really trained: what it learns, what it leaves, what it refuses, and how it ends half-way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex import create_model
from paddlex.errors import ConfigError, ImageReadError, ModelError, PartNotFoundError, RefitError, TrainingError
from paddlex.inference.alignment import Alignment
from paddlex.inference.inspection import Inspection
from paddlex.inference.model_folder import (
    COMPLETE_NAME,
    CONFIG_NAME,
    INT8_NAME,
    ONNX_NAME,
    ModelFolder,
    open_model_folder,
)
from paddlex.inference.preparation import Preparation
from paddlex.inference.refit import refit
from paddlex.inference.refit.steps import STAGES
from paddlex.inference.tiling import Tiling

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def good(demo_dataset: Path) -> list[str]:
    lines = (demo_dataset / "train.txt").read_text(encoding="utf-8").splitlines()
    return [str(demo_dataset / line.split()[0]) for line in lines]


@pytest.fixture
def model(patchcore: Path, tmp_path: Path) -> Path:
    """An inference folder that a test may change."""
    return Path(shutil.copytree(patchcore / "best_model" / "inference", tmp_path / "model"))


def change(model: Path, **facts: object) -> ModelFolder:
    """Let inference.yml say something else."""
    folder = open_model_folder(model)
    changed = replace(folder, own=replace(folder.own, **facts))
    changed.write_config(model / CONFIG_NAME)
    return changed


def arrays(folder: Path) -> bytes:
    return (folder / ONNX_NAME).read_bytes()


# What it learns


def test_arrays_are_pictures_as_files_are(patchcore, good, tmp_path) -> None:
    refit(patchcore, good, tmp_path / "files")
    refit(patchcore, [cv2.imread(path) for path in good], tmp_path / "arrays")
    assert arrays(tmp_path / "arrays") == arrays(tmp_path / "files")


def test_the_seed_decides_what_is_drawn_and_stays_with_the_model(patchcore, good, tmp_path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", None)):
        refit(patchcore, good, tmp_path / name, seed=seed)
    assert arrays(tmp_path / "a") == arrays(tmp_path / "b") != arrays(tmp_path / "c")
    assert open_model_folder(tmp_path / "a").own.fit.seed == 5


def test_another_rate_gives_another_threshold_from_the_same_scores(patchcore, good, tmp_path) -> None:
    strict = refit(patchcore, good, tmp_path / "strict", target_fpr=0.2)
    assert strict.calibration.scores == strict.before.scores
    # k = ceil(25 * 0.8) = 20
    assert strict.calibration.image_threshold == strict.before.scores[19]
    assert open_model_folder(tmp_path / "strict").calibration.target_fpr == 0.2


def test_a_picture_that_is_there_twice_is_learnt_from_once(patchcore, good, tmp_path) -> None:
    result = refit(patchcore, [*good, good[3], good[3]], tmp_path / "new")
    assert (result.images, result.same) == (24, 2)
    assert result.calibration.scores == result.before.scores


def test_fewer_pictures_make_a_smaller_bank_which_paddle_s_graph_has_no_room_for(patchcore, good, tmp_path) -> None:
    result = refit(patchcore, good[:8], tmp_path / "new")
    own = open_model_folder(tmp_path / "new").own
    assert own.architecture["banks"]["layer4"] == 8 * 4 * 4
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [ONNX_NAME, CONFIG_NAME]
    assert any("no graph of Paddle" in warning for warning in result.warnings)
    scores = [
        [one["raw_score"] for one in create_model(None, tmp_path / "new", backend=engine).predict(good[:2])]
        for engine in ("onnx", "openvino")
    ]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4)


def test_openvino_computes_the_same_to_a_ten_thousandth(patchcore, good, tmp_path) -> None:
    result = refit(patchcore, good, tmp_path / "new", run_mode="openvino")
    assert result.calibration.image_threshold == pytest.approx(result.before.image_threshold, rel=1e-3)


def test_regions_may_be_drawn_anew_or_taken_away(patchcore, good, tmp_path) -> None:
    upper = Inspection(size=(128, 128), inspect=([[0, 0], [128, 0], [128, 64], [0, 64]],))
    model = create_model(None, patchcore)
    model.refit(good, tmp_path / "upper", regions=upper)
    photo = cv2.imread(good[0])
    photo[90:110, 40:60] = 255
    assert not next(create_model(None, tmp_path / "upper").predict(photo))["is_anomalous"]
    refit(tmp_path / "upper", good, tmp_path / "whole", regions=None)
    assert next(create_model(None, tmp_path / "whole").predict(photo))["is_anomalous"]
    assert arrays(tmp_path / "whole") == arrays(patchcore / "best_model" / "inference")


# What it leaves out


def test_what_cannot_be_read_is_left_out_and_told(patchcore, good, tmp_path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(Path(good[0]).read_bytes()[:500])
    result = refit(patchcore, [str(broken), *good, "missing.png", np.zeros((4, 4), np.float64)], tmp_path / "new")
    assert [type(one.error) for one in result.left_out] == [ImageReadError] * 3
    assert [one.source for one in result.left_out] == [str(broken), "missing.png", "array of shape (4, 4)"]
    assert result.calibration.scores == result.before.scores


def test_a_photo_without_the_part_is_left_out(model, disc_dataset, good, tmp_path) -> None:
    discs = sorted(str(path) for path in (disc_dataset / "train").glob("*.png"))
    options = {"motion": "rigid", "max_shift": 0.2, "max_angle": 20, "min_seen": 0.7, "not_found": "ng"}
    change(model, preparation=Preparation(alignment=Alignment.to(cv2.imread(discs[0]), least_quality=0.7, **options)))
    result = refit(model, [*discs, good[0]], tmp_path / "new")
    assert (result.images, [type(one.error) for one in result.left_out]) == (16, [PartNotFoundError])
    assert good[0] in str(result.left_out[0])
    assert open_model_folder(tmp_path / "new").own.preparation == open_model_folder(model).own.preparation


# What it refuses, each in one line that says what to do


def test_too_few_pictures(patchcore, good, tmp_path) -> None:
    with pytest.raises(
        RefitError, match=r"^3 different good pictures are too few, 4 are the least; 1 were left out"
    ) as caught:
        refit(patchcore, [*good[:3], "missing.png", good[0]], tmp_path / "new")
    assert "Give more photos" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_pictures_that_are_all_alike(patchcore, good, tmp_path) -> None:
    photo = cv2.imread(good[0])
    files = [cv2.imencode(".png", photo, [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes() for level in range(4)]
    assert len(set(files)) == 4
    with pytest.raises(TrainingError, match=r"all alike.*Take photos of different good parts"):
        refit(patchcore, files, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_in_use_stays_as_it_is(model, good) -> None:
    before = arrays(model)
    with pytest.raises(RefitError, match=r"is in use .*Give one that is not there yet"):
        refit(model, good, model)
    assert arrays(model) == before


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"fit": None}, r"does not say how it was fitted.*Train it again with the new photos"),
        ({"tiling": Tiling(128)}, r"scans photos in tiles.*Train it again with the new photos"),
    ],
)
def test_a_model_that_has_to_be_trained(model, good, tmp_path, facts, said) -> None:
    change(model, **facts)
    with pytest.raises(RefitError, match=said):
        refit(model, good, tmp_path / "new")


def test_a_folder_with_an_int8_graph_alone(model, good, tmp_path) -> None:
    (model / ONNX_NAME).rename(model / INT8_NAME)
    with pytest.raises(RefitError, match=r"has no inference\.onnx, .*Export the model again"):
        refit(model, good, tmp_path / "new")


def test_an_onnx_file_of_an_earlier_version(model, good, tmp_path) -> None:
    data = arrays(model).replace(b"parts.1.patches", b"eager_tmp_9_xyz")
    (model / ONNX_NAME).write_bytes(data)
    with pytest.raises(RefitError, match=r"has no names for what a refit exchanges.*Export the model again"):
        refit(model, good, tmp_path / "new")


def test_an_onnx_file_that_is_damaged(model, good, tmp_path) -> None:
    (model / ONNX_NAME).write_bytes(arrays(model)[:-100])
    with pytest.raises(ModelError, match="the graph is damaged"):
        refit(model, good, tmp_path / "new")


def test_an_old_int8_graph_is_left_out_and_told(model, good, tmp_path) -> None:
    shutil.copyfile(model / ONNX_NAME, model / INT8_NAME)
    result = refit(model, good, tmp_path / "new")
    assert not (tmp_path / "new" / INT8_NAME).exists()
    assert any("no INT8 graph" in warning for warning in result.warnings)


@pytest.mark.parametrize("how", ["no thresholds", "damaged"])
def test_an_old_complete_graph_that_cannot_be_taken_over_is_left_out_and_told(model, good, tmp_path, how) -> None:
    data = (model / ONNX_NAME).read_bytes()
    (model / COMPLETE_NAME).write_bytes(data if how == "no thresholds" else data[: len(data) // 2])
    result = refit(model, good, tmp_path / "new")
    assert not (tmp_path / "new" / COMPLETE_NAME).exists()
    assert any(f"no {COMPLETE_NAME}" in warning for warning in result.warnings)


def test_a_bank_of_models(bank, good, tmp_path) -> None:
    with pytest.raises(ConfigError, match="Set product to the name"):
        create_model(None, bank, product="auto").refit(good, tmp_path / "new")
    result = create_model(None, bank, product="grid").refit(good, tmp_path / "new")
    assert result.calibration.scores == result.before.scores


@pytest.mark.parametrize(("option", "value"), [("seed", -1), ("target_fpr", 1.5)])
def test_a_value_that_cannot_be(patchcore, good, tmp_path, option, value) -> None:
    with pytest.raises(ModelError, match=f"^{option} must be .*Change {option}"):
        refit(patchcore, good, tmp_path / "new", **{option: value})


# How it ends half-way


def test_it_tells_how_far_it_is(patchcore, good, tmp_path) -> None:
    told: list[tuple[int, int, str]] = []
    refit(patchcore, good, tmp_path / "new", progress=lambda *now: told.append(now))
    assert list(dict.fromkeys(what for _, _, what in told)) == list(STAGES)
    done, totals = [now[0] for now in told], {now[1] for now in told}
    assert done == sorted(done) and totals == {done[-1]}


@pytest.mark.parametrize("stage", STAGES)
def test_an_error_of_the_caller_cancels_it_and_leaves_nothing(patchcore, good, tmp_path, stage) -> None:
    class Enough(Exception):
        pass

    def cancel(done: int, total: int, what: str) -> None:
        if what == stage:
            raise Enough

    with pytest.raises(Enough):
        refit(patchcore, good, tmp_path / "new", progress=cancel)
    assert list(tmp_path.iterdir()) == []


PROGRAM = """
import json, os, signal, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ImportError(name + " is not here")

sys.meta_path.insert(0, Missing())
from paddlex import create_model

model, images, new, stage = json.loads(sys.argv[1])

def kill(done, total, what):
    if what == stage:
        os.kill(os.getpid(), signal.SIGKILL)

result = create_model(None, model).refit(images, new, progress=kill)
print(json.dumps(result.calibration.scores))
"""
WITHOUT = ("paddle", "scipy", "onnx", "pydantic", "sklearn", "threadpoolctl", "PIL", "jinja2", "matplotlib")


def run(missing: tuple[str, ...], *values: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(missing=missing), json.dumps(values)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=ROOT)


@pytest.mark.parametrize("other", ["openvino", "onnxruntime"])
def test_numpy_opencv_and_one_engine_are_enough(patchcore, good, tmp_path, other) -> None:
    done = run((*WITHOUT, other), str(patchcore), good, str(tmp_path / "new"), None)
    assert done.returncode == 0, done.stderr
    trained = open_model_folder(patchcore).calibration.scores
    assert json.loads(done.stdout.splitlines()[-1]) == pytest.approx(trained, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("stage", ["memory", "writing"])
def test_one_that_is_killed_leaves_no_model(patchcore, good, tmp_path, stage) -> None:
    done = run((), str(patchcore), good, str(tmp_path / "new"), stage)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "new").exists()
    (left,) = tmp_path.iterdir()
    os.utime(left, (0, 0))  # a minute later
    refit(patchcore, good, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
