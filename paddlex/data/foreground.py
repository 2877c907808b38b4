"""Where the parts are in the photos of a camera that looks at a plain background: learnt from the training photos together.

It is one region for all photos, wherever a part has been seen: a part from which a piece is missing is still inspected where
that piece should be. In doubt more is inspected, never less.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from paddlex.data.dataset import Sample, thinned
from paddlex.utils.logging import logger

#: Photos that are looked at, spread over the list, and the longer side to which they are brought.
_MOST, _SIDE = 200, 256

#: What counts as the border of a photo, as a share of its longer side; how far what is found is widened.
_BORDER, _MARGIN = 0.03, 0.03

#: Of the border this share must be much like the rest of it: that much may be a part, a cable, a hand.
_PLAIN = 0.6

#: Lab units: what differs less from the background is background, and what is unevener than this is no plain background.
_LEAST, _MOST_UNEVEN = 12.0, 8.0

#: Deviations (robust) from the background's colour beyond which a pixel is something else.
_DEVIATIONS = 5.0

#: A piece is a part, or one of several, if it is this share of the largest one, or if in this share of the photos there is
#: something in its place. Other pieces were lying about.
_LARGE, _USUAL = 0.25, 0.5

#: In so many photos there may be no telling.
_UNCLEAR = 0.1


def find_foreground(samples: Sequence[Sample]) -> np.ndarray | None:
    """Where the parts of all photos lie, bool [h, w] in the photos' shape; None where that cannot be told.

    Raises:
        ImageReadError: a photo cannot be read.
    """
    chosen = thinned(samples, _MOST)
    found = foreground_of(sample.view().image for sample in chosen)
    if found is None:
        logger.warning(
            "Train.regions.foreground: no plain background around the parts is seen; whole photos are inspected."
        )
    return found


def foreground_of(photos: Iterable[np.ndarray]) -> np.ndarray | None:
    """The same of photos of one shape, uint8 [H, W, 3] BGR; at most 256 pixels long."""
    found = [_differing(_small(photo)) for photo in photos]
    clear = [pieces for pieces in found if pieces is not None]
    if len(clear) < (1 - _UNCLEAR) * len(found):
        return None
    usual = np.mean(clear, axis=0) >= _USUAL
    region = np.logical_or.reduce([_parts(pieces, usual) for pieces in clear])
    radius = round(_MARGIN * max(region.shape))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    widened = cv2.dilate(_filled(region), disc) > 0
    return None if widened.all() or not region.any() else widened


def _small(photo: np.ndarray) -> np.ndarray:
    scale = _SIDE / max(photo.shape[:2])
    height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
    small = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)


def _differing(lab: np.ndarray) -> np.ndarray | None:
    """What differs from the colour of the border, bool [h, w]; None where the border is not of one colour."""
    smooth = cv2.GaussianBlur(lab, (0, 0), 1.0)
    depth = max(2, round(_BORDER * max(lab.shape[:2])))
    is_border = np.ones(lab.shape[:2], bool)
    is_border[depth:-depth, depth:-depth] = False
    background = _evenly_lit(smooth, is_border)
    distance = np.linalg.norm(smooth - background, axis=2)
    unevenness = float(np.quantile(distance[is_border], _PLAIN))
    if unevenness > _MOST_UNEVEN:
        return None
    spread = 1.4826 * float(np.median(distance[is_border]))
    return _filled(distance > max(_LEAST, _DEVIATIONS * spread))


def _evenly_lit(lab: np.ndarray, is_border: np.ndarray) -> np.ndarray:
    """The background as its border shows it, float [h, w, 3]: a colour that may change evenly from side to side."""
    height, width = is_border.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    plane = np.stack([np.ones_like(x), x, y], axis=-1)
    terms, colours = plane[is_border], lab[is_border]
    kept = np.ones(len(colours), bool)
    coefficients = np.zeros((3, 3))
    for _ in range(5):  # each time without what is far off: a part, a cable
        coefficients, *_ = np.linalg.lstsq(terms[kept], colours[kept], rcond=None)
        off = np.linalg.norm(colours - terms @ coefficients, axis=1)
        kept = off <= max(np.quantile(off, _PLAIN), 1.0)
    return plane @ coefficients


def _parts(pieces: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """What of the pieces in a photo, bool [h, w], are parts."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pieces.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    is_usual = np.bincount(labels.ravel(), usual.ravel(), count) >= _USUAL * areas
    is_part = (areas >= _LARGE * areas[1:].max(initial=0)) | is_usual
    is_part[0] = False
    return is_part[labels]


def _filled(region: np.ndarray) -> np.ndarray:
    """With whatever it encloses, uint8 [h, w]."""
    contours, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(region.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    return filled
