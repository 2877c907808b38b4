"""Fitting again gives what a training gives, from the same photos; the model itself stays as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paddlex.config import load_config
from paddlex.config_schema import Config
from paddlex.data.dataset import TRAIN_LIST, read_samples
from paddlex.evaluation.analyses.learning_curve.refitting import Drawing
from paddlex.inference.inspection import Inspection
from paddlex.inference.preparation import Preparation
from paddlex.inference.view import View
from paddlex.modules.image_anomaly_detection.model import load_network
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection
from paddlex.modules.image_anomaly_detection.models.patches.refit import PatchRefitter
from paddlex.utils.devices import Device

ALL = np.arange(24)


def whitened(view: View, number: int) -> list[Drawing]:
    """A defect that nothing misses, and one that nothing finds: nothing was changed."""
    image = view.image
    mask = np.zeros(image.shape[:2], bool)
    mask[40:80, 40:80] = True
    painted = image.copy()
    painted[mask] = (255, 0, 255)
    return [Drawing(painted, mask), Drawing(image, mask)]


@pytest.fixture(scope="module")
def loaded(trained_models, demo_dataset: Path):
    folder = trained_models("PatchCore")
    config = load_config(folder / "config.yaml", [f"Global.dataset_dir={demo_dataset}"])
    network, card = load_network(str(folder / "best_model" / "model.pdparams"), "PatchCore", config.Train)
    return network, card, read_samples(demo_dataset, TRAIN_LIST), config


def refitter_of(loaded, config: Config | None = None) -> PatchRefitter:
    network, card, photos, own = loaded
    refitter = PatchRefitter(network, card, photos, config or own, Device("cpu"))
    refitter.prepare([0, 1], whitened)
    return refitter


@pytest.fixture(scope="module")
def refitter(loaded) -> PatchRefitter:
    return refitter_of(loaded)


def test_a_fit_to_all_photos_has_the_thresholds_of_the_training_but_for_the_patches_it_draws(loaded, refitter) -> None:
    _, card, _, _ = loaded
    refit = refitter.fit(ALL, ALL[:2], ALL[:0])
    assert len(refit.scores) == 24
    assert refit.threshold == pytest.approx(card.calibration.image_threshold, rel=0.25)
    assert np.median(refit.scores) == pytest.approx(card.calibration.image_typical, rel=0.25)


def test_photos_that_were_fitted_to_score_lower_than_when_they_are_left_out(refitter) -> None:
    seen = refitter.fit(ALL, ALL[12:], ALL[:0]).left_out
    unseen = refitter.fit(ALL[:12], ALL[12:], ALL[:0]).left_out
    assert len(seen) == len(unseen) == 12
    assert np.median(seen) < np.median(unseen)


def test_the_drawings_on_the_photos_asked_for_are_judged_where_they_lie(refitter) -> None:
    refit = refitter.fit(ALL[2:], ALL[:2], np.array([1, 0]))
    assert list(refit.peaks > refit.threshold) == [True, False, True, False]
    again = refitter.fit(ALL[2:], ALL[:2], np.array([0]))
    assert np.array_equal(again.peaks, refit.peaks[2:]) and np.array_equal(again.scores, refit.scores)


def test_four_photos_are_enough_to_fit_to(refitter) -> None:
    refit = refitter.fit(ALL[:4], ALL[4:6], ALL[:0])
    assert len(refit.scores) == 4 and np.isfinite(refit.threshold)


def test_the_model_itself_stays_as_it_is(loaded, refitter) -> None:
    network = loaded[0]
    before = {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}
    refitter.fit(ALL[:8], ALL[8:10], ALL[:1])
    assert all(np.array_equal(tensor.numpy(), before[name]) for name, tensor in network.state_dict().items())


def test_turned_copies_are_remembered_too_where_the_training_asked_for_them(loaded, refitter) -> None:
    config = loaded[3].model_copy(deep=True)
    config.Train.copies = ["half_turn"]
    with_copies = refitter_of(loaded, config)
    alone, both = (one._features("layer2", ALL) for one in (refitter, with_copies))
    assert len(alone.pool) == 24 * 16 * 16  # all there are: fewer than 10,000
    assert len(both.pool) == 10_000
    assert np.allclose(alone.kept, both.kept, atol=1e-2)  # the photos alone are judged
    assert set(both.pool_folds) == set(range(5)) and len(both.pool_folds) == len(both.pool)


def test_patches_are_of_what_is_inspected_as_in_a_training(loaded, refitter) -> None:
    network, card, photos, config = loaded
    height, width = photos[0].read().shape[:2]
    left = [[0, 0], [width // 2, 0], [width // 2, height], [0, height]]
    preparation = Preparation(regions=Inspection.parse({"size": [width, height], "inspect": [left]}))
    regional = refitter_of((network, card, [replace(photo, preparation=preparation) for photo in photos], config))
    whole, half = (one._features("layer2", ALL) for one in (refitter, regional))
    assert len(whole.pool) == 24 * 16 * 16
    assert len(half.pool) == 24 * 16 * 8
    assert np.array_equal(half.folds, whole.folds)


def test_of_more_photos_than_memory_holds_some_are_drawn(loaded) -> None:
    config = loaded[3].model_copy(deep=True)
    config.Train.memory_gb = 10 * refitter_bytes(loaded) / 2**30
    assert refitter_of(loaded, config).photos == 10


def refitter_bytes(loaded) -> int:
    """What the features of a photo take: 2 bytes each, at strides 8, 16 and 32 of 128 x 128 pixels."""
    return 2 * (16 * 16 * 40 + 8 * 8 * 112 + 4 * 4 * 320)


def test_every_model_that_compares_patches_can_be_fitted_again() -> None:
    assert all(model.refitter for model in MODELS.values() if issubclass(model.options, PatchSection))
