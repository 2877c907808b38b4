"""A model that finds few of the defects drawn on good parts says so; nothing else about a training changes."""

import json
import logging

import pytest

from paddlex.config import load_config
from paddlex.evaluation.analyses.quick_check import QuickCheck
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.training import blindness
from paddlex.modules.image_anomaly_detection.training.blindness import with_detectability
from paddlex.utils.devices import Device


@pytest.fixture
def judged(trained, monkeypatch):
    """(found of 40) -> what is left of a training whose model finds so many."""
    best = trained / "best_model"
    card = ModelCard.load(best / "model.pdparams")
    settings = load_config(trained / "config.yaml").Global

    def run(found: int, inference=best / "inference") -> Fitted:
        result = QuickCheck(0.06, 0.5, {"spot": 20, "scratch": 20}, {"spot": found // 2, "scratch": found - found // 2})
        monkeypatch.setattr(blindness, "quick_check", lambda *_, **__: result)
        fitted = Fitted(card, {"best": best}, facts={"images": 24}, warnings=["few images"])
        return with_detectability(fitted, inference, settings, Device("cpu"), ["PatchCore", "PaDiM"])

    return run


def test_a_model_that_finds_few_is_warned_of_with_the_figure_and_what_to_do(judged):
    first, warning = judged(found=6).warnings
    assert first == "few images"
    assert "Of 40 defects drawn on photos of good parts the model finds 6 (15%)" in warning
    assert "another Global.model (PatchCore, PaDiM), more photos of good parts, or a larger Train.image_size" in warning


@pytest.mark.parametrize("found", [20, 40])
def test_a_model_that_finds_half_or_more_is_not(judged, found):
    assert judged(found).warnings == ["few images"]


def test_the_figure_stands_among_the_facts_of_the_training(judged):
    assert judged(found=7).facts == {
        "images": 24,
        "detectability": {
            "size": 0.06, "contrast": 0.5, "drawn": {"spot": 20, "scratch": 20}, "found": {"spot": 3, "scratch": 4},
        },
    }  # fmt: skip


def test_a_training_does_not_fail_because_this_cannot_be_measured(judged, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        fitted = judged(found=0, inference=tmp_path / "nothing")
    assert (fitted.facts, fitted.warnings) == ({"images": 24}, ["few images"])
    assert "What the model finds of drawn defects is not known" in caplog.text


def test_a_real_training_says_what_its_model_finds(trained):
    result = json.loads((trained / "train_result.json").read_text(encoding="utf-8"))
    figures = result["detectability"]
    assert figures["drawn"] == {"spot": 24, "scratch": 24}  # each of the 24 training images once
    share = sum(figures["found"].values()) / 48
    assert (share < 0.5) == any("defects drawn on photos" in warning for warning in result["warnings"])
    assert f"({share:.0%})" in (trained / "train.log").read_text(encoding="utf-8")
