"""``Global.mode=benchmark``: train and evaluate every category below a folder, and write the table that papers print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddlex.config_schema import Config
from paddlex.errors import BenchmarkError, ConfigError, PaddleXError
from paddlex.modules.image_anomaly_detection.benchmark.discovery import find_categories, make_data_set
from paddlex.modules.image_anomaly_detection.benchmark.page import write_page
from paddlex.modules.image_anomaly_detection.benchmark.runs import CategoryRun
from paddlex.modules.image_anomaly_detection.benchmark.table import Mean, Row, csv_rows, to_markdown
from paddlex.utils.csv_file import csv_file
from paddlex.utils.files import write_text
from paddlex.utils.locks import exclusive
from paddlex.utils.logging import logger

__all__ = ["benchmark"]

FOLDER = "benchmark"
CATEGORIES = "benchmark/categories"
PAGE, CSV, MARKDOWN = "benchmark/report.html", "benchmark/table.csv", "benchmark/table.md"

#: Long enough for the training of a benchmark that was killed to save its checkpoint.
_WAIT_SECONDS = 60


def benchmark(config: Config) -> dict[str, Any]:
    """Train and evaluate the categories of ``Global.dataset_dir`` one after the other; those that are done already are not
    done again, and one that fails does not keep the others from their turn.

    Writes below ``Global.output``: benchmark/report.html, table.csv and table.md after every category, and in
    benchmark/categories/<name>/ what the modes train and evaluate write. Nothing is written into the data set.

    Returns:
        the content of benchmark_result.json; ``done_flag`` is False if a category failed.

    Raises:
        DatasetError: the folder holds no categories.
        ConfigError: a setting makes no sense here, or differs from that of results that are there already.
        TrainingInterrupted: SIGINT or SIGTERM came.
    """
    _check_config(config)
    root, output = Path(config.Global.dataset_dir or ""), config.output
    categories, others = find_categories(root)
    logger.info("%d categories: %s.", len(categories), ", ".join(category.name for category in categories))
    with exclusive(output / FOLDER / ".lock", _WAIT_SECONDS) as lock:
        runs: dict[str, CategoryRun | str] = {}
        for (
            category
        ) in categories:  # all of them before the first is trained: what is wrong is told in the first minute
            try:
                data = make_data_set(category, output / FOLDER / "lists" / category.name)
                run = CategoryRun.of(category.name, config, data, output / CATEGORIES / category.name)
            except PaddleXError as error:
                logger.error("%s cannot be used: %s", category.name, error)
                runs[category.name] = str(error)
                continue
            run.check_settings()
            runs[category.name] = run
        rows: list[Row] = []
        for name, run_or_error in runs.items():
            logger.info("Category %s, %d of %d.", name, len(rows) + 1, len(runs))
            rows.append(_row(name, run_or_error, lock))
            result = _write(config, rows, len(runs), others)
    return result


def _check_config(config: Config) -> None:
    for key, value in (
        ("Train.resume_path", config.Train.is_resumed), ("Evaluate.weight_path", config.Evaluate.weight_path),
    ):  # fmt: skip
        if value:
            remedy = "Leave it out: each category goes on from its own checkpoint and is judged by its own weights"
            raise ConfigError("the key means one training run, a benchmark has many", where=key, remedy=remedy)


def _row(name: str, run: CategoryRun | str, lock: int) -> Row:
    if isinstance(run, str):
        return Row(name, error=run)
    try:
        run.complete(lock)
    except BenchmarkError as error:
        logger.error("%s failed: %s", name, error)
        return Row(name, error=str(error))
    evaluation = run.result("evaluate") or {}
    return Row.of(name, evaluation["metrics"], run.data.train_images, run.training_minutes())


def _write(config: Config, rows: list[Row], total: int, others: list[str]) -> dict[str, Any]:
    """The three tables as far as they are known; returns what benchmark_result.json says."""
    output, mean = config.output, Mean.of(rows)
    with csv_file(output / CSV) as write_row:
        for line in csv_rows(rows, mean, total):
            write_row(line)
    write_text(output / MARKDOWN, to_markdown(rows, mean, total))
    write_page(output / PAGE, config, rows, mean, total=total, others=others)
    failed = [row for row in rows if row.error is not None]
    result: dict[str, Any] = {
        "done_flag": not failed,
        "categories": [row.to_dict() for row in rows],
        "mean": dict(mean.figures),
        "mean_of": dict(mean.counts),
        "failed": [row.category for row in failed],
        "passed_over": others,
        "report": PAGE,
        "csv": CSV,
        "markdown": MARKDOWN,
        "category_folders": CATEGORIES,
    }
    if failed:
        what = f"{len(failed)} of {total} categories failed. {failed[0].category}: {failed[0].error}"
        result.update(err_type="BenchmarkError", err_msg=what)
    return result
