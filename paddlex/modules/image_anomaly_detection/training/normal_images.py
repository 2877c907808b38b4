"""The normal images that a training may use, and what a person would notice about them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from paddlex.data.dataset import FEWEST_TRAINING_IMAGES, TRAIN_LIST, VAL_LIST, Sample, read_mask
from paddlex.errors import TrainingError
from paddlex.inference.fit_facts import FEW_IMAGES as FEW_IMAGES
from paddlex.inference.image_files import read_bytes

_NAMED = 5


def normal_images(samples: Sequence[Sample]) -> list[Sample]:
    """The samples of a training list, in order. Files with the same bytes are one image, and it is used once.

    Raises:
        TrainingError: there are too few, or a mask marks a defect in one of them.
        ImageReadError: a file that cannot be read.
    """
    for sample in samples:
        if sample.mask_path is not None and read_mask(sample.mask_path, sample.reading).any():
            raise TrainingError(
                f"the training image {sample.image} has anomalies in its mask {sample.mask}",
                where=sample.where,
                remedy=f"Train on normal images only: move the line to {VAL_LIST}",
            )
    by_content: dict[bytes, Sample] = {}
    for sample in samples:
        by_content.setdefault(hashlib.sha1(read_bytes(sample.image_path), usedforsecurity=False).digest(), sample)
    unique = list(by_content.values())
    count = sum(not sample.is_false_alarm for sample in unique)
    if count < FEWEST_TRAINING_IMAGES:
        raise TrainingError(
            f"{count} different training images are too few; {FEWEST_TRAINING_IMAGES} are the least",
            where=samples[0].root / TRAIN_LIST,
            remedy="Take more photos of good parts; 50 are a start, 200 are better",
        )
    return unique


def hold_out(photos: Sequence[Sample], percent: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Divide what ``normal_images`` gives into photos to train on and photos to calibrate with, at least two of each.

    False alarms are trained on.
    """
    usual = [photo for photo in photos if not photo.is_false_alarm]
    count = min(max(2, round(len(usual) * percent / 100)), len(usual) - 2)
    held_out = set(np.random.default_rng([seed, len(usual)]).permutation(len(usual))[:count].tolist())
    return (
        [photo for number, photo in enumerate(usual) if number not in held_out]
        + [photo for photo in photos if photo.is_false_alarm],
        [photo for number, photo in enumerate(usual) if number in held_out],
    )


def warn_of_images(count: int, constant: Sequence[Sample]) -> list[str]:
    """Warnings about the training images.

    Args:
        count: how many there are, the held-out ones included.
        constant: those of a single colour.
    """
    warnings = []
    if count < FEW_IMAGES:
        warnings.append(
            f"{count} training images are few: below {FEW_IMAGES} the model and its thresholds rest on chance. "
            "Take more photos of good parts, on several days; 200 are better."
        )
    if constant:
        names = ", ".join(f"{sample.image} (line {sample.line})" for sample in constant[:_NAMED])
        more = f" and {len(constant) - _NAMED} more" if len(constant) > _NAMED else ""
        subject, them = (
            ("1 training image is", "it") if len(constant) == 1 else (f"{len(constant)} training images are", "them")
        )
        warnings.append(
            f"{subject} a single colour: {names}{more}. A camera that was covered or dark? "
            f"Take {them} out of {constant[0].list_name}."
        )
    return warnings
