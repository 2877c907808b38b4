"""What every part of a patch model is when it has been fitted, and how it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FittedPart:
    """What a part has learnt.

    Attributes:
        arrays: float32 by name: the buffers of the part's network.
        distances: float32 [j, h, w], the cross-fitted distances of the kept images that are in a fold: those of an image are
            from a fit to the other folds, so that they are as large as a new image's would be.
    """

    arrays: Mapping[str, np.ndarray]
    distances: np.ndarray
