"""Suspects among the photos of a model that cannot judge its own training images: another one looks at them first."""

from __future__ import annotations

from collections.abc import Sequence

from paddlex.config_schema import CalibrationSection, Config, TrainTilingSection
from paddlex.data.dataset import Sample
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.training.image_size import fitting_size
from paddlex.modules.image_anomaly_detection.training.suspects import FEWEST_IMAGES, LEAVE_OUT, OFF, Suspect
from paddlex.utils.devices import Device
from paddlex.utils.logging import logger

#: Pixels: of the largest square that the photos are looked at in, and of what both sides of a smaller picture are multiples.
_LARGEST_SIDE, _MULTIPLE = 320, 32

#: What every installation has the weights of.
_FEATURES = {"backbone": "resnet18", "layers": ["layer2", "layer3"]}


def find_suspects(photos: Sequence[Sample], config: Config, device: Device) -> list[Suspect]:
    """Judge the photos whole, each by a fit to others.

    The config's model does so where it can (photos that it scans in tiles); for a model that learns by gradients the last of
    ``MODELS`` does that can, with the backbone that comes with this program.

    Raises:
        TrainingError: too many are suspects.
    """
    if config.Train.robust == OFF or len(photos) < FEWEST_IMAGES:
        return []
    logger.info("Looking for defects among the %d training images.", len(photos))
    screening = _screening(config)
    return MODELS[screening.Global.model].suspects(screening, device, photos)


def learnt_from(photos: Sequence[Sample], suspects: Sequence[Suspect], robust: str) -> list[Sample]:
    """The photos that the model is to learn from and to be calibrated with."""
    left_out = {one.sample.line for one in suspects} if robust == LEAVE_OUT else set()
    return [photo for photo in photos if photo.line not in left_out]


def _screening(config: Config) -> Config:
    """A config of the model that looks at whole photos."""
    train, name = config.Train, config.Global.model
    if MODELS[name].screen is not None:
        whole = train.model_copy(update={"tiling": TrainTilingSection()})
    else:
        name = [other for other, model in MODELS.items() if model.screen is not None][-1]
        shared = {"image_size": _size(train.image_size), "seed": train.seed, "robust": train.robust}
        whole = MODELS[name].options.model_validate({**_FEATURES, **shared})
    whole.calibration = CalibrationSection()
    return config.model_copy(update={"Train": whole, "Global": config.Global.model_copy(update={"model": name})})


def _size(image_size: int | list[int] | str) -> int | list[int]:
    """The size of the network's input, or a smaller one of the same shape: what is looked at first is to take seconds."""
    height, width = image_size if isinstance(image_size, list) else (image_size, image_size)
    assert isinstance(height, int) and isinstance(width, int)
    if height * width > _LARGEST_SIDE**2:
        height, width = fitting_size(height / width, _LARGEST_SIDE, _MULTIPLE)
    return height if height == width else [height, width]
