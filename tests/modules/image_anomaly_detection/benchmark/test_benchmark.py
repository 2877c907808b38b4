"""``Global.mode=benchmark`` from outside: real trainings of small categories, by main.py."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psutil
import pytest
import yaml

from paddlex.engine import run_config

pytestmark = pytest.mark.slow


ROOT = Path(__file__).parents[4]
CONFIG = ROOT / "paddlex" / "configs" / "image_anomaly_detection" / "STFPM.yaml"
LISTED = "carpet | 50 % <b>"
SETTINGS = ("Global.device=cpu", "Train.image_size=64", "Train.epochs_iters=5", "Train.batch_size=4")


def overrides(root: Path, output: Path) -> list[str]:
    return ["Global.mode=benchmark", f"Global.dataset_dir={root}", f"Global.output={output}", *SETTINGS]


def result_of(output: Path, mode: str = "benchmark") -> dict[str, Any]:
    return json.loads((output / f"{mode}_result.json").read_text(encoding="utf-8"))


def files_of(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*")}


@pytest.fixture(scope="module")
def benchmarked(categories: Path, main_runner, tmp_path_factory: pytest.TempPathFactory):
    """The output folder of a benchmark of two sound categories and a broken one; the process; the data set before it."""
    output, before = tmp_path_factory.mktemp("benchmark") / "输出", files_of(categories)
    done = main_runner(*overrides(categories, output))
    return output, done, before


def rows_of(output: Path) -> dict[str, dict[str, Any]]:
    return {row["category"]: row for row in result_of(output)["categories"]}


def test_a_category_that_fails_is_in_the_table_with_its_error_and_the_others_have_figures(benchmarked) -> None:
    output, done, _ = benchmarked
    result, rows = result_of(output), rows_of(output)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (result["done_flag"], result["failed"], result["err_type"]) == (False, ["broken"], "BenchmarkError")
    assert list(rows) == ["bottle", "broken", LISTED]
    assert rows["broken"]["error"].startswith("the image is truncated, damaged or of an unknown format (")
    assert result["err_msg"] == f"1 of 3 categories failed. broken: {rows['broken']['error']}"
    assert rows["broken"]["image_auroc"] is None
    for name in ("bottle", LISTED):
        assert rows[name]["error"] is None
        assert 0 <= rows[name]["image_auroc"] <= 1
        assert rows[name]["training_minutes"] > 0


def test_nothing_is_written_into_the_data_set(benchmarked, categories: Path) -> None:
    assert files_of(categories) == benchmarked[2]


def test_the_figures_are_those_of_train_and_evaluate_run_by_hand(
    benchmarked, categories: Path, main_runner, tmp_path: Path
) -> None:
    shared = (f"Global.dataset_dir={categories / LISTED}", f"Global.output={tmp_path}", *SETTINGS)
    for mode in ("train", "evaluate"):
        done = main_runner(f"Global.mode={mode}", *shared)
        assert done.returncode == 0, done.stderr
    metrics, row = result_of(tmp_path, "evaluate")["metrics"], rows_of(benchmarked[0])[LISTED]
    assert row["image_auroc"] == metrics["image_auroc"]
    assert row["pixel_auroc"] == metrics["pixel_auroc"]
    assert row["aupro_30"] == metrics["aupro"]
    assert row["found_share"] == metrics["image_recall"]
    assert row["false_alarm_share"] == metrics["image_false_positive_rate"]
    assert (row["normal_images"], row["anomalous_images"], row["train_images"]) == (3, 5, 10)


def test_the_mean_is_half_the_sum_of_the_two_categories(benchmarked) -> None:
    output = benchmarked[0]
    folders = [output / "benchmark" / "categories" / name for name in ("bottle", LISTED)]
    first, second = (result_of(folder, "evaluate")["metrics"] for folder in folders)
    mean = result_of(output)["mean"]
    for name, metric in (("image_auroc", "image_auroc"), ("pixel_auroc", "pixel_auroc"), ("aupro_30", "aupro")):
        assert mean[name] == pytest.approx((first[metric] + second[metric]) / 2, abs=1e-12)
    with (output / "benchmark" / "table.csv").open(encoding="utf-8-sig", newline="") as file:
        *lines, last = csv.DictReader(file)
    assert [line["category"] for line in lines] == ["bottle", "broken", LISTED]
    assert last["category"] == "mean of 2 of 3"
    assert float(last["image_auroc"]) == mean["image_auroc"]


class Links(HTMLParser):
    """Collects what a page refers to, and its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.elements: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.targets += [value for name, value in attrs if name in ("href", "src") and value]


