"""benchmark/report.html: the table for people, in the style of the evaluation report, one file that opens offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from paddlex import __version__
from paddlex.config_schema import Config
from paddlex.evaluation.report.frame import framed_page
from paddlex.evaluation.report.markup import Html, Node, describe, join, tag
from paddlex.evaluation.report.numbers import NOT_MEASURABLE, figure, interval
from paddlex.modules.image_anomaly_detection.benchmark import words
from paddlex.modules.image_anomaly_detection.benchmark.chart import dot_chart, figures_of, key, names_of
from paddlex.modules.image_anomaly_detection.benchmark.columns import columns_of
from paddlex.modules.image_anomaly_detection.benchmark.comparison import Standing
from paddlex.modules.image_anomaly_detection.benchmark.table import Mean, Row, Table
from paddlex.utils.files import write_text

_IMAGES = tag("small", "train / good / defective")


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
    page = framed_page(
        join(f"{models} on {Path(dataset_dir).resolve().name}, every category"),
        (files(__package__) / "page.html").read_text(encoding="utf-8"),
        more_style=(files(__package__) / "page.css").read_text(encoding="utf-8"),
        about=describe(_about(configs, table, dataset_dir), class_="about"),
        headline=join(words.headline(table)),
        key_figures=_means(table) if table.is_comparison else _key_figures(table),
        notes=_notes(words.notes(table, others, by_default)),
        table=_table(table),
        explanation=join(words.explanation(rule, table.is_comparison)),
        chart=_chart(table) if table.finished else tag("p", "Nothing yet."),
    )
    write_text(path, page)


def _about(configs: Mapping[str, Config], table: Table, dataset_dir: str) -> list[tuple[Node, Node]]:
    minutes = sum(row.training_minutes or 0 for row in table.rows)
    return [
        *((model, _settings(config)) for model, config in configs.items()),
        ("Training", f"{minutes:.1f} minutes in all"),
        ("Data set", str(Path(dataset_dir).absolute())),
        ("Date", f"{date.today().isoformat()}, version {__version__}"),
    ]


def _settings(config: Config) -> str:
    train, features = config.Train, config.Train.features()
    backbone = f"{features['backbone']}, {', '.join(features['layers'])}, " if features else ""
    return f"{backbone}image size {train.image_size}, {train.calibration.fusion} fusion; {train}"


def _key_figures(table: Table) -> Html:
    (mean,), finished = table.means.values(), table.finished
    names = {
        "image_auroc": ("Mean image AUROC", "How often a defective part scores higher than a good one; 0.5 is a coin toss."),
        "pixel_auroc": ("Mean pixel AUROC", "The same for pixels, at the images' full resolution."),
        "aupro_30": ("Mean AUPRO (0.3)", "How much of each defect is covered, small ones counting as much as large ones."),
    }  # fmt: skip
    cells = []
    for name, (title, meaning) in names.items():
        value = figure(mean.figures[name])
        known = [row.to_dict()[name] for row in finished if row.to_dict()[name] is not None]
        spread = f"{figure(min(known))} to {figure(max(known))} over {len(known)}" if known else ""
        cells.append(
            tag(
                "div",
                tag("dt", title),
                tag("dd", value, class_="value missing" if value == NOT_MEASURABLE else "value"),
                tag("dd", spread, class_="spread"),
                tag("dd", meaning, class_="meaning"),
            )
        )
    return tag("dl", *cells, class_="figures")


def _notes(notes: Sequence[str]) -> Html:
    if not notes:
        return Html("")
    return tag("aside", tag("h3", "Please note"), tag("ul", *(tag("li", note) for note in notes)), class_="notes")


def _means(table: Table) -> Html:
    """The models' means, a line for each."""
    lines = [_mean_line(table, model, [mean.name], mean) for model, mean in table.means.items()]
    headings = [tag("th", text, scope="col") for text in ("Model", "over")]
    return _framed(table, headings, [tag("tbody", *lines)], "Table of all models")


def _table(table: Table) -> Html:
    """A line for each run; below those of one model its mean."""
    bodies = []
    for _, of_category in groupby(table.finished, key=lambda row: row.category):
        rows = list(of_category)
        bodies.append(tag("tbody", *(_line(table, row, len(rows) if row is rows[0] else 0) for row in rows)))
    headings = [tag("th", join("Category", _IMAGES), scope="col")]
    if table.is_comparison:
        headings.append(tag("th", "model", scope="col", class_="model"))
    columns = len(columns_of(table)) + len(headings)
    for row in table.failed:
        error = tag("td", f"failed: {row.error}", class_="missing", colspan=columns - 1)
        bodies.append(tag("tbody", tag("tr", tag("th", table.name_of(row), scope="row"), error)))
    if not table.is_comparison:
        bodies.append(tag("tfoot", *(_mean_line(table, mean.name, [], mean) for mean in table.means.values())))
    return _framed(table, headings, bodies, "Table of all categories")


def _framed(table: Table, headings: Sequence[Html], bodies: Sequence[Html], label: str) -> Html:
    columns = (tag("th", column.heading, scope="col") for column in columns_of(table))
    head = tag("thead", tag("tr", *headings, *columns))
    whole = tag("table", head, *bodies, class_="categories")
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=label)


def _mean_line(table: Table, name: str, more: Sequence[str], mean: Mean) -> Html:
    first, *others = (column.of_mean(mean) for column in columns_of(table))
    cells = [*more, _emphasised(first, mean.standing), *map(_two_lines, others)]
    return tag("tr", tag("th", name, scope="row"), *(tag("td", cell) for cell in cells))


def _line(table: Table, row: Row, height: int) -> Html:
    """A run's line.

    Args:
        table: whose columns it has.
        row: its figures.
        height: how many lines the category has, in the first of them; 0 in the others.
    """
    folder = f"categories/{quote(row.category)}/{quote(row.model)}"
    link = tag("a", row.model if table.is_comparison else row.category, href=f"{folder}/evaluate/report.html")
    bounds = None if row.image_auroc_low is None else (row.image_auroc_low, row.image_auroc_high or 0.0)
    spread = tag("small", f" {interval(bounds, 2)}") if bounds and bounds[0] != bounds[1] else None
    first, *others = (column.of(row) for column in columns_of(table))
    images = tag("small", f"{row.train_images:,} / {row.normal_images:,} / {row.anomalous_images:,}")
    heads: list[Html] = []
    if not table.is_comparison:
        heads.append(tag("th", join(link, images), scope="row"))
    elif height:
        heads.append(tag("th", join(row.category, images), scope="rowgroup", rowspan=height))
    if table.is_comparison:
        heads.append(tag("td", link, class_="model"))
    cells: list[Node] = [join(_emphasised(first, row.standing), spread), *map(_two_lines, others)]
    return tag("tr", *heads, *(tag("td", cell) for cell in cells))


def _emphasised(auroc: str, standing: Standing | None) -> Node:
    return tag("strong", auroc) if standing is not None and standing.is_best else auroc


def _two_lines(text: str) -> Node:
    """What stands in brackets, below and small."""
    main, bracket, more = text.partition(" (")
    return join(main, tag("small", more.removesuffix(")"))) if bracket else text


def _chart(table: Table) -> Html:
    names = names_of(table)
    about = tag("p", "The image AUROC of each model.") if table.is_comparison else None
    return join(about, key(names), tag("figure", dot_chart(figures_of(table), names), class_="wide"))
