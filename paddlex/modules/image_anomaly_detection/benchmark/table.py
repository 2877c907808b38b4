"""The table that papers print: a row for each category and model, and each model's mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from paddlex.modules.image_anomaly_detection.benchmark.comparison import Comparison, Standing
from paddlex.modules.image_anomaly_detection.benchmark.published import PUBLISHED


@dataclass(frozen=True)
class Row:
    """One model on one category. A figure that could not be measured, or was not because the run failed, is None.

    Attributes:
        category: its name.
        model: its name.
        error: why the run failed; None if it did not.
        train_images, normal_images, anomalous_images: to train on (those held out included); to judge.
        image_auroc, pixel_auroc, aupro_30: as papers print them; AUPRO up to a false-positive rate of 0.3.
        image_auroc_low, image_auroc_high: the 95 % bootstrap interval.
        aupro_05, image_average_precision, pixel_average_precision: further figures of papers.
        found, false_alarms: counts at the model's threshold.
        training_minutes: wall time.
        image_milliseconds, model_megabytes: see ``timing.measure``.
        standing: among several models on the category.
    """

    category: str
    model: str
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
    image_milliseconds: float | None = None
    model_megabytes: float | None = None
    standing: Standing | None = None

    @classmethod
    def of(
        cls, category: str, model: str, metrics: Mapping[str, Any], speed: Mapping[str, Any], *, train_images: int,
        training_minutes: float,
    ) -> Row:  # fmt: skip
        """The row of a run from the ``metrics`` of its evaluate_result.json, and what ``timing.measure`` has found."""
        image, pixel = metrics["image_level"], metrics["pixel_level"]
        low, high = image["intervals_95"]["auroc"] or (None, None)
        return cls(
            category=category,
            model=model,
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
            image_milliseconds=speed["milliseconds"],
            model_megabytes=round(speed["bytes"] / 1e6, 2),
        )

    @property
    def found_share(self) -> float | None:
        """Of the anomalous images, the share called so."""
        return _share(self.found, self.anomalous_images)

    @property
    def false_alarm_share(self) -> float | None:
        """Of the normal images, the share called anomalous."""
        return _share(self.false_alarms, self.normal_images)

    @property
    def published_image_auroc(self) -> float | None:
        """What others have published for the method, on MVTec AD's category of this name."""
        published = PUBLISHED.get(self.model)
        return published.image_auroc.get(self.category) if published else None

    def to_dict(self) -> dict[str, Any]:
        """All values, both shares, how the model stands and the published figure, by name."""
        values = asdict(replace(self, standing=None))
        error = values.pop("error")
        del values["standing"]
        shares = {"found_share": self.found_share, "false_alarm_share": self.false_alarm_share}
        published = {"published_image_auroc": self.published_image_auroc}
        return {**values, **shares, **standing_dict(self.standing), **published, "error": error}


#: What a mean is taken of.
MEAN_FIGURES = (
    "image_auroc", "pixel_auroc", "aupro_30", "aupro_05", "image_average_precision", "pixel_average_precision",
    "found_share", "false_alarm_share", "training_minutes", "image_milliseconds", "model_megabytes",
    "published_image_auroc",
)  # fmt: skip


@dataclass(frozen=True)
class Mean:
    """A model's unweighted mean over categories, as in papers.

    Attributes:
        name: what its row is called: a mean over fewer categories than there are must not pass for the whole.
        figures: each of ``MEAN_FIGURES``; None where no category has it.
        counts: how many categories each figure is the mean of.
        standing: among several models, over the categories that all of them have judged.
    """

    name: str
    figures: Mapping[str, float | None]
    counts: Mapping[str, int]
    standing: Standing | None = None

    @classmethod
    def of(cls, rows: Sequence[Row], total: int, standing: Standing | None = None) -> Mean:
        """The mean over the rows, of one model, that have a figure.

        Args:
            rows: of the categories that are finished or failed.
            total: how many categories there are.
            standing: of the model's mean.
        """
        dicts = [row.to_dict() for row in rows if row.error is None]
        known = {name: [row[name] for row in dicts if row[name] is not None] for name in MEAN_FIGURES}
        if len(known["published_image_auroc"]) < len(dicts):
            known["published_image_auroc"] = []  # it would be one over other categories
        means = {name: sum(values) / len(values) if values else None for name, values in known.items()}
        counts = {name: len(values) for name, values in known.items()}
        return cls(_mean_name(len(dicts), total, counts), means, counts, standing)

    def to_dict(self) -> dict[str, Any]:
        """All figures, and how the model stands, by name."""
        return {**self.figures, **standing_dict(self.standing)}


@dataclass(frozen=True)
class Table:
    """All that is known so far.

    Attributes:
        rows: of the runs that are finished or failed, category by category.
        means: by model, in the order that they were named.
        categories: how many there are.
    """

    rows: Sequence[Row]
    means: Mapping[str, Mean]
    categories: int

    @classmethod
    def of(
        cls, rows: Sequence[Row], models: Sequence[str], categories: int, compared: Mapping[str, Comparison]
    ) -> Table:
        """The table, with how the models stand.

        Args:
            rows: of the runs that are finished or failed.
            models: all of them.
            categories: how many there are.
            compared: by category, the models that have judged it.
        """
        standings = {category: comparison.standings() for category, comparison in compared.items()}
        standing = [replace(row, standing=standings.get(row.category, {}).get(row.model)) for row in rows]
        whole = Comparison.mean(list(compared.values()), models)
        of_means = whole.standings() if whole else {}
        means = {
            model: Mean.of([row for row in standing if row.model == model], categories, of_means.get(model))
            for model in models
        }
        return cls(standing, means, categories)

    @property
    def is_comparison(self) -> bool:
        return len(self.means) > 1

    @property
    def total(self) -> int:
        """How many rows there will be."""
        return self.categories * len(self.means)

    @property
    def finished(self) -> list[Row]:
        """The rows with figures; the category with the lowest image AUROC first, its models as they were named."""
        rows = [row for row in self.rows if row.error is None]
        lowest = {row.category: min(_or_zero(one) for one in rows if one.category == row.category) for row in rows}
        return sorted(rows, key=lambda row: (lowest[row.category], row.category))

    @property
    def failed(self) -> list[Row]:
        return [row for row in self.rows if row.error is not None]

    def name_of(self, row: Row) -> str:
        """What a run is called."""
        return f"{row.category} with {row.model}" if self.is_comparison else row.category


def _mean_name(measured: int, total: int, counts: Mapping[str, int]) -> str:
    name = f"mean of {measured}" if measured == total else f"mean of {measured} of {total}"
    partial = [
        f"{label} of {counts[key]}"
        for key, label in (("image_auroc", "image AUROC"), ("pixel_auroc", "pixel figures"))
        if 0 < counts[key] < measured
    ]
    return f"{name} ({', '.join(partial)})" if partial else name


def _or_zero(row: Row) -> float:
    return row.image_auroc or 0.0


def _share(part: int | None, whole: int | None) -> float | None:
    return part / whole if part is not None and whole else None


def standing_dict(standing: Standing | None) -> dict[str, Any]:
    """The same by name, None where there is none."""
    names = ("image_auroc_difference", "image_auroc_difference_low", "image_auroc_difference_high", "is_best")
    values = (standing.difference, standing.low, standing.high, standing.is_best) if standing else [None] * 4
    return dict(zip(names, values, strict=True))
