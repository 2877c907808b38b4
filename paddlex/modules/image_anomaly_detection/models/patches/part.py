"""A part of a detector: what judges the features of one stage of a backbone, and what it is fitted to."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from paddlex.inference.fit_facts import PartFacts
from paddlex.inference.refit.features import PatchFeatures
from paddlex.inference.refit.parts import FittedPart
from paddlex.modules.image_anomaly_detection.models.patches.options import PatchSection


class Part(nn.Layer):
    """How far the features of one stage are from those of good parts.

    Args:
        layer: the stage it looks at.
    """

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, features: paddle.Tensor) -> paddle.Tensor:
        """The distance at each position: float32 [N, C, h, w] -> [N, 1, h, w], at least 0."""
        raise NotImplementedError

    def facts(self, options: PatchSection) -> PartFacts:
        """What a refit has to know of it; ``options`` are those that it is fitted by."""
        raise NotImplementedError

    def unfitted(self, patches: int) -> Part:
        """One like this that has not been fitted, as large as so many patches of good parts allow."""
        raise NotImplementedError

    def take_over(self, fitted: FittedPart) -> np.ndarray:
        """Set the buffers to what was learnt; the cross-fitted distances."""
        for name, array in fitted.arrays.items():
            getattr(self, name).set_value(array)
        return fitted.distances

    def fit(self, features: PatchFeatures, seed: int) -> np.ndarray:
        """Set the buffers by the images of all folds.

        Args:
            features: of the stage.
            seed: of whatever is drawn; the same seed and features give the same buffers.

        Returns:
            The cross-fitted distances of the kept images, float32 [k, h, w]: those of an image are from a fit to the other
            folds, so that they are as large as a new image's would be.

        Raises:
            ValueError: there is too little to fit to, or the features are no finite numbers.
        """
        raise NotImplementedError
