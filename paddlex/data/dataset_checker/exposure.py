"""Training images that show next to nothing: nearly black, or all of one grey level."""

from __future__ import annotations

from collections.abc import Sequence

from paddlex.data.dataset_checker.descriptors import Descriptor

#: Nearly black: hardly a pixel reaches this grey level, of 255. A camera of 12 bits read over 16 is so.
DARK = 16

#: Flat: the grey levels spread by less than this, as their standard deviation.
FLAT = 1.5


def find_poor_exposure(images: Sequence[Descriptor]) -> list[tuple[str, str]]:
    """What is wrong with most of the training images, and what to do about it."""
    dark = sum(is_dark(image) for image in images)
    flat = sum(is_flat(image) and not is_dark(image) for image in images)
    found = []
    if 2 * dark > len(images):
        mean = sum(image.brightness for image in images) / len(images)
        found.append((
            f"{dark} of {len(images)} training images are nearly black (mean grey level {mean:.1f} of 255)",
            "Light the part better or expose longer; if the camera has 10, 12 or 14 bits, set Global.bit_depth to that",
        ))  # fmt: skip
    if 2 * flat > len(images):
        found.append((
            f"{flat} of {len(images)} training images are flat: their grey levels hardly differ",
            "Check the light, the focus and the exposure, and that the pictures show the part",
        ))  # fmt: skip
    return found


def is_dark(image: Descriptor) -> bool:
    """Whether an image is nearly black."""
    return image.brightness + 2 * image.contrast < DARK


def is_bright(image: Descriptor) -> bool:
    """Whether an image is nearly white."""
    return image.brightness - 2 * image.contrast > 255 - DARK


def is_flat(image: Descriptor) -> bool:
    """Whether an image is all of one grey level."""
    return image.contrast < FLAT
