"""Whether one model ranks the images of a category better than another, or the images are too few to tell."""

from __future__ import annotations

import csv
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddlex.evaluation.metrics import auroc, paired_aurocs, percentiles


@dataclass(frozen=True)
class Standing:
    """How a model's image AUROC compares with the highest of all.

    Attributes:
        difference: its own less the highest; 0 for the highest.
        low, high: the 95 % interval of the difference, a bootstrap over images that both judge; 0 for the highest.
        is_best: it is the highest, and the interval of each other one's difference lies below 0.
    """

    difference: float
    low: float
    high: float
    is_best: bool


@dataclass(frozen=True)
class Comparison:
    """Several models on the same images.

    Attributes:
        aurocs: of each model.
        resampled: of each model, float64 [resamples]: the same images in the same place.
    """

    aurocs: Mapping[str, float]
    resampled: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, category: str, tables: Mapping[str, Path]) -> Comparison | None:
        """Compare models by the ``per_image.csv`` of each; None where there is nothing to compare.

        Args:
            category: its name; each category draws images of its own.
            tables: by model.
        """
        read = {model: _read(path) for model, path in tables.items()}
        if len(read) < 2 or len({images for images, _ in read.values()}) > 1:
            return None
        (images, *_), scores = [images for images, _ in read.values()], np.stack([one for _, one in read.values()])
        is_anomalous = np.array([is_anomalous for _, is_anomalous in images])
        if is_anomalous.all() or not is_anomalous.any():
            return None
        normal, anomalous = scores[:, ~is_anomalous], scores[:, is_anomalous]
        aurocs = [auroc(*both) or 0.0 for both in zip(normal, anomalous, strict=True)]
        resampled = paired_aurocs(normal, anomalous, seed=zlib.crc32(os.fsencode(category)))
        return cls(dict(zip(read, aurocs, strict=True)), dict(zip(read, resampled, strict=True)))

    @classmethod
    def mean(cls, comparisons: Sequence[Comparison], models: Sequence[str]) -> Comparison | None:
        """That of the models' means over the categories that all of them have judged; None where there are none."""
        whole = [one for one in comparisons if one.aurocs.keys() == set(models)]
        if not whole:
            return None
        return cls(
            {model: sum(one.aurocs[model] for one in whole) / len(whole) for model in models},
            {model: np.mean([one.resampled[model] for one in whole], axis=0) for model in models},
        )

    def standings(self) -> dict[str, Standing]:
        """How each model stands."""
        best = max(self.aurocs, key=lambda model: self.aurocs[model])
        standings = {}
        for model, value in self.aurocs.items():
            low, high = percentiles(self.resampled[model] - self.resampled[best]) or (0.0, 0.0)
            standings[model] = Standing(value - self.aurocs[best], low, high, is_best=False)
        is_best = all(one.high < 0 for model, one in standings.items() if model != best)
        return {**standings, best: Standing(0.0, 0.0, 0.0, is_best)}


def _read(path: Path) -> tuple[tuple[tuple[str, bool], ...], np.ndarray]:
    """The images of a table and what each is, and their scores float64 [n]."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    images = tuple((line["image"], line["is_anomalous"] == "1") for line in lines)
    return images, np.array([float(line["raw_score"]) for line in lines])
