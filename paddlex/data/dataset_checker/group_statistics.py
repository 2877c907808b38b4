"""Sizes and brightness of the training images beside those of the validation images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import ttest_ind_from_stats

from paddlex.data.dataset_checker.descriptors import Descriptor

#: What Cohen calls a large effect: this many pooled standard deviations (Statistical power analysis for the behavioral
#: sciences, 1988, chapter 2).
LARGE_EFFECT = 0.8

#: And the difference must not be chance: Student's t test, two-sided.
SIGNIFICANCE = 0.0001

#: With fewer images on either side nothing is compared.
FEWEST_IMAGES = 3

_MOST_SIZES = 10


@dataclass(frozen=True)
class Trait:
    """Something in which two groups of normal images should agree.

    Attributes:
        measure: of one image.
        least_difference: between the means of two groups; a smaller one does not matter, however certain it is.
        least_spread: of one group, so that equal images do not make a trifle certain.
        wording: a sentence about the means of train and of val.
    """

    measure: Callable[[Descriptor], float]
    least_difference: float
    least_spread: float
    wording: Callable[[float, float], str]


#: Brightness differs by 10 grey levels or more, the area by a quarter, the proportions by a tenth.
TRAITS = (
    Trait(
        lambda image: image.brightness,
        least_difference=10,
        least_spread=1,
        wording=lambda train, val: (
            f"the normal validation images are {'brighter' if val > train else 'darker'} than the training images: "
            f"their mean grey level is {val:.0f}, not {train:.0f}"
        ),
    ),
    Trait(
        lambda image: math.log(image.width * image.height),
        least_difference=math.log(1.25),
        least_spread=0.01,
        wording=lambda train, val: (
            f"the normal validation images are {'larger' if val > train else 'smaller'} than the training images: "
            f"they have {math.exp(val - train):.2f} times as many pixels"
        ),
    ),
    Trait(
        lambda image: math.log(image.width / image.height),
        least_difference=math.log(1.1),
        least_spread=0.01,
        wording=lambda train, val: (
            "the normal validation images have other proportions than the training images: "
            f"width / height is {math.exp(val):.2f}, not {math.exp(train):.2f}"
        ),
    ),
)


def describe_group(images: Sequence[Descriptor]) -> dict[str, Any]:
    """Statistics of some images, ready for JSON.

    Returns:
        images: how many; sizes: the ten most frequent ones, each with width, height and images; distinct_sizes: how many
        there are; brightness and contrast: each with mean and std over the images, in grey levels (see `Descriptor`),
        null where there are no images.
    """
    sizes = Counter((image.width, image.height) for image in images)
    by_frequency = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    return {
        "images": len(images),
        "sizes": [
            {"width": width, "height": height, "images": count} for (width, height), count in by_frequency[:_MOST_SIZES]
        ],
        "distinct_sizes": len(sizes),
        "brightness": _mean_and_std([image.brightness for image in images]),
        "contrast": _mean_and_std([image.contrast for image in images]),
    }


def find_differences(train: Sequence[Descriptor], val_normal: Sequence[Descriptor]) -> list[str]:
    """In which of `TRAITS` normal validation images clearly differ from training images, in words.

    A clear difference is one that matters (`Trait.least_difference`), that is large beside the spread within the groups
    (`LARGE_EFFECT`) and that is not chance (`SIGNIFICANCE`). Such images are scored as less normal than those that will
    come, or as more, so neither the false alarms nor the AUROC measured on them would hold.
    """
    if min(len(train), len(val_normal)) < FEWEST_IMAGES:
        return []
    differences = []
    for trait in TRAITS:
        first = np.array([trait.measure(image) for image in train])
        second = np.array([trait.measure(image) for image in val_normal])
        if _differ_clearly(first, second, trait):
            differences.append(trait.wording(float(first.mean()), float(second.mean())))
    return differences


def _differ_clearly(first: np.ndarray, second: np.ndarray, trait: Trait) -> bool:
    difference = abs(first.mean() - second.mean())
    spreads = [max(float(values.std(ddof=1)), trait.least_spread) for values in (first, second)]
    freedom = [len(first) - 1, len(second) - 1]
    pooled = math.sqrt(np.average(np.square(spreads), weights=freedom))
    if difference < max(trait.least_difference, LARGE_EFFECT * pooled):
        return False
    test = ttest_ind_from_stats(first.mean(), spreads[0], len(first), second.mean(), spreads[1], len(second))
    return bool(test.pvalue < SIGNIFICANCE)


def _mean_and_std(values: list[float]) -> dict[str, float] | None:
    return {"mean": round(float(np.mean(values)), 2), "std": round(float(np.std(values)), 2)} if values else None
