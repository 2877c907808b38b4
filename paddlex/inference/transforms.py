"""What ``Deploy.transforms`` of inference.yml say, and nothing else: from an image to the network's input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from paddlex.errors import ModelError
from paddlex.inference.checked import fraction, list_of, named, whole, within

#: RGB statistics of ImageNet, for values in 0..1: what backbones are trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_INTERPOLATIONS = {
    "NEAREST": cv2.INTER_NEAREST,
    "LINEAR": cv2.INTER_LINEAR,
    "BICUBIC": cv2.INTER_CUBIC,
    "AREA": cv2.INTER_AREA,
    "LANCZOS4": cv2.INTER_LANCZOS4,
}

#: Of the network's input, in pixels; a graph for more would need more memory than there is.
LARGEST_SIDE = 8192

#: Of values in 0..1; with more, every image would look alike to the network, and would be called what that one is.
_LEAST_STD, _LARGEST_STD = 0.001, 1


class Transform:
    """Resize, then normalise.

    Args:
        size: the network's input as (width, height) in pixels.
        mean, std: per channel (RGB), for pixel values scaled to 0..1.
        interpolation: one of OpenCV's names, as PaddleX spells them.
    """

    def __init__(
        self,
        size: tuple[int, int],
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        interpolation: str = "LINEAR",
    ) -> None:
        self.size = size
        self.mean = tuple(float(value) for value in mean)
        self.std = tuple(float(value) for value in std)
        self.interpolation = interpolation

    def resize(self, image: np.ndarray) -> np.ndarray:
        """uint8 [H, W, 3] BGR -> uint8 [height, width, 3] RGB; the aspect ratio is not kept.

        ``AREA`` is for shrinking; where a side grows, OpenCV's would repeat pixels, and ``LINEAR`` takes its place.
        """
        width, height = self.size
        grows = image.shape[0] < height or image.shape[1] < width
        name = "LINEAR" if self.interpolation == "AREA" and grows else self.interpolation
        resized = cv2.resize(image, self.size, interpolation=_INTERPOLATIONS[name])
        return cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)

    def normalise(self, resized: np.ndarray) -> np.ndarray:
        """uint8 [N, height, width, 3] RGB -> float32 [N, 3, height, width], contiguous: (x / 255 - mean) / std."""
        params = cv2.dnn.Image2BlobParams()
        params.mean = (*(255 * mean for mean in self.mean), 0.0)
        params.scalefactor = (*(1 / (255 * std) for std in self.std), 1.0)
        params.ddepth = cv2.CV_32F
        return cv2.dnn.blobFromImagesWithParams(list(resized), params)

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """A batch of images of any sizes -> float32 [N, 3, height, width]."""
        return self.normalise(np.stack([self.resize(image) for image in images]))

    def to_deploy(self) -> list[dict[str, Any]]:
        """The list that stands at ``Deploy.transforms``, in PaddleX's spelling."""
        resize: dict[str, Any] = {"type": "Resize", "target_size": list(self.size)}
        if self.interpolation != "LINEAR":
            resize["interp"] = self.interpolation
        return [resize, {"type": "Normalize", "mean": list(self.mean), "std": list(self.std)}]

    @classmethod
    def from_deploy(cls, transforms: object, where: object) -> Transform:
        """Read ``Deploy.transforms``.

        Raises:
            ModelError: a step that we cannot carry out; running without it would give wrong answers in silence.
        """
        remedy = "Export the model again, or give one made for anomaly detection"
        if not isinstance(transforms, Sequence) or not all(isinstance(step, Mapping) for step in transforms):
            raise ModelError("Deploy.transforms is not a list of steps", where=where, remedy=remedy)
        steps = {str(step.get("type")): {k: v for k, v in step.items() if k != "type"} for step in transforms}
        if list(steps) != ["Resize", "Normalize"] or len(transforms) != 2:
            names = ", ".join(str(step.get("type")) for step in transforms)
            raise ModelError(f"Deploy.transforms are {names}, not Resize, Normalize", where=where, remedy=remedy)
        resize, normalise = steps["Resize"], steps["Normalize"]
        try:
            size = named("target_size", _pair, resize.pop("target_size"))
            interpolation = str(resize.pop("interp", "LINEAR")).upper()
            options_are_default = not resize.pop("keep_ratio", False) and resize.pop("size_divisor", None) is None
            mean, std = named("mean", _mean, normalise.pop("mean", 0.5)), named("std", _std, normalise.pop("std", 0.5))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"Deploy.transforms cannot be read: {error}", where=where, remedy=remedy) from error
        if not options_are_default or resize or normalise or interpolation not in _INTERPOLATIONS:
            raise ModelError(f"Deploy.transforms have an option that is not supported: {transforms}", where=where)
        return cls(size, mean, std, interpolation)


def _pair(value: Any) -> tuple[int, int]:
    width, height = list_of(whole(1, LARGEST_SIDE), length=2)([value, value] if isinstance(value, int) else value)
    return width, height


def _mean(value: Any) -> list[float]:
    return list_of(fraction, length=3)(_each(value))


def _std(value: Any) -> list[float]:
    words = f"a number from {_LEAST_STD:g} to {_LARGEST_STD:g}"
    return list_of(within(_LEAST_STD, _LARGEST_STD, words), length=3)(_each(value))


def _each(value: Any) -> Any:
    """One number for all three channels, or one for each."""
    return [value] * 3 if isinstance(value, (int, float)) else value
