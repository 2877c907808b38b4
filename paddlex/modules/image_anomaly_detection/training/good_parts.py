"""What a training in one pass begins with: the good parts, and the card of the model to be."""

from __future__ import annotations

from dataclasses import dataclass

from paddlex.config_schema import Config
from paddlex.data.tiles import into_tiles
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches
from paddlex.modules.image_anomaly_detection.training.normal_images import hold_out, normal_images, warn_of_images
from paddlex.modules.image_anomaly_detection.training.screening import find_suspects, learnt_from
from paddlex.modules.image_anomaly_detection.training.suspects import Suspect
from paddlex.modules.image_anomaly_detection.training.suspects_page import report_suspects
from paddlex.modules.image_anomaly_detection.training.training_list import signed_card_of, training_samples
from paddlex.utils.devices import Device
from paddlex.utils.logging import logger


@dataclass(frozen=True)
class GoodParts:
    """Normal images, and what is known of the model before it has seen them.

    Attributes:
        card: the architecture that the config describes.
        fit: to learn from.
        held_out: to calibrate with; empty where nothing is held out.
        warnings: what the user should know of them, in sentences; they are in the log too.
        suspects: the photos that may show defects, as far as they are known already: where all images are to be
            cross-fitted, that will tell.
    """

    card: ModelCard
    fit: ImageBatches
    held_out: ImageBatches
    warnings: list[str]
    suspects: list[Suspect]

    @classmethod
    def of(cls, config: Config, device: Device, holdout_percent: float) -> GoodParts:
        """Of the training list; 0 percent hold nothing out.

        Raises:
            DatasetError, ImageReadError: the list, or an image, cannot be read.
            TrainingError: they are too few, a mask marks a defect in one of them, or too many are suspects.
        """
        options, samples = config.Train, training_samples(config)
        card = signed_card_of(config, samples)
        photos = normal_images(samples)
        suspects = find_suspects(photos, config, device) if holdout_percent else []
        reported = report_suspects(suspects, config) if holdout_percent else []
        photos = learnt_from(photos, suspects, options.robust)
        fit, held_out = hold_out(photos, holdout_percent, options.seed) if holdout_percent else (photos, [])
        seen, unseen = (ImageBatches(some, card.transform) for some in into_tiles(fit, held_out, options))
        warnings = warn_of_images(len(photos), [*seen.constant(), *unseen.constant()])
        for warning in warnings:
            logger.warning("%s", warning)
        warnings += reported
        logger.info("%d images to remember, %s.", len(fit), f"{len(held_out)} held out" if held_out else "cross-fitted")
        return cls(card, seen, unseen, warnings, suspects)
