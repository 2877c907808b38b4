"""``Train.image_size=auto``: the network's input in the aspect ratio of the photos."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from paddlex.config_schema import LARGEST_SIDE, Config
from paddlex.data.dataset import Sample, thinned
from paddlex.data.tiles import view_size
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES
from paddlex.modules.image_anomaly_detection.training.training_list import training_samples
from paddlex.utils.logging import logger

#: Pixels: sides are multiples of the strides of all stages of a convolutional backbone; a transformer brings its own.
_MULTIPLE = 32

#: Photos whose aspect ratio is looked at; they are spread over the list.
_MOST = 200

#: Photos are of one shape if the aspect ratio of this share of them is within this share of the median.
_SHARE, _ALIKE = 0.9, 0.1


def with_image_size(config: Config) -> Config:
    """The same config with ``Train.image_size`` as a number or [height, width].

    Tiles are square, and what photos of different shapes become is too: no one ratio would fit them.

    Raises:
        DatasetError: the training list cannot be read.
        ImageReadError: a photo cannot be read.
    """
    wanted = config.Train.image_size
    if not isinstance(wanted, str):
        return config
    side = int(wanted.partition(":")[2] or config.Train.usual_side)
    aspect = 1.0
    if config.Train.tiling.tile_size is None:
        aspect = _aspect(training_samples(config))
    backbone = BACKBONES.get(config.Train.features().get("backbone", ""))
    strides = {stage.stride for stage in backbone.stages.values()} if backbone else set()
    multiple = strides.pop() if len(strides) == 1 else _MULTIPLE
    height, width = fitting_size(aspect, side, multiple)
    logger.info("Train.image_size=%s: the network sees %d x %d pixels (width x height).", wanted, width, height)
    resolved = config.model_copy(deep=True)
    resolved.Train.image_size = height if height == width else [height, width]
    return resolved


def _aspect(samples: Sequence[Sample]) -> float:
    """Height by width of the photos; 1 where they are of different shapes."""
    sizes = [view_size(sample) for sample in thinned(samples, _MOST)]
    aspects = np.array([height / width for height, width in sizes])
    typical = float(np.median(aspects))
    is_alike = np.abs(aspects / typical - 1) <= _ALIKE
    if is_alike.mean() >= _SHARE:
        return typical
    logger.info("The photos are of different shapes: each is brought to a square.")
    return 1.0


def fitting_size(aspect: float, side: int, multiple: int) -> tuple[int, int]:
    """Height and width of about ``side`` squared pixels, both multiples.

    Args:
        aspect: height by width.
        side: of the square with as many pixels.
        multiple: of which both are, at least once.
    """
    sides = (side * math.sqrt(aspect), side / math.sqrt(aspect))
    most = LARGEST_SIDE // multiple
    height, width = (multiple * min(most, max(1, round(one / multiple))) for one in sides)
    return height, width
