"""How many bits the camera of a data set has: what the values of its 16-bit pictures mean."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from paddlex.data.dataset import TRAIN_LIST, Sample, read_samples
from paddlex.errors import DatasetError, ImageReadError
from paddlex.inference.image_files import highest_value
from paddlex.inference.reading import Reading, smallest_depth
from paddlex.utils.logging import logger
from paddlex.utils.paddle_environment import usable_cores


def find_reading(reading: Reading, dataset_dir: str | Path) -> Reading:
    """How the pictures of a data set are read: with the bit depth that is given, else with what its training images hold.

    A data set without a training list that can be used has no bit depth yet.
    """
    if reading.bit_depth is not None:
        return reading
    try:
        samples = read_samples(dataset_dir, TRAIN_LIST, reading)
    except DatasetError:
        return reading
    reading = replace(reading, bit_depth=find_bit_depth(samples))
    if reading.bit_depth != 8:
        logger.info("The data set has pictures of %d bits a channel, by its training images.", reading.bit_depth)
    return reading


def find_bit_depth(samples: Sequence[Sample]) -> int:
    """8 where no picture has 16 bits; else the smallest of 10, 12, 14 and 16 that holds the largest value of them all.

    Of files of 8 bits only the first bytes are read. A picture that cannot be read is told of when its turn comes.
    """

    def highest(sample: Sample) -> int | None:
        try:
            return highest_value(sample.image_path, sample.reading)
        except ImageReadError:
            return None

    with ThreadPoolExecutor(usable_cores()) as readers:
        found = [value for value in readers.map(highest, samples) if value is not None]
    return smallest_depth(max(found)) if found else 8
