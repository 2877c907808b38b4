"""The teacher's features, computed once for each image: the teacher is frozen and the images are the same every epoch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import paddle
from paddle import nn

#: 1.8 MB an image at 256x256 with a ResNet-18; beyond the limit they are computed again in every step.
FEATURE_MEMORY_BYTES = 2 << 30


class TeacherFeatures:
    """Normalised features by image, kept in memory as far as they fit.

    Args:
        network: has ``teacher_features``.
        memory_bytes: how much may be kept.
    """

    def __init__(self, network: nn.Layer, memory_bytes: int = FEATURE_MEMORY_BYTES) -> None:
        self._network = network
        self._free_bytes = memory_bytes
        self._kept: dict[Hashable, list[np.ndarray]] = {}

    def __call__(self, keys: Sequence[Hashable], images: paddle.Tensor) -> list[paddle.Tensor]:
        """The features of a batch, one [N, C, h, w] a layer.

        Args:
            keys: N names; the same name is always the same image.
            images: float32 [N, 3, H, W].
        """
        if all(key in self._kept for key in keys):
            layers = zip(*(self._kept[key] for key in keys), strict=True)
            return [paddle.to_tensor(np.stack(layer)) for layer in layers]
        features: list[paddle.Tensor] = self._network.teacher_features(images)
        for key, *layers_of_image in zip(keys, *(layer.numpy() for layer in features), strict=True):
            size = sum(layer.nbytes for layer in layers_of_image)
            if key not in self._kept and size <= self._free_bytes:
                self._kept[key] = [layer.copy() for layer in layers_of_image]
                self._free_bytes -= size
        return features
