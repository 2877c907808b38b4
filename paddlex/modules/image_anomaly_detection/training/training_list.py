"""The training list as a training reads it: each photo with what is done to it before the network sees it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from paddlex.config_schema import Config, TrainSection
from paddlex.data.bit_depth import find_reading
from paddlex.data.dataset import Sample, read_learnt_samples, thinned
from paddlex.inference.light import Light
from paddlex.inference.preparation import NOTHING, Preparation
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.training.product_signature import product_signature
from paddlex.modules.image_anomaly_detection.training.reference import align, showing_enough
from paddlex.modules.image_anomaly_detection.training.regions import inspection_of
from paddlex.utils.logging import logger

#: Photos that tell how much light there is, from all over the list.
_MOST_FOR_LIGHT = 200


def training_samples(config: Config) -> list[Sample]:
    """What is learnt from, prepared as ``Train`` says: the lines of the training list, and those of the false alarms.

    Raises:
        DatasetError: the list cannot be read.
        ConfigError, ImageReadError: the photos cannot be prepared so.
    """
    dataset_dir = config.Global.dataset_dir or ""
    samples = read_learnt_samples(dataset_dir, find_reading(config.Global.reading, dataset_dir))
    preparation, found = preparation_of(config, samples)
    return [replace(sample, preparation=preparation) for sample in found]


def preparation_of(config: Config, samples: Sequence[Sample]) -> tuple[Preparation, list[Sample]]:
    """What ``Train`` asks for, and the samples in which the part is found.

    Args:
        config: Train is read.
        samples: of the training list.

    Raises:
        ConfigError: the photos cannot be prepared so.
        ImageReadError: a photo cannot be read.
    """
    options = config.Train
    asked = options.model_dump_json(include={"alignment", "regions", "light"})
    files = [options.alignment.reference, options.regions.mask, *(sample.image_path for sample in samples)]
    return _prepared(asked, tuple(samples), tuple(map(_stamp, files)))


@lru_cache(maxsize=1)  # a training asks twice: for the size of the network's input, and for the photos
def _prepared(asked: str, samples: Sequence[Sample], stamps: tuple[object, ...]) -> tuple[Preparation, list[Sample]]:
    preparation, options = NOTHING, TrainSection.model_validate_json(asked)
    if options.alignment.enable:
        aligned = align(options.alignment, samples)
        preparation = replace(preparation, alignment=aligned.alignment)
        samples = [samples[number] for number in aligned.found]
    if options.regions.are_given:
        prepared = [replace(sample, preparation=preparation) for sample in samples]
        preparation = replace(preparation, regions=inspection_of(options.regions, prepared))
        if options.alignment.enable:
            samples = showing_enough([replace(sample, preparation=preparation) for sample in samples])
    if options.light == "brightness":
        some = thinned(samples, _MOST_FOR_LIGHT)
        before = preparation
        preparation = replace(before, light=Light.of(before(sample.read()) for sample in some))
    return preparation, list(samples)


def _stamp(path: str | Path | None) -> object:
    """Changes when a file does."""
    try:
        found = os.stat(path or "")
    except (OSError, ValueError):
        return path
    return str(path), found.st_mtime_ns, found.st_size


def signed_card_of(config: Config, samples: Sequence[Sample]) -> ModelCard:
    """The card of the model that is to be, with what its product looks like.

    Raises:
        ImageReadError: a photo cannot be read.
    """
    return replace(card_of(config, samples), signature=product_signature(samples))


def card_of(config: Config, samples: Sequence[Sample]) -> ModelCard:
    """The same but for the product: the architecture that the config describes, and how its photos are prepared."""
    first = samples[0]
    preparation = None if first.preparation == NOTHING else first.preparation
    if first.preparation.light is not None:
        logger.info("Train.light: %s.", first.preparation.light)
    card = ModelCard.from_config(config.Global.model, config.Train)
    return replace(card, bit_depth=first.reading.bit_depth, preparation=preparation)
