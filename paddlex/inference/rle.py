"""Masks as COCO's run lengths: small where a list of pixels is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np


def mask_to_rle(mask: np.ndarray) -> dict[str, list[int]]:
    """COCO's uncompressed RLE of a mask [H, W].

    Returns:
        ``size`` [H, W], and ``counts``: how many pixels are 0, then how many are not, then 0 again and so on, column after
        column from the left, each from the top. ``pycocotools.mask.frPyObjects`` takes it.
    """
    height, width = mask.shape
    if not mask.any():
        return {"size": [height, width], "counts": [mask.size]}
    pixels = cv2.transpose(np.ascontiguousarray(mask, np.uint8)).ravel() != 0
    borders = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    counts = np.diff(borders, prepend=0, append=pixels.size).tolist()
    return {"size": [height, width], "counts": [0, *counts] if pixels[0] else counts}


def rle_to_mask(rle: Mapping[str, Any]) -> np.ndarray:
    """The mask of ``mask_to_rle``: uint8 [H, W], 0 or 255.

    Raises:
        ValueError: the counts are not those of an image of that size.
    """
    height, width = rle["size"]
    values = np.zeros(len(rle["counts"]), np.uint8)
    values[1::2] = 255
    return np.repeat(values, rle["counts"]).reshape(width, height).T
