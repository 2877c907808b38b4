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


def folder_of(output: Path, category: str, model: str = "STFPM") -> Path:
    return output / "benchmark" / "categories" / category / model


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
    first, second = (result_of(folder_of(output, name), "evaluate")["metrics"] for name in ("bottle", LISTED))
    mean = result_of(output)["mean"]["STFPM"]
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
        folder = folder_of(benchmarked[0], name)
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
    models = [folder_of(output, name) / "best_model" for name in ("bottle", LISTED)]
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
    assert all(row["image_milliseconds"] > 0 for row in again.values())
    assert "mean of 2 |" in (output / "benchmark" / "table.md").read_text(encoding="utf-8").replace("*", "")


def test_other_training_images_and_other_settings_than_those_of_a_finished_category_train_it_again(
    benchmarked, categories: Path, main_runner, tmp_path: Path
) -> None:
    output = Path(shutil.copytree(benchmarked[0], tmp_path / "output"))
    root = Path(shutil.copytree(categories, tmp_path / "root"))
    shutil.rmtree(root / "broken")
    next((root / "bottle" / "train" / "good").iterdir()).unlink()
    first = main_runner(*overrides(root, output))
    assert first.returncode == 0, first.stderr
    assert "bottle with STFPM is trained again: it was made with other images." in first.stderr
    assert first.stderr.count(": trained already.") == 1
    assert rows_of(output)["bottle"]["train_images"] == rows_of(benchmarked[0])["bottle"]["train_images"] - 1

    second = main_runner(*overrides(root, output), "Train.epochs_iters=6")
    assert second.returncode == 0, second.stderr
    for name in ("bottle", LISTED):
        assert f"{name} with STFPM is trained again: Train.epochs_iters was 5, now 6." in second.stderr
        assert result_of(folder_of(output, name), "train")["epochs"] == 6  # not gone on with from the fifth
        assert (folder_of(output, name) / "best_model_previous" / "model.pdparams").is_file()


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
        self.folder = folder_of(output, LISTED)
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
        f"the benchmark was stopped by signal 2 while it was to train {LISTED} with STFPM. The same command goes on from there."
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
        assert row.pop("image_milliseconds") > 0
    assert resumed == uninterrupted


def test_the_config_of_a_category_is_complete_and_its_own(benchmarked, categories: Path) -> None:
    folder = folder_of(benchmarked[0], LISTED)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    assert config["Global"]["dataset_dir"] == str(categories / LISTED)
    assert config["Global"]["output"] == str(folder)
    assert config["Train"]["epochs_iters"] == 5


#: A patch model that is fitted in seconds, with another one that keeps its own defaults.
PATCHES = ROOT / "paddlex" / "configs" / "image_anomaly_detection" / "PatchCore.yaml"
TWO = ("Global.device=cpu", "Benchmark.models=[PatchCore, PaDiM]", "Train.image_size=64", "Train.bank_size=50")


@pytest.fixture(scope="module")
def two_models(categories: Path, main_runner, tmp_path_factory: pytest.TempPathFactory):
    """The output folder of a benchmark of two models on two categories, its data set, and the process."""
    root, output = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("two models")
    for name in ("bottle", LISTED):
        shutil.copytree(categories / name, root / name)
    return output, root, main_runner(*in_two(root, output), config=PATCHES)


def in_two(root: Path, output: Path) -> tuple[str, ...]:
    return ("Global.mode=benchmark", f"Global.dataset_dir={root}", f"Global.output={output}", *TWO)


def test_several_models_are_each_trained_on_each_category_into_one_table(two_models) -> None:
    output, _, done = two_models
    assert done.returncode == 0, done.stderr
    rows = result_of(output)["categories"]
    expected = [(category, model) for category in ("bottle", LISTED) for model in ("PatchCore", "PaDiM")]
    assert [(row["category"], row["model"]) for row in rows] == expected
    for row in rows:
        folder = folder_of(output, row["category"], row["model"])
        assert row["image_auroc"] == result_of(folder, "evaluate")["metrics"]["image_auroc"]
        assert row["image_milliseconds"] > 0
        inference = folder / "best_model" / "inference"
        size = sum(path.stat().st_size for path in inference.iterdir())
        assert row["model_megabytes"] == pytest.approx(size / 1e6, abs=0.005)


def test_in_each_category_and_on_average_the_models_are_held_against_the_highest(two_models) -> None:
    result = result_of(two_models[0])
    for figures in ([row for row in result["categories"] if row["category"] == "bottle"], result["mean"].values()):
        first, second = figures
        difference = abs(first["image_auroc"] - second["image_auroc"])
        differences = sorted([first["image_auroc_difference"], second["image_auroc_difference"]])
        assert differences == pytest.approx([-difference, 0], abs=1e-9)
        assert first["image_auroc_difference_low"] <= first["image_auroc_difference_high"]


def test_each_model_has_the_settings_that_the_documentation_says(two_models) -> None:
    configs = {
        model: yaml.safe_load((folder_of(two_models[0], "bottle", model) / "category.yaml").read_text(encoding="utf-8"))
        for model in ("PatchCore", "PaDiM")
    }
    assert configs["PatchCore"]["Train"]["image_size"] == 64
    assert configs["PaDiM"]["Train"]["image_size"] == "auto"
    assert [config["Global"]["model"] for config in configs.values()] == ["PatchCore", "PaDiM"]


def test_the_page_of_several_models_leads_to_a_report_for_each_run(two_models) -> None:
    folder = two_models[0] / "benchmark"
    page, links = (folder / "report.html").read_text(encoding="utf-8"), Links()
    links.feed(page)
    reports = [target for target in links.targets if target.endswith("evaluate/report.html")]
    assert len(reports) == 4
    assert [target for target in reports if not (folder / unquote(target)).is_file()] == []
    assert "PatchCore (Wide ResNet-50) 1.000" in page  # published for bottle
    assert "<b>" not in page


def test_another_setting_of_one_model_fits_that_model_alone_again_and_another_model_keeps_what_is_there(
    two_models, main_runner, tmp_path: Path
) -> None:
    output, root, _ = two_models
    copy = Path(shutil.copytree(output, tmp_path / "output"))
    kept = [folder_of(copy, name, "PaDiM") / "best_model" for name in ("bottle", LISTED)]
    before = [files_of(folder) for folder in kept]
    shutil.rmtree(folder_of(copy, "bottle", "PatchCore"))  # as if it had been killed there
    done = main_runner(*in_two(root, copy), "Train.bank_size=40", config=PATCHES)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is trained again: Train.bank_size was 50, now 40.") == 1
    assert done.stderr.count(": trained already.") == 2
    assert [files_of(folder) for folder in kept] == before
