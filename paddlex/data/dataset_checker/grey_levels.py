"""Whether a picture looks like a mask: it has hardly any grey levels, and photos have many."""

from __future__ import annotations

import numpy as np

MOST_LABELS = 8  # grey levels of a mask; a photo has more
_LOSSY_MARGIN = 32  # how far from black or white lossy compression takes a pixel of a mask
_STEP = 16  # pixels; so many of each row and column are enough to tell most photos


def looks_like_mask(pixels: np.ndarray, is_lossy: bool) -> bool:
    """Whether a picture, uint8 [H, W, 3], has two grey levels or a few more, and no colours."""
    some = count_grey_levels(pixels[::_STEP, ::_STEP], is_lossy)
    return some <= MOST_LABELS and 1 < count_grey_levels(pixels, is_lossy) <= MOST_LABELS


def count_grey_levels(pixels: np.ndarray, is_lossy: bool) -> int:
    """How many grey levels a picture, uint8 [H, W, 3], has, at most 9; 9 for one in colours.

    Of lossy compression only what it leaves of black and white is looked at.
    """
    grey = pixels[..., 0]
    if is_lossy:
        is_extreme = (grey <= _LOSSY_MARGIN) | (grey >= 255 - _LOSSY_MARGIN)
        grey = np.where(grey < 128, 0, 255).astype(np.uint8) if is_extreme.mean() > 0.98 else grey
    elif not (pixels == grey[..., None]).all():
        return MOST_LABELS + 1
    return min(int(np.count_nonzero(np.bincount(grey.ravel(), minlength=256))), MOST_LABELS + 1)
