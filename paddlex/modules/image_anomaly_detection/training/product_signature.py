"""What the good parts look like, for models of several products to be told apart by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paddlex.data.dataset import Sample, thinned
from paddlex.inference.parallel import in_order
from paddlex.inference.signature import MOST_PHOTOS, Signature, descriptions
from paddlex.utils.paddle_environment import usable_cores


def product_signature(samples: Sequence[Sample]) -> Signature | None:
    """The signature of the photos of a training list, as they are before any preparation; None of fewer than two.

    Raises:
        ImageReadError: one cannot be read.
    """

    def look(sample: Sample) -> list[np.ndarray]:
        return descriptions(sample.read())

    chosen = thinned(samples, MOST_PHOTOS)
    return Signature.of(list(in_order(look, iter(chosen), usable_cores()))) if len(chosen) >= 2 else None
