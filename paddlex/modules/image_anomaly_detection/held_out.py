"""Which of the training images are held out, to choose the best model and to calibrate it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.dataset import TRAIN_LIST, Sample


def hold_out(samples: Sequence[Sample], percent: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Divide the training samples into those to train on and those to choose and calibrate with, at least two of each.

    Raises:
        TrainingError: there are too few.
    """
    unique = list({sample.image: sample for sample in samples}.values())
    count = max(2, round(len(unique) * percent / 100))
    if len(unique) - count < 2:
        raise TrainingError(
            f"{len(unique)} different training images are too few: some train, at least 2 are held out",
            where=samples[0].root / TRAIN_LIST,
            remedy="Take more photos of good parts; 50 are a start, 200 are better",
        )
    held_out = set(np.random.default_rng([seed, len(unique)]).permutation(len(unique))[:count].tolist())
    return (
        [sample for number, sample in enumerate(unique) if number not in held_out],
        [sample for number, sample in enumerate(unique) if number in held_out],
    )
