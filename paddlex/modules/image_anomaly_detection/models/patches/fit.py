"""How all models that compare patch features are fitted: one pass over good parts, no gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from paddlex.config_schema import Config
from paddlex.data.dataset import Sample
from paddlex.data.tiles import photo_numbers
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.models.patches.fitting import (
    Architecture,
    begin,
    fit_parts,
    fit_robustly,
    with_fit_facts,
)
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches
from paddlex.modules.image_anomaly_detection.training.completion import Completion
from paddlex.modules.image_anomaly_detection.training.good_parts import GoodParts
from paddlex.modules.image_anomaly_detection.training.suspects import Suspect
from paddlex.modules.image_anomaly_detection.training.suspects_page import report_suspects
from paddlex.modules.image_anomaly_detection.training.training_list import card_of
from paddlex.utils.devices import Device

#: Percent of the photos that are held out where photos are scanned in tiles: all of their tiles are judged for the thresholds.
_HELD_OUT = 20


def fit_patches(
    config: Config,
    device: Device,
    names: Sequence[str],
    architecture: Architecture,
    copies: Sequence[str] = (),
) -> Fitted:
    """``Model.fit`` of a model that is made of parts.

    Every image serves for both: for what is remembered, and, by cross-fitting, for the statistics and the thresholds. Of photos
    that are scanned in tiles some are held out instead.

    Args:
        config: the whole config; Train and Global are read.
        device: where features are computed.
        names: of the features that the parts look at, see ``PatchBackbone``.
        architecture: what the network's shape depends on.
        copies: of the photos, to remember as well, as ``copies.WORDS`` names them.

    Raises:
        DatasetError, ImageReadError, WeightsError: what is needed cannot be read.
        ConfigError: there is no such network, or it does not fit ``Train.memory_gb``.
        TrainingError: the training images are too few or too much alike.
    """
    options = PatchSection.of(config)
    completion = Completion(config, str(device))
    good = GoodParts.of(config, device, _HELD_OUT if options.tiling.tile_size else 0)
    fitting = begin(options, good.card, good.fit, device, names, architecture, copies)
    suspects, warnings = good.suspects, good.warnings
    if good.held_out.samples:
        fit_parts(fitting.network, fitting.features, options.seed)
        calibration = completion.calibrate(fitting.network, fitting.card, good.held_out)
    else:
        fitting, calibration, suspects = fit_robustly(fitting, options, options.robust)
        warnings = [*warnings, *report_suspects(suspects, config)]
    card = with_fit_facts(fitting, options, copies)
    fitted = completion.publish(fitting.network, card, calibration, warnings)
    facts = {
        "images": fitting.photos,
        "held_out_images": len(np.unique(photo_numbers(good.held_out.samples))),
        "architecture": dict(fitting.card.architecture),
    }
    return replace(fitted, suspects=suspects, facts={**facts, **fitted.facts})


def screen_patches(
    config: Config,
    device: Device,
    photos: Sequence[Sample],
    names: Sequence[str],
    architecture: Architecture,
) -> list[Suspect]:
    """``Model.screen`` of a model that is made of parts: whole photos are judged, each by a fit to others; see ``fit_patches``.

    Args:
        config: of this model; Train and Global are read.
        device: where features are computed.
        photos: of the training list.
        names: as for ``fit_patches``.
        architecture: likewise.
    """
    options = PatchSection.of(config)
    card = card_of(config, photos)
    fitting = begin(options, card, ImageBatches(photos, card.transform), device, names, architecture)
    return fit_robustly(fitting, options, config.Train.robust)[2]
