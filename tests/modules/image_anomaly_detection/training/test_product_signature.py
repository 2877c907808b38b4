"""Every model that is trained knows what its product looks like."""

from __future__ import annotations

from pathlib import Path

import cv2

from paddlex.data.dataset import TRAIN_LIST, read_samples
from paddlex.inference.model_folder import open_model_folder
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.training.product_signature import product_signature


def test_a_trained_model_has_the_signature_of_its_photos(trained: Path, demo_dataset: Path) -> None:
    signature = open_model_folder(trained).own.signature
    card = ModelCard.load(trained / "best_model" / "model.pdparams")
    assert signature is not None and card is not None and card.signature == signature
    assert signature == product_signature(read_samples(demo_dataset, TRAIN_LIST))
    assert signature.photos == 24


def test_validation_photos_are_near_it(trained: Path, demo_dataset: Path) -> None:
    signature = open_model_folder(trained).own.signature
    assert signature is not None
    photos = sorted((demo_dataset / "images" / "val" / "good").glob("*.jpg"))
    assert photos and all(signature.distance(cv2.imread(str(photo))) < 1 for photo in photos)


def test_a_single_photo_has_no_signature(demo_dataset: Path) -> None:
    assert product_signature(read_samples(demo_dataset, TRAIN_LIST)[:1]) is None
