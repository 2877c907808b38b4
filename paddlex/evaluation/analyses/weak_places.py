"""Where on the photo drawn defects are harder to find than elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paddlex.evaluation.analyses.detectability_result import Measured, WeakPlaces

#: Places of the map on the photo's longer side.
_PLACES = 24

#: Standard deviation of the weights of what was drawn nearby, as a share of the longer side.
_REACH = 0.07

#: So many defects that need what such defects do on average are added at every place, so that one or two do not decide.
_PRIOR = 2.0

#: Fewer than this drawn nearby tell nothing.
_FEWEST = 1.0


def weak_places(measured: Sequence[Measured], highest: dict[str, float], photo: np.ndarray) -> WeakPlaces:
    """The level that a defect needs, place by place, divided by what such defects need in the middle.

    The logarithms of what the defects of a kind and size need, less their mean, are averaged with Gaussian weights of the
    distance. One that is never found counts as if it needed twice the highest level.

    Args:
        measured: all drawn defects.
        highest: kind -> the highest level that was looked at.
        photo: uint8 [H, W, 3], BGR, to show them on.
    """
    groups: dict[tuple[str, int], list[Measured]] = {}
    for item in measured:
        groups.setdefault((item.kind, item.size), []).append(item)
    places, excess = [], []
    for (kind, _), items in groups.items():
        needed = np.log2([min(item.needed, 2 * highest[kind]) for item in items])
        places += [item.place for item in items]
        excess += list(needed - needed.mean())
    height, width = photo.shape[:2]
    longer = max(height, width)
    shape = max(1, round(_PLACES * height / longer)), max(1, round(_PLACES * width / longer))
    y, x = ((np.arange(count) + 0.5) / count for count in shape)
    drawn = np.array(places)
    squares = ((x[None, :, None] - drawn[:, 0]) * width / longer) ** 2 + (
        (y[:, None, None] - drawn[:, 1]) * height / longer
    ) ** 2
    weights = np.exp(-squares / (2 * _REACH**2))
    total = weights.sum(axis=2)
    mean = (weights * np.array(excess)).sum(axis=2) / (total + _PRIOR)
    factors = np.where(total >= _FEWEST, 2.0**mean, np.nan)
    if np.isnan(factors).all():
        factors = 2.0**mean
    return WeakPlaces(factors, photo)
