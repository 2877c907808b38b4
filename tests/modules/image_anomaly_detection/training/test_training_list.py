"""Every photo of a training is prepared as ``Train`` says, and the model's card keeps how."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paddlex.config import load_config
from paddlex.config_schema import Config
from paddlex.data.dataset import TRAIN_LIST, read_samples
from paddlex.inference.light import Light
from paddlex.inference.view import View
from paddlex.modules.image_anomaly_detection.training.training_list import card_of, training_samples

CONFIGS = Path(__file__).parents[4] / "paddlex" / "configs" / "image_anomaly_detection"


def config_with(dataset: Path, *overrides: str) -> Config:
    return load_config(CONFIGS / "PatchCore.yaml", [f"Global.dataset_dir={dataset}", "Train.image_size=64", *overrides])


def test_a_training_that_asks_for_nothing_sees_photos_as_they_are(demo_dataset: Path) -> None:
    config = config_with(demo_dataset)
    samples = training_samples(config)
    assert card_of(config, samples).preparation is None
    np.testing.assert_array_equal(samples[0].view().image, samples[0].read())


def test_the_light_of_the_training_photos_is_measured_and_kept(demo_dataset: Path) -> None:
    config = config_with(demo_dataset, "Train.light=brightness")
    samples = training_samples(config)
    expected = Light.of([View(sample.read()) for sample in read_samples(demo_dataset, TRAIN_LIST)])
    card = card_of(config, samples)
    assert {sample.preparation.light for sample in samples} == {expected}
    assert card.preparation is not None and card.preparation.light == expected


@pytest.mark.parametrize("word", ["contrast", "True", "null"])
def test_another_word_is_refused(demo_dataset: Path, word: str) -> None:
    with pytest.raises(Exception, match=r"Train\.light"):
        config_with(demo_dataset, f"Train.light={word}")
