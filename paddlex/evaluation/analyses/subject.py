"""What an analysis gets, and what it gives."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from paddlex.data.dataset import TRAIN_LIST, Sample, read_samples
from paddlex.errors import DatasetError
from paddlex.evaluation.evaluator import ImageRow
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.reading import ANY, Reading


class Finding(Protocol):
    """What an analysis has found: a frozen dataclass."""

    def to_dict(self) -> dict[str, Any]:
        """As it stands in evaluate_result.json, below its ``words``: nothing that JSON does not know, no NaN."""
        ...

    def words(self) -> list[str]:
        """What it means, in sentences for people: plain text, the most important one first."""
        ...


@dataclass(frozen=True)
class NotMade:
    """An analysis that could not be made.

    Attributes:
        reason: why, in one line.
    """

    reason: str

    def to_dict(self) -> dict[str, Any]:
        return {"not_made": self.reason}

    def words(self) -> list[str]:
        return [f"This could not be measured: {self.reason.rstrip('.')}."]


@dataclass(frozen=True)
class Subject:
    """What is looked at.

    Attributes:
        predictor: the model; its ``many_photo_maps`` judges many images.
        good_parts: photos of good parts, new to the model where there are any.
        note: a sentence on where these come from, if the model knows them already; None if it does not.
        pixels_per_mm: of the photos; None where nobody has said.
        seed: the same seed gives the same figures.
        raw_scores: of the images that were evaluated, by ``Sample.image``.
    """

    predictor: AnomalyPredictor
    good_parts: Sequence[Sample]
    note: str | None = None
    pixels_per_mm: float | None = None
    seed: int = 0
    raw_scores: Mapping[str, float] = field(default_factory=dict)

    def spread(self, most: int, fewest: int = 1) -> list[Sample]:
        """At most so many of the good parts, from all over the list.

        Raises:
            DatasetError: there are fewer than ``fewest``.
        """
        total = len(self.good_parts)
        if total < fewest:
            raise DatasetError(
                f"it needs {fewest} good parts, and there are {total}" if total else "there are no good parts",
                remedy="Add photos of good parts to val.txt",
            )
        count = min(most, total)
        return [self.good_parts[number * total // count] for number in range(count)]

    def spread_by_score(self, most: int, fewest: int = 1) -> list[Sample]:
        """The same from all over their raw scores, so that as large a share of some as of all is near the threshold.

        Raises:
            DatasetError: there are fewer than ``fewest``.
        """
        count = len(self.spread(most, fewest))
        ranked = sorted(self.good_parts, key=lambda sample: self.raw_scores.get(sample.image, 0.0))
        return [ranked[(2 * number + 1) * len(ranked) // (2 * count)] for number in range(count)]


def find_good_parts(
    rows: Iterable[ImageRow], dataset_dir: str | os.PathLike[str], reading: Reading = ANY
) -> tuple[list[Sample], str | None]:
    """Good parts that the model was not fitted to, or those that it was fitted to where there are no others.

    Args:
        rows: what became of the validation images.
        dataset_dir: where train.txt is.
        reading: how its photos are read.

    Returns:
        The samples, perhaps none, and ``Subject.note``.
    """
    new = [row.sample for row in rows if not row.is_anomalous]
    if new:
        return new, None
    try:
        known = read_samples(dataset_dir, TRAIN_LIST, reading)
    except DatasetError:
        return [], None
    note = (
        "val.txt has no good part, so this was measured on those of train.txt, which the model knows: on new ones it may be "
        "somewhat different."
    )
    return known, note
