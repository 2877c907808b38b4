"""The card beside a weight file is checked when it is read, as inference.yml is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paddlex.errors import WeightsError
from paddlex.inference.tiling import Tiling
from paddlex.modules.image_anomaly_detection.model_card import ModelCard

CALIBRATION = {
    "fusion": "product", "image_threshold": 2.0, "pixel_threshold": 1.0, "image_typical": 0.5, "pixel_typical": 0.1,
    "target_fpr": 0.05, "target_pixel_fpr": 0.001, "method": "by hand", "scores": [1.0, 1.5, 2.0], "images": 3,
}  # fmt: skip

#: As the first version of the toolkit wrote it.
CARD = {
    "model_name": "STFPM", "backbone": "resnet18", "layers": ["layer1", "layer2"], "image_size": 256,
    "teacher_weights": {"source": "bundled", "sha256": "0a"}, "calibration": CALIBRATION,
    "training": {"epoch": 2, "start_loss": None, "history": [{"epoch": 1, "held_out_loss": 0.5}]}, "tiling": {},
}  # fmt: skip


@pytest.fixture
def load(tmp_path: Path):
    def load(text: str) -> ModelCard | None:
        (tmp_path / "model.pdstates").write_text(text, encoding="utf-8")
        return ModelCard.load(tmp_path / "model.pdparams")

    return load


def test_a_card_of_the_first_version_is_read(load) -> None:
    card = load(json.dumps(CARD))
    assert card is not None and card.calibration is not None
    assert (card.layers, card.image_size, card.tiling) == (("layer1", "layer2"), 256, None)
    assert card.calibration.to_dict()["scores"] == [1.0, 1.5, 2.0]


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    card = ModelCard.parse({**CARD, "tiling": {"tile_size": 256, "overlap": 0.25}})
    assert card.tiling == Tiling(256, 0.25)
    card.save(tmp_path / "model.pdparams")
    assert ModelCard.load(tmp_path / "model.pdparams") == card


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"calibration": {**CALIBRATION, "image_threshold": "high"}},
            "calibration.image_threshold must be a finite number",
        ),
        ({"calibration": {**CALIBRATION, "fusion": "both"}}, "calibration.fusion must be calibrated, product or paper"),
        ({"calibration": []}, "calibration must be a section of keys"),
        ({"layers": []}, "layers must be a list of 1 or more values"),
        ({"image_size": 2.5}, "image_size must be a whole number"),
        ({"tiling": {"tile_size": 3}}, "tiling cannot be used"),
        ({"bckbone": "resnet18"}, "'bckbone' is not known"),
        ({"teacher_weights": {"source": 5}}, "teacher_weights.source must be text"),
    ],
)
def test_a_value_that_cannot_be_is_named(load, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(WeightsError) as caught:
        load(json.dumps({**CARD, **change}))
    assert str(caught.value).startswith(f"the model's card is damaged: {problem}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_refused_anywhere(load, number: str) -> None:
    for key in ('"image_threshold": 2.0', '"held_out_loss": 0.5', '"image_size": 256'):
        text = json.dumps(CARD)
        assert key in text
        with pytest.raises(WeightsError, match="the model's card is damaged"):
            load(text.replace(key, f"{key.partition(':')[0]}: {number}"))
