"""``main.py`` from outside, as its users see it: exit status, one clear line, and what lies in the output folder."""

from __future__ import annotations

import csv
import json
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

from paddlex import engine
from paddlex.config_schema import Config
from paddlex.data.dataset import VAL_LIST, read_samples

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "paddlex" / "configs" / "image_anomaly_detection" / "STFPM.yaml"
MODEL_FILES = {
    "pdparams", "pdema", "pdopt", "pdstates", "inference_config", "pdmodel", "pdiparams", "pdiparams.info",
}  # fmt: skip


def result_of(output: Path, mode: str) -> dict[str, Any]:
    return json.loads((output / f"{mode}_result.json").read_text(encoding="utf-8"))


def assert_failed(done: subprocess.CompletedProcess[str], output: Path, mode: str, err_type: str) -> dict[str, Any]:
    """It ended with 1 and one line of log, which the result repeats; nothing else was written. Returns the result."""
    result = result_of(output, mode)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if " ERROR " in line]
    assert [line.split(" ERROR ")[1].strip() for line in errors] == [result["err_msg"]]
    assert result["done_flag"] is False
    assert result["err_type"] == err_type
    return result


# Failures


def test_a_mode_that_does_not_exist_is_one_clear_line_and_a_result(main_runner, tmp_path: Path) -> None:
    done = main_runner("Global.mode=fly", f"Global.output={tmp_path}")
    result = assert_failed(done, tmp_path, "fly", "ConfigError")
    assert result["err_msg"] == (
        "Global.mode must be check_dataset, train, evaluate, export, predict or benchmark, not 'fly' "
        "(-o Global.mode=fly). Correct the value."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["fly_result.json"]


def test_a_mode_that_could_not_be_a_file_name_still_gets_a_result(main_runner, tmp_path: Path) -> None:
    done = main_runner("Global.mode=../../fly", f"Global.output={tmp_path}")
    assert_failed(done, tmp_path, "unknown_mode", "ConfigError")


def test_a_missing_config_file_is_one_clear_line_and_a_result(main_runner, tmp_path: Path) -> None:
    done = main_runner("Global.mode=train", f"Global.output={tmp_path}", config=tmp_path / "nothing.yaml")
    result = assert_failed(done, tmp_path, "train", "ConfigError")
    assert f"the config file does not exist ({tmp_path / 'nothing.yaml'})" in result["err_msg"]


@pytest.mark.parametrize("arguments", [[], ["-c"], ["-c", "x.yaml", "--no-such-option"]])
def test_a_wrong_command_line_ends_with_2_and_the_usage(arguments: list[str]) -> None:
    command = [sys.executable, str(ROOT / "main.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("mode", ["check_dataset", "train"])
def test_a_missing_data_set_is_one_clear_line_and_a_result(main_runner, tmp_path: Path, mode: str) -> None:
    output = tmp_path / "output"
    missing = tmp_path / "no data"
    done = main_runner(f"Global.mode={mode}", f"Global.dataset_dir={missing}", f"Global.output={output}")
    result = assert_failed(done, output, mode, "DatasetError")
    assert f"(Global.dataset_dir) does not exist ({missing}). There is no 'no data' in {tmp_path}." in result["err_msg"]


@pytest.mark.parametrize("mode", ["check_dataset", "train", "evaluate"])
def test_an_archive_given_as_a_data_set_is_to_be_unpacked(main_runner, tmp_path: Path, mode: str) -> None:
    archive = shutil.make_archive(str(tmp_path / "parts"), "zip", ROOT / "docs")
    done = main_runner(f"Global.mode={mode}", f"Global.dataset_dir={archive}", f"Global.output={tmp_path}")
    assert "Unpack the archive" in assert_failed(done, tmp_path, mode, "DatasetError")["err_msg"]


def test_predicting_before_training_says_so(main_runner, tmp_path: Path) -> None:
    done = main_runner("Global.mode=predict", f"Predict.input={ROOT}", f"Global.output={tmp_path}", "Global.device=cpu")
    result = assert_failed(done, tmp_path, "predict", "ConfigError")
    assert "no trained model in Global.output" in result["err_msg"]
    assert "Predict.model_dir" in result["err_msg"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["Global.mode=predict"], "no images to predict (Predict.input). Set it to a file, folder, glob or URL."),
        (
            ["Global.mode=predict", "Predict.input=[]"],
            "no images to predict (Predict.input). Set it to a file, folder, glob or URL.",
        ),
        (
            ["Global.mode=check_dataset", "Global.dataset_dir=null"],
            "the data set is not named (Global.dataset_dir). Set it to a folder.",
        ),
    ],
)
def test_a_mode_says_which_key_it_needs(main_runner, tmp_path: Path, overrides: list[str], message: str) -> None:
    done = main_runner(*overrides, f"Global.output={tmp_path}")
    mode = overrides[0].partition("=")[2]
    assert assert_failed(done, tmp_path, mode, "ConfigError")["err_msg"] == message


def test_exporting_without_a_model_says_what_to_do(main_runner, tmp_path: Path) -> None:
    done = main_runner("Global.mode=export", f"Global.output={tmp_path}")
    result = assert_failed(done, tmp_path, "export", "ConfigError")
    expected = tmp_path / "best_model" / "model.pdparams"
    assert result["err_msg"] == (
        f"there is no trained model in Global.output ({expected}). Train first, or set Export.weight_path."
    )


def test_predicting_only_broken_images_fails_and_the_summary_says_why(
    main_runner, trained: Path, tmp_path: Path
) -> None:
    images, output = tmp_path / "images", tmp_path / "output"
    images.mkdir()
    for name in ("a.png", "b.jpg"):
        (images / name).write_bytes(b"no image")
    done = main_runner(
        "Global.mode=predict", f"Predict.input={images}", f"Predict.model_dir={trained}", f"Global.output={output}",
        "Global.device=cpu",
    )  # fmt: skip
    result = result_of(output, "predict")
    assert done.returncode == 1
    assert result["done_flag"] is False
    assert result["err_type"] == "ImageReadError"
    assert result["err_msg"] == f"none of the 2 images could be judged ({images}). See the log above."
    files = {path for path in output.rglob("*") if path.is_file()}
    assert files == {output / "predict_result.json", output / "predict" / "summary.csv"}
    with (output / "predict" / "summary.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["input_path"] for row in rows] == [str(images / "a.png"), str(images / "b.jpg")]
    assert all("damaged" in row["error"] for row in rows)


def test_a_result_that_cannot_be_written_is_said(main_runner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    done = main_runner("Global.mode=fly", f"Global.output={tmp_path / 'file'}")
    assert done.returncode == 1
    assert "fly_result.json cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (MemoryError(), 1, "memory"),
        (SystemExit(0), 1, "ended the program"),  # a library that calls sys.exit() has not done the work
        (KeyboardInterrupt(), 130, "Interrupted"),
        (OSError(28, "No space left on device", "a.png"), 1, "a.png"),
        (RuntimeError("first line\nsecond line"), 1, "first line second line"),
        (RecursionError("too deep"), 1, "too deep"),
    ],
)
def test_however_a_mode_ends_its_result_says_so(
    error: BaseException, status: int, words: str, tmp_path: Path, monkeypatch
) -> None:
    def fail(config: Config) -> dict[str, Any]:
        raise error

    monkeypatch.setitem(engine.MODES, "check_dataset", fail)
    assert engine.run_config(str(CONFIG), [f"Global.output={tmp_path}"]) == status
    result = result_of(tmp_path, "check_dataset")
    assert (result["done_flag"], result["err_type"]) == (False, type(error).__name__)
    assert words in result["err_msg"]
    assert "\n" not in result["err_msg"]


def test_a_figure_that_is_not_a_number_never_gets_into_a_result(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(engine.MODES, "evaluate", lambda config: {"metrics": {"image_auroc": float("nan")}})
    assert engine.run_config(str(CONFIG), ["Global.mode=evaluate", f"Global.output={tmp_path}"]) == 1
    assert "NaN" not in (tmp_path / "evaluate_result.json").read_text(encoding="utf-8")
    assert result_of(tmp_path, "evaluate")["done_flag"] is False


def test_a_config_that_is_no_yaml_gets_a_result_where_the_command_line_asks_for_it(main_runner, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("Global: {mode: train", encoding="utf-8")
    output = tmp_path / "output"
    done = main_runner("Global.mode=train", f"Global.output={output}", config=tmp_path / "broken.yaml")
    assert "line 1" in assert_failed(done, output, "train", "ConfigError")["err_msg"]


def test_a_disk_without_room_is_one_clear_line_and_a_result(main_runner, demo_dataset: Path, tmp_path: Path) -> None:
    """A limit on the size of files takes the disk's part: what the operating system answers is the same kind of error."""
    limit = 4096
    done = main_runner(
        f"Global.dataset_dir={demo_dataset}", f"Global.output={tmp_path}",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    result = assert_failed(done, tmp_path, "check_dataset", "OSError")
    assert "File too large" in result["err_msg"]
    assert str(tmp_path / "check_dataset") in result["err_msg"]
    assert list(tmp_path.rglob(".*")) == []


# check_dataset


def test_check_dataset_describes_a_good_data_set(main_runner, demo_dataset: Path, tmp_path: Path) -> None:
    done = main_runner(f"Global.dataset_dir={demo_dataset}", f"Global.output={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "Check dataset passed !" in done.stderr
    result = result_of(tmp_path, "check_dataset")
    attributes = result["attributes"]
    assert result["done_flag"] is True
    assert result["check_pass"] is True
    assert result["dataset_path"] == str(demo_dataset)
    assert result["show_type"] == "image"
    assert result["dataset_type"] == "SegDataset"
    assert (attributes["train_samples"], attributes["val_samples"], attributes["num_classes"]) == (24, 14, 1)
    pictures = [*attributes["train_sample_paths"], *attributes["val_sample_paths"], result["analysis"]["histogram"]]
    assert all(cv2.imread(str(tmp_path / picture)) is not None for picture in pictures)


def test_a_data_set_that_fails_the_check_gets_a_result_with_all_problems(
    main_runner, demo_dataset: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(demo_dataset, tmp_path / "data")
    first, second = read_samples(data, VAL_LIST)[:2]
    first.image_path.write_bytes(b"no image")
    second.image_path.unlink()
    done = main_runner(f"Global.dataset_dir={data}", f"Global.output={tmp_path / 'output'}")
    result = result_of(tmp_path / "output", "check_dataset")
    assert done.returncode == 1
    assert "Check dataset passed" not in done.stderr
    assert result["done_flag"] is False
    assert result["check_pass"] is False
    assert result["err_type"] == "DatasetCheckError"
    errors = [problem for problem in result["problems"] if problem["severity"] == "error"]
    assert len(errors) == 2
    assert {first.where, second.where} == {problem["where"] for problem in errors}


# train


@pytest.mark.parametrize("which", ["best", "last_1"])
def test_every_file_of_a_trained_model_exists(trained: Path, which: str) -> None:
    model = result_of(trained, "train")["models"][which]
    assert set(model) == MODEL_FILES | {"score"}
    assert [key for key in MODEL_FILES if not (trained / model[key]).stat().st_size] == []
    assert isinstance(model["score"], float)


def test_the_best_model_is_that_of_the_lowest_loss_on_held_out_images(trained: Path) -> None:
    result = result_of(trained, "train")
    lowest = min(result["history"], key=lambda entry: entry["held_out_loss"])
    assert result["best_epoch"] == lowest["epoch"]
    assert result["models"]["best"]["score"] == lowest["held_out_loss"]


def test_the_log_has_loss_learning_rate_speed_and_time_left_of_every_step(trained: Path) -> None:
    log = (trained / "train.log").read_text(encoding="utf-8")
    steps = re.findall(r"epoch (\d)/3 step (\d+)/\d+ loss [\d.]+ lr [\d.e-]+ [\d.]+ images/s, \d+:\d\d left", log)
    assert [int(step) for _, step in steps] == list(range(1, len(steps) + 1))
    assert [epoch for epoch, _ in steps] == sorted("123" * (len(steps) // 3))


# predict


def test_a_broken_image_is_counted_and_left_out_and_equal_names_do_not_collide(
    main_runner, trained: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    images, output = tmp_path / "新 照片 #1", tmp_path / "结果 1"
    images.mkdir()
    image = cv2.imread(str(demo_dataset / read_samples(demo_dataset, VAL_LIST)[0].image))
    for name in ("部件 一.png", "部件 一.jpg", "部件 一_2.png"):
        (images / name).write_bytes(cv2.imencode(name[-4:], image)[1].tobytes())
    (images / "坏.png").write_bytes((images / "部件 一.png").read_bytes()[:500])
    done = main_runner(
        "Global.mode=predict", f"Predict.input={images}", f"Predict.model_dir={trained}", f"Global.output={output}",
        "Global.device=cpu", "Predict.batch_size=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = result_of(output, "predict")
    assert (result["images"], result["failed_images"]) == (3, 1)
    assert result["failed"][0]["input_path"] == str(images / "坏.png")
    assert "truncated" in result["failed"][0]["error"]
    written = [json.loads(path.read_text(encoding="utf-8"))["input_path"] for path in output.rglob("*_res.json")]
    assert sorted(written) == sorted(str(path) for path in images.iterdir() if path.name != "坏.png")
    assert len(list(output.rglob("*_res.png"))) == 3
