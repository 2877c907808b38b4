"""``Global.mode=benchmark``: train and evaluate models on every category below a folder, and write the table of papers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddlex.config_schema import Config
from paddlex.errors import BenchmarkError, ConfigError, PaddleXError
from paddlex.modules.image_anomaly_detection.benchmark.columns import csv_rows, to_markdown
from paddlex.modules.image_anomaly_detection.benchmark.comparison import Comparison
from paddlex.modules.image_anomaly_detection.benchmark.contenders import configs_of
from paddlex.modules.image_anomaly_detection.benchmark.discovery import Category, find_categories, make_data_set
from paddlex.modules.image_anomaly_detection.benchmark.page import write_page
from paddlex.modules.image_anomaly_detection.benchmark.runs import CategoryRun
from paddlex.modules.image_anomaly_detection.benchmark.table import Row, Table
from paddlex.utils.csv_file import csv_file
from paddlex.utils.files import write_text
from paddlex.utils.locks import exclusive
from paddlex.utils.logging import logger

__all__ = ["benchmark"]

FOLDER = "benchmark"
CATEGORIES = "benchmark/categories"
PER_IMAGE = "evaluate/per_image.csv"
PAGE, CSV, MARKDOWN = "benchmark/report.html", "benchmark/table.csv", "benchmark/table.md"

#: Long enough for the training of a benchmark that was killed to save its checkpoint.
_WAIT_SECONDS = 60


def benchmark(config: Config) -> dict[str, Any]:
    """Train and evaluate each model on each category of ``Global.dataset_dir``, one after the other; what is done already is
    not done again, and a run that fails does not keep the others from their turn.

    Writes below ``Global.output``: benchmark/report.html, table.csv and table.md after every run, and in
    benchmark/categories/<category>/<model>/ what the modes train and evaluate write. Nothing is written into the data set.

    Returns:
        the content of benchmark_result.json; ``done_flag`` is False if a run failed.

    Raises:
        DatasetError: the folder holds no categories.
        ConfigError: a setting makes no sense here.
        TrainingInterrupted: SIGINT or SIGTERM came.
    """
    _check_config(config)
    output, configs = config.output, configs_of(config)
    categories, others = find_categories(Path(config.Global.dataset_dir or ""))
    logger.info("%d categories: %s.", len(categories), ", ".join(category.name for category in categories))
    with exclusive(output / FOLDER / ".lock", _WAIT_SECONDS) as lock:
        # all of them before the first is trained: what is wrong, or is to be done again, is told in the first minute
        runs = [run for category in categories for run in _runs_of(category, configs, output)]
        rows: list[Row] = []
        compared: dict[str, Comparison] = {}
        for number, (category, model, run) in enumerate(runs, 1):
            logger.info("Category %s, model %s: %d of %d.", category, model, number, len(runs))
            rows.append(_row(category, model, run, lock))
            done = [one for one in rows if one.category == category and one.error is None]
            tables = {one.model: _folder(output, category, one.model) / PER_IMAGE for one in done}
            if comparison := Comparison.of(category, tables):
                compared[category] = comparison
            table = Table.of(rows, list(configs), len(categories), compared)
            result = _write(config, configs, table, others)
    return result


def _folder(output: Path, category: str, model: str) -> Path:
    return output / CATEGORIES / category / model


def _runs_of(
    category: Category, configs: Mapping[str, Config], output: Path
) -> Sequence[tuple[str, str, CategoryRun | str]]:
    """Category, model and run for each model; in the place of the run, why the category cannot be used."""
    try:
        data = make_data_set(category, output / FOLDER / "lists" / category.name)
    except PaddleXError as error:
        logger.error("%s cannot be used: %s", category.name, error)
        return [(category.name, model, str(error)) for model in configs]
    runs = []
    for model, config in configs.items():
        run = CategoryRun.of(category.name, config, data, _folder(output, category.name, model))
        if reason := run.outdated():
            logger.warning("%s is trained again: %s.", run, reason)
        runs.append((category.name, model, run))
    return runs


def _check_config(config: Config) -> None:
    for key, value in (
        ("Train.resume_path", config.Train.is_resumed), ("Evaluate.weight_path", config.Evaluate.weight_path),
    ):  # fmt: skip
        if value:
            remedy = "Leave it out: each category goes on from its own checkpoint and is judged by its own weights"
            raise ConfigError("the key means one training run, a benchmark has many", where=key, remedy=remedy)


def _row(category: str, model: str, run: CategoryRun | str, lock: int) -> Row:
    if isinstance(run, str):
        return Row(category, model, error=run)
    try:
        run.complete(lock)
    except BenchmarkError as error:
        logger.error("%s failed: %s", run, error)
        return Row(category, model, error=str(error))
    metrics, speed = (run.result("evaluate") or {})["metrics"], run.result("time") or {}
    images, minutes = run.data.train_images, run.training_minutes()
    return Row.of(category, model, metrics, speed, train_images=images, training_minutes=minutes)


def _write(config: Config, configs: Mapping[str, Config], table: Table, others: list[str]) -> dict[str, Any]:
    """The three tables as far as they are known; returns what benchmark_result.json says."""
    output = config.output
    with csv_file(output / CSV) as write_row:
        for line in csv_rows(table):
            write_row(line)
    write_text(output / MARKDOWN, to_markdown(table))
    write_page(output / PAGE, config, configs, table, others)
    failed = table.failed
    result: dict[str, Any] = {
        "done_flag": not failed,
        "categories": [row.to_dict() for row in table.rows],
        "mean": {model: mean.to_dict() for model, mean in table.means.items()},
        "mean_of": {model: dict(mean.counts) for model, mean in table.means.items()},
        "failed": [table.name_of(row) for row in failed],
        "passed_over": others,
        "report": PAGE,
        "csv": CSV,
        "markdown": MARKDOWN,
        "category_folders": CATEGORIES,
    }
    if failed:
        things = "runs" if table.is_comparison else "categories"
        what = f"{len(failed)} of {table.total} {things} failed. {table.name_of(failed[0])}: {failed[0].error}"
        result.update(err_type="BenchmarkError", err_msg=what)
    return result