def test_the_page_leads_to_the_reports_of_the_categories_and_needs_nothing_from_outside(benchmarked) -> None:
    folder = benchmarked[0] / "benchmark"
    page, links = (folder / "report.html").read_text(encoding="utf-8"), Links()
    links.feed(page)
    targets = [target for target in links.targets if not target.startswith("#")]
    assert len([target for target in targets if target.endswith("evaluate/report.html")]) == 2
    assert [target for target in targets if not (folder / unquote(target)).is_file()] == []
    assert not {"script", "link", "iframe", "b"} & links.elements
    assert "carpet | 50 % &lt;b&gt;" in page
    assert "broken failed: the image is truncated" in page


def test_each_category_keeps_what_train_and_evaluate_write(benchmarked) -> None:
    for name in ("bottle", LISTED):
        folder = benchmarked[0] / "benchmark" / "categories" / name
        for file in ("train.log", "best_model/inference/inference.yml", "evaluate/per_image.csv"):
            assert (folder / file).is_file()
        title = (folder / "evaluate" / "report.html").read_text(encoding="utf-8").partition("<title>")[2]
        assert title.startswith(f"Evaluation of STFPM on {name}".replace("<b>", "&lt;b&gt;"))


def test_what_is_finished_is_not_done_again_wherever_the_data_set_lies_and_only_judged_where_val_changed(
    benchmarked, categories: Path, main_runner, tmp_path: Path
) -> None:
    output = Path(shutil.copytree(benchmarked[0], tmp_path / "output"))
    root = Path(shutil.copytree(categories, tmp_path / "elsewhere"))
    shutil.rmtree(root / "broken")
    next((root / "bottle" / "test" / "good").iterdir()).unlink()
    models = [output / "benchmark" / "categories" / name / "best_model" for name in ("bottle", LISTED)]
    before = [files_of(model) for model in models]
    done = main_runner(*overrides(root, output))
    assert done.returncode == 0, done.stderr
    assert [files_of(model) for model in models] == before
    assert done.stderr.count(": trained already.") == 2
    assert done.stderr.count(": evaluated already.") == 1
    again, first = rows_of(output), rows_of(benchmarked[0])
    assert result_of(output)["done_flag"] is True
    assert list(again) == ["bottle", LISTED]
    assert again[LISTED] == first[LISTED]
    assert (first["bottle"]["normal_images"], again["bottle"]["normal_images"]) == (3, 2)
    assert again["bottle"]["training_minutes"] == first["bottle"]["training_minutes"]
    assert "mean of 2 |" in (output / "benchmark" / "table.md").read_text(encoding="utf-8").replace("*", "")


@pytest.mark.parametrize(
    ("setting", "change"),
    [
        ("Train.epochs_iters=6", "Train.epochs_iters was 5, now 6"),
        ("Train.calibration.fusion=product", "Train.calibration.fusion was calibrated, now product"),
    ],
)
def test_other_settings_than_those_of_finished_categories_are_an_error_before_anything_is_trained(
    benchmarked, categories: Path, tmp_path: Path, setting: str, change: str
) -> None:
    output = Path(shutil.copytree(benchmarked[0], tmp_path / "output"))
    before = files_of(output / "benchmark" / "categories")
    assert run_config(str(CONFIG), [*overrides(categories, output), setting]) == 1
    folder = output / "benchmark" / "categories" / "bottle"
    assert result_of(output)["err_type"] == "ConfigError"
    assert result_of(output)["err_msg"] == (
        f"the results of the category bottle were made with other settings: {change} ({folder}). "
        "Set Global.output to a new folder, or delete this one to train the category again."
    )
    assert files_of(output / "benchmark" / "categories") == before


