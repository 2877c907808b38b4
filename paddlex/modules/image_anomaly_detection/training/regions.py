"""``Train.regions``: what a user has drawn on the photos becomes what the model inspects, before anything is fitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from paddlex.config_schema import RegionsSection
from paddlex.data.dataset import Sample, read_mask
from paddlex.data.foreground import find_foreground
from paddlex.data.tiles import view_size
from paddlex.errors import ConfigError, ImageReadError
from paddlex.inference.checked import Invalid
from paddlex.inference.inspection import Inspection, Runs
from paddlex.utils.logging import logger

_KEY = "Train.regions"


def inspection_of(options: RegionsSection, samples: Sequence[Sample]) -> Inspection:
    """Where the photos of a training list are inspected.

    Args:
        options: what is asked for.
        samples: of the training list, prepared in whatever comes before.

    Raises:
        ConfigError: the photos are of several sizes, or the regions do not fit them.
        ImageReadError: a photo cannot be read.
    """
    size = _size(samples)
    mask = None if options.mask is None else _mask(options.mask, size)
    if options.foreground:
        found = find_foreground(samples)
        mask = found if mask is None or found is None else mask & found
    try:
        inspection = Inspection.parse(
            {
                "size": size,
                "mask": None if mask is None else Runs.of(mask),
                "inspect": options.inspect,
                "ignore": options.ignore,
                "zones": [zone.model_dump() for zone in options.zones],
            }
        )
    except Invalid as error:
        what = f"{_KEY}{'.' if error.key else ' '}{error}"
        raise ConfigError(what, where=samples[0].root, remedy="Correct it, in pixels of the photos") from error
    logger.info("%.0f %% of the photo is inspected (%s).", 100 * inspection.share, _KEY)
    return inspection


def _size(samples: Sequence[Sample]) -> tuple[int, int]:
    """(width, height) of all photos."""
    first: dict[tuple[int, int], Sample] = {}
    sizes: Counter[tuple[int, int]] = Counter()
    for sample in samples:
        height, width = view_size(sample)
        first.setdefault((width, height), sample)
        sizes[width, height] += 1
    (usual, _), *others = sizes.most_common()
    if others:
        other, count = others[0]
        raise ConfigError(
            f"the training photos are of {len(sizes)} sizes, {count} of {other[0]} x {other[1]} pixels and most of "
            f"{usual[0]} x {usual[1]}: the same regions cannot be meant",
            where=first[other].where,
            remedy=f"Bring them to one size, or leave {_KEY} empty",
        )
    return usual


def _mask(path: str, size: tuple[int, int]) -> np.ndarray:
    """Where a picture is not 0, bool [H, W]."""
    try:
        mask = read_mask(path)
    except ImageReadError as error:
        raise ConfigError(f"{_KEY}.mask cannot be read: {error.what}", where=path, remedy=error.remedy) from error
    height, width = mask.shape
    if (width, height) != size:
        raise ConfigError(
            f"the mask is {width} x {height} pixels, the training photos are {size[0]} x {size[1]}",
            where=path,
            remedy=f"Draw {_KEY}.mask on one of the photos, at its size",
        )
    if not mask.any():
        remedy = "Let it be white, or another value than 0, where photos are to be inspected"
        raise ConfigError("the mask is 0 everywhere: nothing would be inspected", where=path, remedy=remedy)
    return mask
