"""Figures of others on MVTec AD (Bergmann et al., CVPR 2019), to hold one's own against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: The categories of MVTec AD, in the order of the tables below.
CATEGORIES = (
    "carpet", "grid", "leather", "tile", "wood", "bottle", "cable", "capsule", "hazelnut", "metal_nut", "pill", "screw",
    "toothbrush", "transistor", "zipper",
)  # fmt: skip

#: Of all figures below; each README.md prints one table of one seed.
SOURCE = "anomalib, seed 42, in src/anomalib/models/image/ the README.md of stfpm, padim, patchcore and efficient_ad"


@dataclass(frozen=True)
class Published:
    """A method's image AUROC in each category, as ``SOURCE`` prints it.

    Attributes:
        method: as its authors call it, with the backbone.
        image_auroc: by category.
    """

    method: str
    image_auroc: Mapping[str, float]


def _published(method: str, figures: str) -> Published:
    return Published(method, dict(zip(CATEGORIES, map(float, figures.split()), strict=True)))


#: By the name of the model here; of a method that there is not here, by the method's name.
PUBLISHED = {
    "STFPM": _published(
        "STFPM (ResNet-18)",
        "0.954 0.982 0.989 0.949 0.961 0.979 0.838 0.759 0.999 0.956 0.705 0.835 0.997 0.853 0.645",
    ),
    "PaDiM": _published(
        "PaDiM (ResNet-18)",
        "0.945 0.857 0.982 0.950 0.976 0.994 0.844 0.901 0.750 0.961 0.863 0.759 0.889 0.920 0.780",
    ),
    "PatchCore": _published(
        "PatchCore (Wide ResNet-50)",
        "0.984 0.959 1.000 1.000 0.989 1.000 0.990 0.982 1.000 0.994 0.924 0.960 0.933 1.000 0.982",
    ),
    "EfficientAD-S": _published(
        "EfficientAD-S",
        "0.982 1.000 0.997 1.000 0.986 1.000 0.952 0.950 0.952 0.979 0.987 0.960 0.997 0.999 0.994",
    ),
}
