"""Turned and mirrored copies are those that OpenCV makes, and what they give is of their photo's fold."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from paddlex.errors import ConfigError
from paddlex.inference.refit.copies import WORDS, copies_of
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.models.patchcore.options import PatchCoreOptions
from paddlex.modules.image_anomaly_detection.models.patches import features
from paddlex.modules.image_anomaly_detection.models.patches.features import collect_features
from paddlex.modules.image_anomaly_detection.models.patches.fitting import _fitting_copies
from paddlex.utils.devices import Device

PICTURE = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
MIRRORED = cv2.flip(PICTURE, 1)
TURNS = [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE]
QUARTERS = [cv2.rotate(PICTURE, turn) for turn in TURNS]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (["flip_horizontal"], [MIRRORED]),
        (["flip_vertical"], [cv2.flip(PICTURE, 0)]),
        (["half_turn"], [cv2.rotate(PICTURE, cv2.ROTATE_180)]),
        (["quarter_turn"], QUARTERS),
        (["quarter_turn", "half_turn", "quarter_turn"], QUARTERS),
        (["flip_horizontal", "flip_vertical"], [MIRRORED, cv2.flip(PICTURE, 0), cv2.flip(PICTURE, -1)]),
        (["flip_vertical", "quarter_turn"], [*QUARTERS, MIRRORED, *(cv2.rotate(MIRRORED, turn) for turn in TURNS)]),
    ],
)
def test_all_that_comes_of_the_words_is_there_once_and_the_photo_itself_is_not(words, expected):
    made = [copy(PICTURE[None, None])[0, 0] for copy in copies_of(words)]
    assert sorted(map(_key, made)) == sorted(map(_key, expected))


def _key(picture: np.ndarray) -> tuple:
    return (picture.shape, picture.tobytes())


@pytest.fixture
def collected(monkeypatch):
    """(words) -> what is collected of 6 photos whose only feature is a pixel, or tells the column that it is in."""
    photos = np.random.default_rng(0).normal(size=(6, 1, 4, 4)).astype(np.float32)
    look = lambda x: np.concatenate([x, x + np.arange(4, dtype=np.float32)], axis=1)  # noqa: E731
    monkeypatch.setattr(features, "open_backbone", lambda *_: SimpleNamespace(run=lambda x: [look(x)]))

    class Images:
        def __len__(self) -> int:
            return len(photos)

        def inspected(self, number):
            return where

        def __call__(self, batches):
            return (photos[numbers] for numbers in batches)

    where = None

    def run(words, sampled: int, inspected: np.ndarray | None = None):
        nonlocal where
        where = inspected
        copies = copies_of(words)
        found = collect_features(
            SimpleNamespace(names=("layer2",)), None, Images(), Device("cpu"), photos=np.arange(6), judged=np.ones(6, bool),
            sampled_patches=sampled, memory_bytes=1e6, batch_size=4, seed=0, copies=copies,
        )  # fmt: skip
        return found["layer2"], [look(version) for version in (photos, *(copy(photos) for copy in copies))]

    return run


def test_the_pool_has_only_what_is_inspected_of_a_photo_and_of_its_copies(collected):
    """Their upper rows, which are the left columns of what is turned."""
    upper = np.zeros((8, 8), bool)
    upper[:4] = True
    found, (photos, turned, *_) = collected(["quarter_turn"], sampled=6 * 4 * 16, inspected=upper)
    assert len(found.pool) == 6 * 4 * 8
    seen = {tuple(patch) for patch in found.pool.tolist()}
    assert {tuple(patch) for patch in photos[:, :, :2].transpose(0, 2, 3, 1).reshape(-1, 2).tolist()} <= seen
    assert {tuple(patch) for patch in turned[:, :, :, :2].transpose(0, 2, 3, 1).reshape(-1, 2).tolist()} <= seen
    assert not {tuple(patch) for patch in photos[:, :, 2:].transpose(0, 2, 3, 1).reshape(-1, 2).tolist()} & seen


def test_the_pool_has_what_the_backbone_sees_of_the_copies_in_their_photos_fold(collected):
    found, versions = collected(["quarter_turn"], sampled=6 * 4 * 16)
    for fold in range(5):
        expected = np.concatenate(
            [seen[np.arange(6) % 5 == fold].transpose(0, 2, 3, 1).reshape(-1, 2) for seen in versions]
        )
        pool = found.pool[found.pool_folds == fold]
        np.testing.assert_array_equal(np.sort(pool, axis=0), np.sort(expected, axis=0))


def test_feature_maps_are_kept_of_the_photos_alone(collected):
    found, versions = collected(["quarter_turn", "flip_vertical"], sampled=100)
    np.testing.assert_array_equal(found.kept, versions[0].transpose(0, 2, 3, 1).astype(np.float16))
    assert len(found.pool) == 100  # of photos and copies together


def test_quarter_turns_of_pictures_that_are_not_square_are_an_error_with_advice():
    with pytest.raises(ConfigError, match=r"256 x 320 .*Train\.copies.*Train\.image_size"):
        _fitting_copies(["flip_vertical", "quarter_turn"], (320, 256))
    assert len(_fitting_copies(["flip_vertical", "half_turn"], (320, 256))) == 3


def test_the_config_knows_the_words_and_the_models_with_banks_alone_have_them():
    assert PatchCoreOptions(copies=list(WORDS)).copies == list(WORDS)
    with pytest.raises(ValueError, match="rotate90"):
        PatchCoreOptions(copies=["rotate90"])
    assert [name for name, model in MODELS.items() if "copies" in model.options.model_fields] == [
        "PatchCore",
        "PatchCorePaDiM",
    ]
