"""Which photos of the training list a learning curve is about: those that the training learnt from."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from paddlex.config import load_config
from paddlex.data.dataset import TRAIN_LIST, read_samples
from paddlex.inference.alignment import Alignment
from paddlex.inference.preparation import Preparation
from paddlex.modules.image_anomaly_detection.learning_curve import learning_curve_of
from paddlex.modules.image_anomaly_detection.model import load_network


def test_a_photo_in_which_the_part_is_not_found_does_not_count(
    trained: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    dataset = Path(shutil.copytree(demo_dataset, tmp_path / "dataset"))
    config = load_config(trained / "config.yaml", [f"Global.dataset_dir={dataset}"])
    network, card = load_network(str(trained / "best_model" / "model.pdparams"), config.Global.model, config.Train)
    first, last = (read_samples(dataset, TRAIN_LIST)[number] for number in (0, -1))
    alignment = Alignment.to(
        first.read(), motion="translation", max_shift=0.5, max_angle=0, least_quality=0.0, min_seen=0.1, not_found="ng"
    )
    card = replace(card, preparation=Preparation(alignment=replace(alignment, least_quality=0.01)))
    count = learning_curve_of(network, card, config).photos
    cv2.imwrite(str(last.image_path), np.zeros_like(last.read()))
    assert learning_curve_of(network, card, config).photos == count - 1
