"""Where the part is on a photo of it, as far as that can be told from one photo.

In doubt less is part: a defect that is drawn on what lies behind the part says nothing. ``data.foreground``, which decides
what a model inspects, takes more in doubt, and looks at all photos together.
"""

from __future__ import annotations

import cv2
import numpy as np

#: Of the longer side of the picture that is looked at, in pixels.
_COARSE = 256

#: A background is even: nine of ten pixels of the photo's rim are within so many grey values of their median.
_EVEN = 24

#: The part differs from it by so many, by twice as much as the rim does itself, and by half of what tells the two best apart
#: (Otsu, IEEE Trans. SMC 1979): a shadow is no part.
_DIFFERENT = 16

#: Shares of the photo: pieces that are smaller are specks; a part that is smaller or larger is none that stands out.
_SPECK, _SMALLEST, _LARGEST = 0.01, 0.03, 0.97


def find_foreground(image: np.ndarray) -> np.ndarray | None:
    """What stands out from an even background that surrounds it, holes of the part included.

    Args:
        image: uint8 [H, W, 3], BGR.

    Returns:
        bool [h, w], at most 256 pixels a side; None where the part fills the photo, or no background can be told from it.
    """
    height, width = coarse_shape(image.shape)
    small = cv2.GaussianBlur(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), (3, 3), 0)
    rim = np.concatenate([small[:2].reshape(-1, 3), small[-2:].reshape(-1, 3), *small[:, [0, 1, -2, -1]]])
    background = np.median(rim, axis=0).astype(np.float32)
    unevenness = float(np.percentile(np.abs(rim - background).max(axis=1), 90))
    if unevenness > _EVEN:
        return None
    difference = np.clip(np.abs(small - background).max(axis=2), 0, 255).astype(np.uint8)
    between = cv2.threshold(difference, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0]
    different = difference > max(_DIFFERENT, 2 * unevenness, between / 2)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    closed = cv2.morphologyEx(different.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    pieces = [contour for contour in contours if cv2.contourArea(contour) >= _SPECK * closed.size]
    filled = cv2.drawContours(np.zeros_like(closed), pieces, -1, 1, cv2.FILLED) > 0
    return filled if _SMALLEST <= filled.mean() <= _LARGEST else None


def coarse_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """(h, w) of the small picture of a photo [H, W, …] that is looked at."""
    scale = min(1.0, _COARSE / max(shape[:2]))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def background_colour(image: np.ndarray) -> np.ndarray:
    """The median colour of the photo's rim, float32 [3]."""
    rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return np.median(rim, axis=0).astype(np.float32)
