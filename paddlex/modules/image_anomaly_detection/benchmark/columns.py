"""The table as text: what people read of it, in a document and on a page, and all of it for programs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from paddlex.evaluation.numbers import figure, percent
from paddlex.modules.image_anomaly_detection.benchmark.comparison import Standing
from paddlex.modules.image_anomaly_detection.benchmark.table import Mean, Row, Table
from paddlex.utils.console import visible

_BEHIND, _PUBLISHED = "behind the highest", "published image AUROC"


class Column(NamedTuple):
    """A column that people read: its heading, and its text of a row and of a mean."""

    heading: str
    of: Callable[[Row], str]
    of_mean: Callable[[Mean], str]


def _figure_column(heading: str, name: str, text: Callable[[float | None], str]) -> Column:
    return Column(heading, lambda row: text(getattr(row, name)), lambda mean: text(mean.figures[name]))


def _share_column(heading: str, part: str, whole: str, name: str) -> Column:
    return Column(
        heading,
        lambda row: counted(getattr(row, part), getattr(row, whole)),
        lambda mean: share_text(mean.figures[name]),
    )


def columns_of(table: Table) -> list[Column]:
    """What people read, but for the names of category and model."""
    left_out = {_BEHIND} if not table.is_comparison else set()
    if all(row.published_image_auroc is None for row in table.rows):
        left_out.add(_PUBLISHED)
    return [column for column in _COLUMNS if column.heading not in left_out]


def csv_rows(table: Table) -> list[list[Any]]:
    """The names of the columns, then all figures, a row for each run, then the means; None where there is none."""
    columns = list(Row("", "").to_dict())
    means = [{"category": mean.name, "model": model, **mean.to_dict()} for model, mean in table.means.items()]
    return [columns, *([row.get(name) for name in columns] for row in [*(row.to_dict() for row in table.rows), *means])]


def to_markdown(table: Table) -> str:
    """What people read, a row for each run, then the means; what is surely the best of its category is bold."""
    columns, models = columns_of(table), ["model"] if table.is_comparison else []
    names = ["category", *models]
    lines = [[*names, *(column.heading for column in columns)], [*["---"] * len(names), *["---:"] * len(columns)]]
    for row in table.rows:
        line = [_cell(name) for name in (row.category, row.model)[: len(names)]]
        if row.error is not None:
            cells = [f"failed: {_cell(row.error)}", *[""] * (len(columns) - 1)]
        else:
            cells = [column.of(row) for column in columns]
            if row.standing and row.standing.is_best:
                cells[0] = f"**{cells[0]}**"
        lines.append([*line, *cells])
    for model, mean in table.means.items():
        texts = [mean.name, model][: len(names)] + [column.of_mean(mean) for column in columns]
        lines.append([f"**{text}**" if text else "" for text in texts])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def counted(part: int | None, whole: int | None) -> str:
    """``39 % (62 of 160)``."""
    if part is None or not whole:
        return figure(None)
    return f"{percent(part, whole)} ({part:,} of {whole:,})"


def share_text(value: float | None) -> str:
    """The mean of shares: ``39.0 %``."""
    return figure(None) if value is None else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def duration(minutes: float | None) -> str:
    """``14 s``, ``3.2 min``."""
    if minutes is None:
        return figure(None)
    unit = (60 * minutes, 0, "s") if minutes < 2 else (minutes, 1, "min")
    return f"{unit[0]:.{unit[1]}f}\N{NO-BREAK SPACE}{unit[2]}"


def standing_text(standing: Standing | None) -> str:
    """``best``, ``highest`` where that may be chance, or what it is less by, with the interval."""
    if standing is None:
        return ""
    if standing.is_best:
        return "best"
    if standing.difference == 0:
        return "highest"
    return f"{signed(standing.difference)} ({signed(standing.low)} to {signed(standing.high)})"


def signed(value: float) -> str:
    """A difference of two figures, not rounded to zero where it is none: ``\N{MINUS SIGN}0.031``, ``0.012``, ``0``."""
    decimals = next((n for n in range(3, 6) if float(f"{value:.{n}f}") != 0), 3)
    return f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}") if value else "0"


def _decimals(decimals: int) -> Callable[[float | None], str]:
    return lambda value: figure(None) if value is None else f"{value:,.{decimals}f}"


_COLUMNS = (
    _figure_column("image AUROC", "image_auroc", figure),
    Column(_BEHIND, lambda row: standing_text(row.standing), lambda mean: standing_text(mean.standing)),
    _figure_column("pixel AUROC", "pixel_auroc", figure),
    _figure_column("AUPRO (0.3)", "aupro_30", figure),
    _share_column("defects found", "found", "anomalous_images", "found_share"),
    _share_column("false alarms", "false_alarms", "normal_images", "false_alarm_share"),
    _figure_column("fitting time", "training_minutes", duration),
    _figure_column("ms an image", "image_milliseconds", _decimals(1)),
    _figure_column("MB", "model_megabytes", _decimals(1)),
    _figure_column(_PUBLISHED, "published_image_auroc", lambda value: "" if value is None else f"{value:.3f}"),
)


def _cell(text: str) -> str:
    """Text that cannot end its cell, nor begin a tag, a link, a picture or code."""
    return re.sub(r"[\\|\[\]`]", r"\\\g<0>", visible(" ".join(text.split()))).replace("<", "&lt;")
