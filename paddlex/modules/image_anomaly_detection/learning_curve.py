"""The analysis ``learning_curve`` of a model whose training images are at hand: it is fitted again, where that is soon done."""

from __future__ import annotations

from dataclasses import replace

from paddlex.config_schema import Config
from paddlex.data.dataset import TRAIN_LIST, read_samples
from paddlex.errors import ModelError
from paddlex.evaluation.analyses.learning_curve import LearningCurve, learning_curve
from paddlex.inference.preparation import NOTHING
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork
from paddlex.modules.image_anomaly_detection.training.normal_images import normal_images
from paddlex.utils.devices import resolve_device


def learning_curve_of(network: AnomalyNetwork, card: ModelCard, config: Config) -> LearningCurve:
    """Fit a model again to some of the photos of the training list.

    Args:
        network: the model; it stays as it is.
        card: of the model.
        config: the training list, the device, and how the model was fitted.

    Raises:
        ModelError: the model is not calibrated.
        DatasetError, ImageReadError: the training list, or an image, cannot be read.
        TrainingError: there are too few training images, or a mask marks a defect in one of them.
    """
    if card.calibration is None:
        remedy = "Evaluate the weights that a training has written, model.pdparams"
        raise ModelError("the model is not calibrated, so it has no threshold", remedy=remedy)
    reading = replace(config.Global.reading, bit_depth=config.Global.bit_depth or card.bit_depth)
    samples = read_samples(config.Global.dataset_dir or "", TRAIN_LIST, reading)
    photos = [replace(photo, preparation=card.preparation or NOTHING) for photo in normal_images(samples)]
    if card.preparation is not None and card.preparation.alignment is not None:  # the training left the others out, too
        photos = [photo for photo in photos if photo.view().is_found]
    model, seed = MODELS[card.model_name], config.Train.seed
    if model.refitter is None:
        return learning_curve(card.calibration, len(photos), "to train it several times takes too long", seed)
    if card.tiling is not None:
        return learning_curve(
            card.calibration, len(photos), "it scans photos in tiles, and takes too long to fit", seed
        )
    device = resolve_device(config.Global.device)
    return learning_curve(card.calibration, len(photos), model.refit(network, card, photos, config, device), seed)