def test_other_training_images_than_those_of_a_finished_category_are_an_error(
    benchmarked, categories: Path, tmp_path: Path
) -> None:
    output = Path(shutil.copytree(benchmarked[0], tmp_path / "output"))
    root = Path(shutil.copytree(categories, tmp_path / "root"))
    next((root / "bottle" / "train" / "good").iterdir()).unlink()
    assert run_config(str(CONFIG), overrides(root, output)) == 1
    assert result_of(output)["err_msg"].startswith(
        "the images of the category bottle are not those that its model was made with ("
    )


@pytest.mark.parametrize("key", ["Train.resume_path", "Evaluate.weight_path"])
def test_a_key_of_one_training_run_is_refused(categories: Path, tmp_path: Path, key: str) -> None:
    assert run_config(str(CONFIG), [*overrides(categories, tmp_path), f"{key}=somewhere"]) == 1
    assert result_of(tmp_path)["err_msg"].startswith(f"the key means one training run, a benchmark has many ({key}). ")
    assert not (tmp_path / "benchmark").exists()


def test_a_data_set_folder_without_categories_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run_config(str(CONFIG), overrides(tmp_path / "empty", tmp_path / "output")) == 1
    assert result_of(tmp_path / "output")["err_type"] == "DatasetError"


class Running:
    """A benchmark under way in a process of its own, of one category."""

    def __init__(self, root: Path, output: Path) -> None:
        self.folder = output / "benchmark" / "categories" / LISTED
        before = self.checkpoints()
        options = [part for override in overrides(root, output) for part in ("-o", override)]
        command = [sys.executable, str(ROOT / "main.py"), "-c", str(CONFIG), *options]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        self.wait_for(lambda: self.checkpoints() - before)
        self.training = psutil.Process(self.process.pid).children()[0]

    def checkpoints(self) -> set[str]:
        return {path.name for path in (self.folder / "checkpoints").glob("step_*")}

    def wait_for(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 300
        while not condition():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def ends(self) -> tuple[int, str]:
        log = self.process.communicate(timeout=300)[1]
        self.training.wait(timeout=240)
        return self.process.returncode, log


@pytest.mark.slow  # four times the start of a benchmark and of its training
def test_a_benchmark_that_is_stopped_or_killed_goes_on_to_the_same_figures(
    benchmarked, categories: Path, main_runner, tmp_path: Path
) -> None:
    """Stopped once by Ctrl-C; then its training is killed outright; then it is killed itself. The fourth run ends."""
    root, output = tmp_path / "root", tmp_path / "output"
    root.mkdir()
    (root / LISTED).symlink_to(categories / LISTED)

    stopped = Running(root, output)
    stopped.process.send_signal(signal.SIGINT)
    status, log = stopped.ends()
    assert status == 130
    assert "Traceback" not in log
    assert result_of(output)["err_msg"] == (
        f"the benchmark was stopped by signal 2 while it was to train {LISTED}. The same command goes on from there."
    )

    without_training = Running(root, output)
    without_training.training.kill()
    assert without_training.ends()[0] == 1
    assert rows_of(output)[LISTED]["error"] == "train was killed (signal 9); the memory may have run out"

    killed = Running(root, output)
    killed.process.kill()
    assert killed.ends()[0] == -signal.SIGKILL  # and its training ended too, or ends() would have waited in vain
    assert not (output / "benchmark_result.json").exists()

    done = main_runner(*overrides(root, output))
    assert done.returncode == 0, done.stderr
    log = (killed.folder / "train.log").read_text(encoding="utf-8")
    assert log.count("Resumed from") == 3
    uninterrupted, resumed = rows_of(benchmarked[0])[LISTED], rows_of(output)[LISTED]
    for row in (uninterrupted, resumed):
        assert row.pop("training_minutes") > 0
    assert resumed == uninterrupted


def test_the_config_of_a_category_is_complete_and_its_own(benchmarked, categories: Path) -> None:
    folder = benchmarked[0] / "benchmark" / "categories" / LISTED
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    assert config["Global"]["dataset_dir"] == str(categories / LISTED)
    assert config["Global"]["output"] == str(folder)
    assert config["Train"]["epochs_iters"] == 5
