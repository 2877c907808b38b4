"""Which model is better on the same images, and where nobody can tell."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from paddlex.modules.image_anomaly_detection.benchmark.comparison import Comparison

LABELS = [0] * 30 + [1] * 40
GENERATOR = np.random.default_rng(0)
HARD = GENERATOR.normal(size=70) + 2 * np.array(LABELS)  # how the images look to all models


def table(path: Path, scores, labels=LABELS, names: str = "image {}.png") -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "defect_type", "is_anomalous", "called_anomalous", "score", "raw_score"])
        writer.writerows(
            [names.format(number), "", label, 0, 0.5, f"{score:.8g}"]
            for number, (score, label) in enumerate(zip(scores, labels, strict=True))
        )
    return path


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Path]:
    """``good``; ``same`` but for a little noise; ``poor``, which sees next to nothing."""
    scores = {
        "poor": HARD + GENERATOR.normal(scale=6, size=70),
        "good": HARD,
        "same": HARD + GENERATOR.normal(scale=0.05, size=70),
    }
    return {name: table(tmp_path / f"{name}.csv", values) for name, values in scores.items()}


def test_aurocs_are_those_of_scikit_learn(tables: dict[str, Path]) -> None:
    comparison = Comparison.of("bottle", tables)
    assert comparison is not None
    assert comparison.aurocs["good"] == pytest.approx(roc_auc_score(LABELS, HARD), abs=1e-9)


def test_a_model_is_best_where_no_resample_of_the_images_speaks_for_another(tables: dict[str, Path]) -> None:
    comparison = Comparison.of("bottle", {name: tables[name] for name in ("poor", "good")})
    assert comparison is not None
    standings = comparison.standings()
    assert standings["good"].is_best
    assert standings["poor"].low < standings["poor"].difference < standings["poor"].high < 0


def test_of_two_that_are_alike_none_is_best_and_beside_a_poor_one_neither(tables: dict[str, Path]) -> None:
    comparison = Comparison.of("bottle", tables)
    assert comparison is not None
    standings = comparison.standings()
    assert not any(one.is_best for one in standings.values())
    assert standings["poor"].high < 0
    lower = min(("good", "same"), key=lambda name: standings[name].difference)
    assert standings[lower].low <= 0 <= standings[lower].high


def test_what_ranks_all_images_the_same_differs_by_nothing_in_every_resample(tmp_path: Path) -> None:
    tables = {"one": table(tmp_path / "1.csv", HARD), "other": table(tmp_path / "2.csv", 5 * HARD + 3)}
    comparison = Comparison.of("bottle", tables)
    assert comparison is not None
    for standing in comparison.standings().values():
        assert (standing.difference, standing.low, standing.high, standing.is_best) == (0, 0, 0, False)


@pytest.mark.parametrize("changes", [{"names": "other {}.png"}, {"labels": [1] * 30 + [0] * 40}])
def test_models_that_have_judged_different_images_are_not_compared(tmp_path: Path, changes) -> None:
    tables = {"one": table(tmp_path / "1.csv", HARD), "other": table(tmp_path / "2.csv", HARD, **changes)}
    assert Comparison.of("bottle", tables) is None


def test_without_defective_images_or_a_second_model_there_is_nothing_to_compare(tmp_path: Path) -> None:
    good = {name: table(tmp_path / f"{name}.csv", HARD, labels=[0] * 70) for name in ("one", "other")}
    assert Comparison.of("bottle", good) is None
    assert Comparison.of("bottle", {"one": table(tmp_path / "3.csv", HARD)}) is None


def test_means_are_compared_over_the_categories_that_all_models_have_judged() -> None:
    both = [
        Comparison({"a": 0.8, "b": 0.7}, {"a": np.array([0.8, 0.9]), "b": np.array([0.7, 0.7])}),
        Comparison({"a": 0.6, "b": 0.9}, {"a": np.array([0.6, 0.5]), "b": np.array([0.9, 0.8])}),
    ]
    of_one = Comparison({"a": 0.1, "c": 0.2}, {"a": np.zeros(2), "c": np.zeros(2)})
    mean = Comparison.mean([*both, of_one], ["a", "b"])
    assert mean is not None
    assert mean.aurocs == pytest.approx({"a": 0.7, "b": 0.8})
    np.testing.assert_allclose(mean.resampled["a"] - mean.resampled["b"], [-0.1, -0.05])
    assert mean.standings()["b"].is_best
    assert Comparison.mean([of_one], ["a", "b"]) is None
