"""The teacher's features, computed once for each image: the teacher is frozen and the images are the same every epoch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import paddle
from paddle import nn

from paddlex.modules.image_anomaly_detection.training.gradient.feature_files import FeatureFiles

#: 1.8 MB an image at 256x256 with a ResNet-18, so 1,100 images; the others are kept in files.
FEATURE_MEMORY_BYTES = 2 << 30


class TeacherFeatures:
    """Normalised features by image: in the device's memory as far as they fit, then in memory-mapped files.

    Args:
        network: has ``teacher_features``.
        memory_bytes: how much may be kept in memory.
        files: where the rest is kept; without them it is computed again in every step.
    """

    def __init__(
        self, network: nn.Layer, memory_bytes: int = FEATURE_MEMORY_BYTES, files: FeatureFiles | None = None
    ) -> None:
        self._network = network
        self._files = files
        self._free_bytes, self._is_full = memory_bytes, False
        self._kept: dict[Hashable, list[paddle.Tensor]] = {}
        self._names: dict[Hashable, str] = {}

    def __call__(self, keys: Sequence[Hashable] | None, images: paddle.Tensor) -> list[paddle.Tensor]:
        """The features of a batch, one [N, C, h, w] a layer.

        Args:
            keys: N names; the same name is always the same image. None for images that will not come again, such as
                augmented ones: nothing is looked up and nothing kept.
            images: float32 [N, 3, H, W].
        """
        if keys is None:
            return self._compute(images)
        found = [self._find(key, images, number) for number, key in enumerate(keys)]
        known = [layers for layers in found if layers is not None]
        if len(known) == len(found):
            return [paddle.stack(layer) for layer in zip(*known, strict=True)]
        features = self._compute(images)
        for number, key in enumerate(keys):
            if found[number] is None:
                self._keep(key, images, number, [layer[number] for layer in features])
        return features

    def _compute(self, images: paddle.Tensor) -> list[paddle.Tensor]:
        features: list[paddle.Tensor] = self._network.teacher_features(images)
        return features

    def _find(self, key: Hashable, images: paddle.Tensor, number: int) -> list[paddle.Tensor] | None:
        if key in self._kept:
            return self._kept[key]
        if self._files is None or not self._is_full:
            return None
        layers = self._files.read(self._name(key, images, number, self._files))
        return None if layers is None else [paddle.to_tensor(layer) for layer in layers]

    def _keep(self, key: Hashable, images: paddle.Tensor, number: int, layers: Sequence[paddle.Tensor]) -> None:
        size = sum(layer.size * layer.element_size() for layer in layers)
        if size <= self._free_bytes:
            self._kept[key] = [layer.clone() for layer in layers]
            self._free_bytes -= size
            return
        self._is_full = True
        if self._files is not None:
            self._files.write(self._name(key, images, number, self._files), [layer.numpy() for layer in layers])

    def _name(self, key: Hashable, images: paddle.Tensor, number: int, files: FeatureFiles) -> str:
        if key not in self._names:
            self._names[key] = files.name_of(self._network, images[number].numpy())
        return self._names[key]
