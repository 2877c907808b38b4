"""Which images of a data set an export is quantised with and checked on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from paddlex.data.dataset import TRAIN_LIST, VAL_LIST, Sample, read_samples, thinned
from paddlex.data.tiles import draw_tiles
from paddlex.errors import ConfigError, DatasetError
from paddlex.inference.preparation import NOTHING, Preparation
from paddlex.inference.reading import ANY, Reading
from paddlex.inference.tiling import Tiling
from paddlex.inference.transforms import Transform
from paddlex.utils.logging import logger

#: Normal images that the ranges of an INT8 model come from; more change its maps little.
CALIBRATION_IMAGES = 100


@dataclass(frozen=True)
class ExportImages:
    """Attributes:
    train: normal images, for the ranges of INT8; empty without a data set.
    to_check: the validation images, or the training images where there are none.
    has_labels: whether ``to_check`` has normal and anomalous images.
    """

    train: list[Sample] = field(default_factory=list)
    to_check: list[Sample] = field(default_factory=list)
    has_labels: bool = False

    def batches(
        self, transform: Transform, tiling: Tiling | None, preparation: Preparation = NOTHING
    ) -> Iterator[np.ndarray]:
        """Network inputs of one training image each, or of one tile, float32 [1, 3, H, W].

        Raises:
            ConfigError: there is no data set.
        """
        if not self.train:
            raise ConfigError(
                "INT8 needs normal images, and no data set is named", where="Global.dataset_dir", remedy="Set it"
            )
        chosen = [replace(sample, preparation=preparation) for sample in thinned(self.train, CALIBRATION_IMAGES)]
        per_image = CALIBRATION_IMAGES // len(chosen)
        for sample in chosen if tiling is None else draw_tiles(chosen, tiling, per_image, seed=0):
            yield transform([sample.view().image])


def export_images(dataset_dir: str | None, reading: Reading = ANY) -> ExportImages:
    """The images of a data set, or none if there is no data set: then only a drawn picture can be compared."""
    if dataset_dir is None:
        logger.warning("Global.dataset_dir is not set: the export is compared on a drawn picture, not on real images.")
        return ExportImages()
    train, val = _samples(dataset_dir, TRAIN_LIST, reading), _samples(dataset_dir, VAL_LIST, reading)
    with_mask = [sample.mask is not None for sample in val]
    return ExportImages(train, val or train, any(with_mask) and not all(with_mask))


def _samples(dataset_dir: str, list_name: str, reading: Reading) -> list[Sample]:
    try:
        return read_samples(dataset_dir, list_name, reading)
    except DatasetError as error:
        logger.warning("The export is not compared on the images of %s: %s", list_name, error)
        return []
