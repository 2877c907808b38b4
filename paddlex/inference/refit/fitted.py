"""All parts of a model fitted anew, and the thresholds that follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paddlex.errors import RefitError
from paddlex.inference.calibration import Calibration
from paddlex.inference.fit_facts import BANK, FitFacts, PartFacts, fusion_arrays, part_array
from paddlex.inference.inspection import Inspection
from paddlex.inference.refit.bank import bank_size, fit_bank
from paddlex.inference.refit.calibrating import Aims, Fusions, Inspected, calibrate_layers
from paddlex.inference.refit.features import PatchFeatures
from paddlex.inference.refit.fusion import CalibratedMaps, summed
from paddlex.inference.refit.gaussians import fit_gaussians
from paddlex.inference.refit.parts import FittedPart
from paddlex.inference.refit.steps import BANK_FOLD

#: What to do where photos cannot be fitted to.
REMEDY = "Take more photos of different good parts"


@dataclass(frozen=True)
class Fitted:
    """What a model has learnt.

    Attributes:
        arrays: float32, by their names in inference.onnx.
        banks: how many patches each bank holds, by the features they are of.
        calibration: the thresholds.
    """

    arrays: Mapping[str, np.ndarray]
    banks: Mapping[str, int]
    calibration: Calibration


def fit_parts(
    facts: FitFacts, features: Mapping[str, PatchFeatures], done: Callable[[int], object]
) -> list[FittedPart]:
    """Fit all parts to the features of the images.

    Args:
        facts: how.
        features: by name.
        done: called with the units, see ``steps``, that were done just now.

    Raises:
        RefitError: the images are too few, or their features are no finite numbers.
    """
    try:
        return [_fit(part, features[part.features], facts.seed, done) for part in facts.parts]
    except ValueError as error:
        raise RefitError(str(error), remedy=REMEDY) from error


def _fit(part: PartFacts, features: PatchFeatures, seed: int, done: Callable[[int], object]) -> FittedPart:
    if part.kind != BANK:
        return fit_gaussians(features, part.features, lambda: done(1))
    assert part.size is not None
    size = bank_size(part.size, len(features.pool))
    neighbours = min(part.neighbours, size)
    if part.neighbours and neighbours < 2:
        raise ValueError("in a bank of 1 patch there are no neighbours to weight by")
    return fit_bank(features, part.features, size, neighbours, seed, lambda: done(BANK_FOLD))


def with_thresholds(
    facts: FitFacts,
    parts: Sequence[FittedPart],
    aims: Aims,
    image_size: tuple[int, int],
    inspected: Inspected,
    regions: Inspection | None,
) -> Fitted:
    """What follows from the parts: the fusion's statistics, and the thresholds.

    Args:
        facts: how the parts were fitted.
        parts: these.
        aims: of the thresholds.
        image_size: (H, W) of the network's input.
        inspected: where each of the images is judged whose distances there are.
        regions: what has zones with limits of their own.

    Raises:
        TrainingError: the images are too much alike.
    """
    layers = [fitted.distances for fitted in parts]
    maps = CalibratedMaps([layer.shape[1:] for layer in layers], facts.sigma)
    fusions = Fusions(maps, summed, facts.least_shrinkage)
    calibration, _ = calibrate_layers(fusions, layers, aims, image_size, inspected, regions)
    arrays = {
        part_array(number, name): array for number, part in enumerate(parts) for name, array in part.arrays.items()
    }
    for names, statistics in zip(fusion_arrays(len(layers)), maps.statistics, strict=True):
        arrays.update({name: values[None, None] for name, values in zip(names, statistics, strict=True)})
    described = zip(facts.parts, parts, strict=True)
    banks = {part.features: fitted.arrays["patches"].shape[1] for part, fitted in described if part.kind == BANK}
    return Fitted(arrays, banks, calibration)
