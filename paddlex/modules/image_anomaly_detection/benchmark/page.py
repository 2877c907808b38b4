"""benchmark/report.html: the table for people, in the style of the evaluation report, one file that opens offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from paddlex import __version__
from paddlex.config_schema import Config
from paddlex.evaluation.numbers import figure, interval
from paddlex.evaluation.report.rendering import Section, render
from paddlex.evaluation.report.words import KeyFigure
from paddlex.modules.image_anomaly_detection.benchmark import words
from paddlex.modules.image_anomaly_detection.benchmark.chart import dot_chart, figures_of, names_of, samples
from paddlex.modules.image_anomaly_detection.benchmark.columns import columns_of
from paddlex.modules.image_anomaly_detection.benchmark.comparison import Standing
from paddlex.modules.image_anomaly_detection.benchmark.table import Mean, Row, Table
from paddlex.utils.files import write_text

_TEMPLATES = "modules/image_anomaly_detection/benchmark/templates"

_KEY_FIGURES = {
    "image_auroc": ("Mean image AUROC", "How often a defective part scores higher than a good one; 0.5 is a coin toss."),
    "pixel_auroc": ("Mean pixel AUROC", "The same for pixels, at the images' full resolution."),
    "aupro_30": ("Mean AUPRO (0.3)", "How much of each defect is covered, small ones counting as much as large ones."),
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A run's line, or a mean's.

    Attributes:
        name: of the category; of the mean; of a failed run.
        model: of the run.
        cells: the text of each column.
        is_best: whether the first of them is surely the highest of its category.
        spread: the interval of the first, where it has a width.
        images: how many there are to train on, good ones and defective ones to judge, as text.
        report: the address of the run's own report.
    """

    name: str
    model: str
    cells: Sequence[str]
    is_best: bool = False
    spread: str | None = None
    images: str = ""
    report: str = ""


def write_page(path: Path, config: Config, configs: Mapping[str, Config], table: Table, others: Sequence[str]) -> None:
    """Write the page, atomically.

    Args:
        path: where to; it links to table.csv, table.md and categories/<category>/<model>/evaluate/report.html beside it.
        config: of the benchmark.
        configs: of each model.
        table: all that is known so far.
        others: folders in it that are no category.
    """
    (*_, last) = configs
    models = " and ".join(filter(None, [", ".join(list(configs)[:-1]), last]))
    dataset_dir, rule = config.Global.dataset_dir or "", config.Train.calibration.rule
    by_default = [model for model in configs if model != config.Global.model]
    names, headings = names_of(table), [column.heading for column in columns_of(table)]
    lines, means = _lines(table), [_mean_line(table, model, mean) for model, mean in table.means.items()]
    shared = {"is_comparison": table.is_comparison, "headings": headings, "means": means}
    sections = [
        _section(
            "summary", "Summary", "Summary", headline=words.headline(table), remarks=words.notes(table, others, by_default),
            figures=[] if table.is_comparison else _key_figures(table), **shared,
        ),
        _section(
            "table", "Every category", "Table", failed=[(table.name_of(row), row.error) for row in table.failed],
            categories=[list(lines_of) for _, lines_of in groupby(lines, lambda line: line.name)],
            explanation=words.explanation(rule, table.is_comparison), **shared,
        ),
        _section(
            "chart", "Where it is strong and where it is weak", "Chart", is_comparison=table.is_comparison,
            chart=dot_chart(figures_of(table), names) if table.finished else None, samples=samples(names),
        ),
    ]  # fmt: skip
    title = f"{models} on {Path(dataset_dir).resolve().name}, every category"
    about = _about(configs, table, dataset_dir)
    write_text(path, render(f"{_TEMPLATES}/page.html", title=title, about=about, sections=sections))


def _section(name: str, title: str, link: str, **values: object) -> Section:
    return Section(name, title, link, render(f"{_TEMPLATES}/{name}.html", **values))


def _about(configs: Mapping[str, Config], table: Table, dataset_dir: str) -> dict[str, str]:
    minutes = sum(row.training_minutes or 0 for row in table.rows)
    return {
        **{model: _settings(config) for model, config in configs.items()},
        "Training": f"{minutes:.1f} minutes in all",
        "Data set": str(Path(dataset_dir).absolute()),
        "Date": f"{date.today().isoformat()}, version {__version__}",
    }


def _settings(config: Config) -> str:
    train, features = config.Train, config.Train.features()
    backbone = f"{features['backbone']}, {', '.join(features['layers'])}, " if features else ""
    return f"{backbone}image size {train.image_size}, {train.calibration.fusion} fusion; {train}"


def _key_figures(table: Table) -> list[KeyFigure]:
    (mean,) = table.means.values()
    figures = []
    for name, (title, meaning) in _KEY_FIGURES.items():
        known = [row.to_dict()[name] for row in table.finished if row.to_dict()[name] is not None]
        spread = f"{figure(min(known))} to {figure(max(known))} over {len(known)}" if known else ""
        figures.append(KeyFigure(title, figure(mean.figures[name]), spread, meaning))
    return figures


def _lines(table: Table) -> list[Line]:
    """The line of each run that has figures."""
    lines, columns = [], columns_of(table)
    for row in table.finished:
        bounds = None if row.image_auroc_low is None else (row.image_auroc_low, row.image_auroc_high or 0.0)
        lines.append(
            Line(
                row.category,
                row.model,
                [column.of(row) for column in columns],
                _is_best(row.standing),
                interval(bounds, 2) if bounds and bounds[0] != bounds[1] else None,
                _images(row),
                f"categories/{quote(row.category)}/{quote(row.model)}/evaluate/report.html",
            )
        )
    return lines


def _mean_line(table: Table, model: str, mean: Mean) -> Line:
    return Line(mean.name, model, [column.of_mean(mean) for column in columns_of(table)], _is_best(mean.standing))


def _is_best(standing: Standing | None) -> bool:
    return standing is not None and standing.is_best


def _images(row: Row) -> str:
    return f"{row.train_images:,} / {row.normal_images:,} / {row.anomalous_images:,}"
