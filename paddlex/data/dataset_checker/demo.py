"""Pictures that show what the lists say: some images of each kind, with the masks drawn over them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from paddlex.data.dataset import Sample
from paddlex.inference.pictures import write_image

# Small images are enlarged so that an outline can be seen, large ones reduced so that the folder stays small.
_SHORTEST_SIDE = 256
_LONGEST_SIDE = 1024

_FILL = (0, 0, 255)
_FILL_OPACITY = 0.3
_OUTLINE = (0, 255, 255)
_OUTLINE_EDGE = (0, 0, 0)


def choose_demos(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Choose up to ``count`` samples of one list: in turn from each kind of defect, spread over its images."""
    kinds: dict[tuple[bool, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        kinds[sample.mask is None, sample.defect_type].append(sample)
    turns = [(turn, kind) for kind, members in kinds.items() for turn in range(min(count, len(members)))]
    shares = Counter(kind for _, kind in sorted(turns)[:count])
    chosen = [sample for kind, share in shares.items() for sample in _spread(kinds[kind], share)]
    return sorted(chosen, key=lambda sample: sample.line)


def demo_name(sample: Sample, number: int) -> str:
    """A file name that no other demo picture has, with the kind and the name of the image in it."""
    list_stem = Path(sample.list_name).stem
    words = [list_stem, f"{number:02d}", sample.defect_type[:30], Path(sample.image).stem[:30]]
    return "_".join(word for word in words if word) + ".png"


def save_demo(path: Path, image: np.ndarray, mask: np.ndarray | None) -> None:
    """Write an image with its mask drawn over it.

    Args:
        path: where to, ending in ``.png``.
        image: uint8 [H, W, 3], BGR.
        mask: bool [H, W], or None for a normal image.
    """
    write_image(path, draw_mask(image, mask))


def draw_mask(image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """The image at a size good to look at, the mask filled translucently and outlined from outside.

    Args:
        image: uint8 [H, W, 3], BGR.
        mask: bool [H, W], or None.

    Returns:
        uint8 [H', W', 3], BGR, of the same proportions.
    """
    width, height = _demo_size(image.shape[1], image.shape[0])
    shrinks = width < image.shape[1]
    canvas = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    if mask is None or not mask.any():
        return canvas
    if shrinks:  # a defect of one pixel must not vanish
        region = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0
    else:
        region = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    tinted = cv2.addWeighted(canvas, 1 - _FILL_OPACITY, np.full_like(canvas, _FILL), _FILL_OPACITY, 0)
    canvas[region] = tinted[region]
    outline = _grow(region, max(2, round(min(width, height) / 200)))  # outside the mask: a thin crack stays in sight
    edge = _grow(outline, 1)
    canvas[edge & ~outline] = _OUTLINE_EDGE  # dark, to show on light images
    canvas[outline & ~region] = _OUTLINE
    return canvas


def _grow(region: np.ndarray, pixels: int) -> np.ndarray:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.dilate(region.astype(np.uint8), kernel) > 0


def _demo_size(width: int, height: int) -> tuple[int, int]:
    scale = max(1.0, _SHORTEST_SIDE / min(width, height))
    scale = min(scale, _LONGEST_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _spread(samples: list[Sample], count: int) -> list[Sample]:
    return [samples[position * len(samples) // count] for position in range(count)]
