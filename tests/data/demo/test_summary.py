"""The last words of the demonstration are said whatever the figures are."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddlex.data.demo.summary import summarise
from paddlex.utils.files import write_json

METRICS = {
    "normal_images": 2, "anomalous_images": 3, "image_auroc": 1.0, "pixel_auroc": 0.9, "image_recall": 0.5,
    "image_false_positive_rate": 0.0, "IoU": 0.25, "Recall": 0.5,
}  # fmt: skip


@pytest.mark.parametrize(("precision", "said"), [(0.75, "Precision 0.750"), (None, "Precision not defined")])
def test_a_figure_that_is_not_defined_is_said_to_be(tmp_path: Path, precision: float | None, said: str) -> None:
    write_json(tmp_path / "train_result.json", {"minutes": 1.5})
    write_json(tmp_path / "evaluate_result.json", {"metrics": {**METRICS, "Precision": precision}})
    write_json(tmp_path / "predict_result.json", {"images": 5})
    text = summarise(tmp_path)
    assert f"IoU 0.250, {said}, Recall 0.500" in text
    assert "Trained in 1.5 minutes" in text
