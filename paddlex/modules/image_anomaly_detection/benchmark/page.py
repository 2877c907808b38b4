"""benchmark/report.html: the table for people, in the style of the evaluation report, one file that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from paddlex import __version__
from paddlex.config_schema import Config
from paddlex.evaluation.report.frame import framed_page
from paddlex.evaluation.report.markup import Html, Node, describe, join, tag
from paddlex.evaluation.report.numbers import NOT_MEASURABLE, figure, interval
from paddlex.modules.image_anomaly_detection.benchmark import words
from paddlex.modules.image_anomaly_detection.benchmark.chart import dot_chart, key
from paddlex.modules.image_anomaly_detection.benchmark.table import Mean, Row, counted, mean_name, mean_text
from paddlex.utils.files import write_text

_HEADINGS = (
    "Category", "Train / good / defective", "Image AUROC", "Pixel AUROC", "AUPRO (0.3)", "Defects found", "False alarms",
    "Minutes",
)  # fmt: skip
_MEANS = ("image_auroc", "pixel_auroc", "aupro_30", "found_share", "false_alarm_share", "training_minutes")


def write_page(
    path: Path, config: Config, rows: Sequence[Row], mean: Mean, *, total: int, others: Sequence[str]
) -> None:
    """Write the page, atomically.

    Args:
        path: where to; it links to table.csv, table.md and categories/<name>/evaluate/report.html beside it.
        config: of the benchmark.
        rows: the categories that are finished or failed.
        mean: over the finished ones.
        total: how many categories there are.
        others: folders that are no category.
    """
    name = Path(config.Global.dataset_dir or "").resolve().name
    finished = sorted((row for row in rows if row.error is None), key=lambda row: (_or_zero(row), row.category))
    failed = [row for row in rows if row.error is not None]
    page = framed_page(
        join(f"{config.Global.model} on {name}, every category"),
        (files(__package__) / "page.html").read_text(encoding="utf-8"),
        more_style=(files(__package__) / "page.css").read_text(encoding="utf-8"),
        about=describe(_about(config, rows), class_="about"),
        headline=join(words.headline(finished, mean, total)),
        key_figures=_key_figures(finished, mean),
        notes=_notes(rows, total, others),
        table=_table(finished, failed, mean, mean_name(rows, mean, total)),
        explanation=join(words.explanation(config.Train.calibration.rule)),
        chart=join(key(), tag("figure", dot_chart(finished), class_="wide")) if finished else tag("p", "Nothing yet."),
    )
    write_text(path, page)


def _or_zero(row: Row) -> float:
    return row.image_auroc or 0.0


def _about(config: Config, rows: Sequence[Row]) -> list[tuple[Node, Node]]:
    train = config.Train
    minutes = sum(row.training_minutes or 0 for row in rows)
    return [
        ("Model", f"{config.Global.model}, {train.backbone}, image size {train.image_size}"),
        (
            "Training",
            f"{train}; {minutes:.1f} minutes in all",
        ),
        ("Anomaly map", f"{train.calibration.fusion} fusion of {', '.join(train.layers)}"),
        ("Data set", str(Path(config.Global.dataset_dir or "").absolute())),
        ("Date", f"{date.today().isoformat()}, version {__version__}"),
    ]


def _key_figures(finished: Sequence[Row], mean: Mean) -> Html:
    names = {
        "image_auroc": ("Mean image AUROC", "How often a defective part scores higher than a good one; 0.5 is a coin toss."),
        "pixel_auroc": ("Mean pixel AUROC", "The same for pixels, at the images' full resolution."),
        "aupro_30": ("Mean AUPRO (0.3)", "How much of each defect is covered, small ones counting as much as large ones."),
    }  # fmt: skip
    cells = []
    for name, (title, meaning) in names.items():
        value = mean_text(name, mean.figures[name])
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


def _notes(rows: Sequence[Row], total: int, others: Sequence[str]) -> Html:
    notes = words.notes(rows, total, others)
    if not notes:
        return Html("")
    return tag("aside", tag("h3", "Please note"), tag("ul", *(tag("li", note) for note in notes)), class_="notes")


def _table(finished: Sequence[Row], failed: Sequence[Row], mean: Mean, name: str) -> Html:
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in _HEADINGS)))
    lines = [_line(row) for row in finished]
    for row in failed:
        error = tag("td", f"failed: {row.error}", class_="missing", colspan=len(_HEADINGS) - 1)
        lines.append(tag("tr", tag("th", row.category, scope="row"), error))
    means = [tag("td", mean_text(key, mean.figures[key])) for key in _MEANS]
    foot = tag("tfoot", tag("tr", tag("th", name, scope="row"), tag("td", ""), *means))
    whole = tag("table", head, tag("tbody", *lines), foot, class_="categories")
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label="Table of all categories")


def _line(row: Row) -> Html:
    link = tag("a", row.category, href=f"categories/{quote(row.category)}/evaluate/report.html")
    bounds = None if row.image_auroc_low is None else (row.image_auroc_low, row.image_auroc_high or 0.0)
    spread = tag("small", f" {interval(bounds, 2)}") if bounds and bounds[0] != bounds[1] else None
    cells: list[Node] = [
        f"{row.train_images:,} / {row.normal_images:,} / {row.anomalous_images:,}",
        join(figure(row.image_auroc), spread), figure(row.pixel_auroc), figure(row.aupro_30),
        counted(row.found, row.anomalous_images), counted(row.false_alarms, row.normal_images),
        f"{row.training_minutes:.1f}",
    ]  # fmt: skip
    return tag("tr", tag("th", link, scope="row"), *(tag("td", cell) for cell in cells))
