"""``Train.regions``: what is drawn is what is inspected, and what cannot be meant is one line, before anything is fitted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.config import load_config
from paddlex.data.dataset import read_samples
from paddlex.errors import ConfigError
from paddlex.inference.preparation import Preparation
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.training.training_list import card_of, training_samples

CONFIGS = Path(__file__).parents[4] / "paddlex" / "configs" / "image_anomaly_detection"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Four photos of 60 x 40: a dark part on a bright ground."""
    for number in range(4):
        photo = np.full((40, 60, 3), 220, np.uint8)
        photo[12:28, 20 + number : 40 + number] = 40
        cv2.imwrite(str(tmp_path / f"{number}.png"), photo)
    (tmp_path / "train.txt").write_text("".join(f"{number}.png\n" for number in range(4)))
    return tmp_path


@pytest.fixture
def prepared(dataset: Path) -> Callable[..., Preparation]:
    def preparation(*overrides: str, model: str = "PatchCore") -> Preparation:
        given = [f"Global.dataset_dir={dataset}", "Train.image_size=64", *(f"Train.regions.{one}" for one in overrides)]
        config = load_config(CONFIGS / f"{model}.yaml", given)
        samples = training_samples(config)
        card = card_of(config, samples)
        assert card.preparation == (None if samples[0].preparation == Preparation() else samples[0].preparation)
        return samples[0].preparation

    return preparation


def pixels(preparation: Preparation) -> np.ndarray:
    return preparation.regions.pixels(40, 60)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_takes_polygons(prepared, model):
    preparation = prepared("inspect=[[[0,0],[30,0],[30,40],[0,40]]]", "ignore=[[[0,0],[8.5,0],[0,8.5]]]", model=model)
    expected = np.zeros((40, 60), bool)
    expected[:, :30] = True
    y, x = np.mgrid[:40, :60]
    np.testing.assert_array_equal(pixels(preparation), expected & (x + y + 1 > 8.5))


def test_without_any_nothing_is_done(prepared):
    assert prepared() == Preparation()


def test_a_mask_says_where(prepared, tmp_path):
    mask = np.zeros((40, 60), np.uint8)
    mask[5:30, 10:50] = 1
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    np.testing.assert_array_equal(pixels(prepared(f"mask={tmp_path / 'mask.png'}")), mask > 0)


def test_the_foreground_is_found_and_what_is_ignored_is_taken_from_it(prepared):
    found = pixels(prepared("foreground=True", "ignore=[[[0,0],[30,0],[30,40],[0,40]]]"))
    assert found[12:28, 30:43].all()
    assert not found[:, :30].any()
    assert not found[:8].any()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("ignore=[[[0,0],[60,0],[60,40],[0,40]]]", "Train.regions leave nothing to inspect"),
        ("ignore=[[[0,0],[61,0],[60,40]]]", r"Train.regions.ignore\[0\] leaves the picture: a point is at 61 x 0"),
        ("inspect=[[[0,0],[20,20],[30,30]]]", r"Train.regions.inspect\[0\] encloses no area"),
        ("inspect=[[[0,0],[20,20]]]", r"Train.regions.inspect must be a list of 3 or more.*\(-o Train.regions.inspect"),
        ("inspect=[[[0,0],[20,20],[5]]]", r"Train.regions.inspect must be a list of 2 or more"),
        (
            "zones=[{name: a, polygon: [[0,0],[9,0],[9,9]]},{name: b, polygon: [[0,0],[9,0],[9,9]]}]",
            "b.*overlaps another",
        ),
        ("zones=[{polygon: [[0,0],[9,0],[9,9]]}]", "Train.regions.zones.name"),
        ("zones=[{name: a, polygon: [[0,0],[9,0],[9,9]], faktor: 2}]", "unknown key Train.regions.zones.faktor"),
        ("mask=nowhere.png", r"Train.regions.mask cannot be read.*\(nowhere.png\)"),
    ],
)
def test_what_cannot_be_meant_is_one_line(prepared, override, said):
    with pytest.raises(ConfigError, match=said) as caught:
        prepared(override)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("size", "value", "said"),
    [((60, 40), 255, "the mask is 40 x 60 pixels, the training photos are 60 x 40"), ((40, 60), 0, "0 everywhere")],
)
def test_a_mask_that_does_not_fit_is_one_line(prepared, tmp_path, size, value, said):
    cv2.imwrite(str(tmp_path / "mask.png"), np.full(size, value, np.uint8))
    with pytest.raises(ConfigError, match=said):
        prepared(f"mask={tmp_path / 'mask.png'}")


def test_photos_of_several_sizes_have_no_common_regions(prepared, dataset):
    cv2.imwrite(str(dataset / "2.png"), np.zeros((40, 50, 3), np.uint8))
    with pytest.raises(ConfigError, match=r"of 2 sizes, 1 of 50 x 40 pixels and most of 60 x 40.*train.txt line 3"):
        prepared("foreground=True")
    assert len(read_samples(dataset, "train.txt")) == 4
