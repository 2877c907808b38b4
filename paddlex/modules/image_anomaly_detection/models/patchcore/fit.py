"""How PatchCore is fitted: one memory bank a stage, or one for all stages as in the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paddlex.config_schema import Config
from paddlex.data.dataset import Sample
from paddlex.errors import ConfigError
from paddlex.inference.refit.bank import bank_size
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.models.patchcore.options import PatchCoreOptions
from paddlex.modules.image_anomaly_detection.models.patches.fit import fit_patches, screen_patches
from paddlex.modules.image_anomaly_detection.models.patches.network import JOINED
from paddlex.modules.image_anomaly_detection.training.suspects import Suspect
from paddlex.utils.devices import Device

#: How many patches the weighting looks at: b in Eq. 7, as the authors set it.
NEIGHBOURS = 9


def bank_names(options: PatchCoreOptions) -> list[str]:
    """The features that there is a bank for each of."""
    layers = BACKBONES[options.backbone].in_order(options.layers)
    return layers if options.banks == "stages" else [JOINED.join(layers)]


def bank_sizes(options: PatchCoreOptions, counts: Mapping[str, int]) -> dict[str, Any]:
    """``architecture``: banks as large as wanted, or as there are patches.

    Raises:
        ConfigError: images are to be weighted by the neighbours in a bank of one patch.
    """
    sizes = {name: bank_size(options.bank_size, counts[name]) for name in bank_names(options)}
    if not options.reweighting:
        return {"banks": sizes}
    if min(sizes.values()) < 2:
        remedy = "Raise Train.bank_size and Train.sampled_patches, or set Train.reweighting=False"
        what = "in a bank of 1 patch there are no neighbours to weight by"
        raise ConfigError(what, where="Train.reweighting", remedy=remedy)
    return {"banks": sizes, "neighbours": NEIGHBOURS}


def fit(config: Config, device: Device) -> Fitted:
    """``Model.fit``, see ``fit_patches``."""
    options = config.Train
    assert isinstance(options, PatchCoreOptions)
    return fit_patches(config, device, bank_names(options), bank_sizes, options.copies)


def screen(config: Config, device: Device, photos: Sequence[Sample]) -> list[Suspect]:
    """``Model.screen``, see ``screen_patches``."""
    options = config.Train
    assert isinstance(options, PatchCoreOptions)
    return screen_patches(config, device, photos, bank_names(options), bank_sizes)
