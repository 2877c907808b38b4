"""The last words of the demonstration: a line for each model, whatever the figures are."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddlex.data.demo.summary import summarise
from paddlex.utils.files import write_json

METRICS = {
    "normal_images": 2, "anomalous_images": 3, "image_auroc": 1.0, "image_recall": 0.5, "image_false_positive_rate": 0.0,
}  # fmt: skip


def results(folder: Path, model: str, pixel_auroc: float | None = 0.9) -> Path:
    """What a training and an evaluation leave in a folder, as far as it is read here."""
    write_json(folder / "train_result.json", {"model_name": model, "minutes": 1.5})
    write_json(folder / "evaluate_result.json", {"metrics": {**METRICS, "pixel_auroc": pixel_auroc}})
    weights = folder / "best_model" / "inference" / "inference.pdiparams"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(bytes(2_345_678))
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "best").mkdir()
    write_json(tmp_path / "best" / "predict_result.json", {"images": 5})
    return tmp_path / "best"


@pytest.mark.parametrize(("pixel_auroc", "said"), [(0.9, "0.900"), (None, "not defined")])
def test_a_figure_that_is_not_defined_is_said_to_be(output: Path, pixel_auroc: float | None, said: str) -> None:
    (line,) = [line for line in summarise(results(output, "A", pixel_auroc)).splitlines() if line.startswith("  A ")]
    cells = [cell.strip() for cell in line.split("   ") if cell.strip()]
    assert cells == ["A", "1.000", said, "50%", "0%", "90 s", "2.3 MB"]


def test_models_stand_below_each_other(output: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    lines = summarise(results(output, "OneWithALongName"), results(tmp_path / "other", "Two")).splitlines()
    heading, first, second = (
        next(line for line in lines if line.startswith(f"  {n}")) for n in ("model", "One", "Two")
    )
    assert heading.index("image AUROC") == first.index("1.000") == second.index("1.000")
    assert "2 good and 3 defective parts" in "".join(lines)
