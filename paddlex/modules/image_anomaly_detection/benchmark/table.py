"""The table that papers print: a row for each category, and the mean. Pure: figures in, text out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from paddlex.evaluation.report.numbers import figure, percent
from paddlex.utils.console import visible


@dataclass(frozen=True)
class Row:
    """One category. A figure that could not be measured, or was not measured because the category failed, is None.

    Attributes:
        category: its name.
        error: why it failed; None if it did not.
        train_images, normal_images, anomalous_images: to train on (those held out included); to judge.
        image_auroc, pixel_auroc, aupro_30: as papers print them; AUPRO up to a false-positive rate of 0.3.
        image_auroc_low, image_auroc_high: the 95 % bootstrap interval.
        aupro_05, image_average_precision, pixel_average_precision: further figures of papers.
        found, false_alarms: counts at the model's threshold.
        training_minutes: wall time.
    """

    category: str
    error: str | None = None
    train_images: int | None = None
    normal_images: int | None = None
    anomalous_images: int | None = None
    image_auroc: float | None = None
    image_auroc_low: float | None = None
    image_auroc_high: float | None = None
    pixel_auroc: float | None = None
    aupro_30: float | None = None
    aupro_05: float | None = None
    image_average_precision: float | None = None
    pixel_average_precision: float | None = None
    found: int | None = None
    false_alarms: int | None = None
    training_minutes: float | None = None

    @classmethod
    def of(cls, category: str, metrics: Mapping[str, Any], train_images: int, training_minutes: float) -> Row:
        """The row of a category from the ``metrics`` of its evaluate_result.json."""
        image, pixel = metrics["image_level"], metrics["pixel_level"]
        low, high = image["intervals_95"]["auroc"] or (None, None)
        return cls(
            category=category,
            train_images=train_images,
            normal_images=metrics["normal_images"],
            anomalous_images=metrics["anomalous_images"],
            image_auroc=metrics["image_auroc"],
            image_auroc_low=low,
            image_auroc_high=high,
            pixel_auroc=metrics["pixel_auroc"],
            aupro_30=metrics["aupro"],
            aupro_05=pixel["aupro_05"],
            image_average_precision=image["average_precision"],
            pixel_average_precision=pixel["average_precision"],
            found=image["true_positive"],
            false_alarms=image["false_positive"],
            training_minutes=round(training_minutes, 2),
        )

    @property
    def found_share(self) -> float | None:
        """Of the anomalous images, the share called so."""
        return _share(self.found, self.anomalous_images)

    @property
    def false_alarm_share(self) -> float | None:
        """Of the normal images, the share called anomalous."""
        return _share(self.false_alarms, self.normal_images)

    def to_dict(self) -> dict[str, Any]:
        """All values and both shares, by name."""
        values = asdict(self)
        error = values.pop("error")
        return {**values, "found_share": self.found_share, "false_alarm_share": self.false_alarm_share, "error": error}


#: What a mean is taken of.
MEAN_FIGURES = (
    "image_auroc", "pixel_auroc", "aupro_30", "aupro_05", "image_average_precision", "pixel_average_precision",
    "found_share", "false_alarm_share", "training_minutes",
)  # fmt: skip


@dataclass(frozen=True)
class Mean:
    """The unweighted mean over categories, as in papers.

    Attributes:
        figures: each of ``MEAN_FIGURES``; None where no category has it.
        counts: how many categories each figure is the mean of.
    """

    figures: Mapping[str, float | None]
    counts: Mapping[str, int]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Mean:
        """The mean over the rows that have a figure."""
        dicts = [row.to_dict() for row in rows if row.error is None]
        known = {name: [row[name] for row in dicts if row[name] is not None] for name in MEAN_FIGURES}
        means = {name: sum(values) / len(values) if values else None for name, values in known.items()}
        return cls(means, {name: len(values) for name, values in known.items()})


def mean_name(rows: Sequence[Row], mean: Mean, total: int) -> str:
    """What the row of the mean is called: a mean over fewer categories than there are must not pass for the whole."""
    measured = sum(row.error is None for row in rows)
    name = f"mean of {measured}" if measured == total else f"mean of {measured} of {total}"
    partial = [
        f"{label} of {mean.counts[key]}"
        for key, label in (("image_auroc", "image AUROC"), ("pixel_auroc", "pixel figures"))
        if 0 < mean.counts[key] < measured
    ]
    return f"{name} ({', '.join(partial)})" if partial else name


def csv_rows(rows: Sequence[Row], mean: Mean, total: int) -> list[list[Any]]:
    """The names of the columns, then all figures, a row for each category by name, then the mean; None where there is none."""
    columns = list(Row("").to_dict())
    last = {"category": mean_name(rows, mean, total), **mean.figures}
    return [columns, *([row.get(column) for column in columns] for row in [*(row.to_dict() for row in rows), last])]


#: Heading and text of the columns that people read, of a row and of the mean.
_COLUMNS: tuple[tuple[str, Callable[[Row], str], str], ...] = (
    ("image AUROC", lambda row: figure(row.image_auroc), "image_auroc"),
    ("pixel AUROC", lambda row: figure(row.pixel_auroc), "pixel_auroc"),
    ("AUPRO (0.3)", lambda row: figure(row.aupro_30), "aupro_30"),
    ("defects found", lambda row: counted(row.found, row.anomalous_images), "found_share"),
    ("false alarms", lambda row: counted(row.false_alarms, row.normal_images), "false_alarm_share"),
    ("training, minutes", lambda row: f"{row.training_minutes:.1f}", "training_minutes"),
)


def to_markdown(rows: Sequence[Row], mean: Mean, total: int) -> str:
    """What people read, a row for each category by name, then the mean."""
    lines = [["category", *(heading for heading, _, _ in _COLUMNS)], ["---", *["---:"] * len(_COLUMNS)]]
    for row in rows:
        name = _cell(row.category)
        if row.error is not None:
            lines.append([name, f"failed: {_cell(row.error)}", *[""] * (len(_COLUMNS) - 1)])
        else:
            lines.append([name, *(text(row) for _, text, _ in _COLUMNS)])
    means = [mean_text(key, mean.figures[key]) for _, _, key in _COLUMNS]
    lines.append([f"**{text}**" for text in (mean_name(rows, mean, total), *means)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def mean_text(key: str, value: float | None) -> str:
    """A mean as people read it."""
    if value is None:
        return figure(None)
    if key.endswith("_share"):
        return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"
    return f"{value:.1f}" if key == "training_minutes" else figure(value)


def counted(part: int | None, whole: int | None) -> str:
    """``39 % (62 of 160)``."""
    if part is None or not whole:
        return figure(None)
    return f"{percent(part, whole)} ({part:,} of {whole:,})"


def _share(part: int | None, whole: int | None) -> float | None:
    return part / whole if part is not None and whole else None


def _cell(text: str) -> str:
    """Text that cannot end its cell, nor begin a tag, a link, a picture or code."""
    return re.sub(r"[\\|\[\]`]", r"\\\g<0>", visible(" ".join(text.split()))).replace("<", "&lt;")
