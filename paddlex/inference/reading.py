"""How pictures are read for a model: what their 16-bit values mean, and how large they may be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from paddlex.errors import ImageReadError
from paddlex.inference.checked import Invalid, within

#: Bits a channel that a camera's pictures may have; 8: all pictures that were seen have 8.
BIT_DEPTHS = (8, 10, 12, 14, 16)

#: An image of more megapixels is refused unless more are asked for; room for long line-scan photos.
MAX_MEGAPIXELS = 250.0

#: A picture of 16 bits whose values reach beyond this can be nothing but one over the full range.
_LARGEST_OF_14_BITS = 2**14 - 1

_HEADERS_BYTES = 2**26


@dataclass(frozen=True)
class Reading:
    """How pictures become uint8 [H, W, 3].

    Attributes:
        bit_depth: the bits that the values of a 16-bit picture have, one of ``BIT_DEPTHS``; 255 stands for the largest of
            them. None, or 8: nothing is known of 16-bit pictures. Those that reach beyond 14 bits are taken to have 16; others
            are an error, because they may be nearly black or of a camera of 12 bits. 8-bit pictures are never scaled.
        max_megapixels: a larger image is refused before it is decoded.
    """

    bit_depth: int | None = None
    max_megapixels: float = MAX_MEGAPIXELS

    @property
    def max_pixels(self) -> int:
        return round(min(self.max_megapixels, 1e9) * 1e6)

    @property
    def max_bytes(self) -> int:
        """The largest file: an image of the most pixels, four channels of 16 bits, not compressed."""
        return 8 * self.max_pixels + _HEADERS_BYTES

    def to_eight_bits(self, image: np.ndarray, name: str, bits: int = 16) -> np.ndarray:
        """uint16 values of an array or a file -> uint8: 0 to 2 ** ``bit_depth`` - 1 become 0 to 255.

        Args:
            image: uint16 of any shape; it is not changed.
            name: for the error.
            bits: fewer than 16 where the file itself says so (a TIFF of 12 bits); its values then fill all 16.

        Raises:
            ImageReadError: a value beyond the range, or no range is known.
        """
        if bits < 16:
            return cv2.convertScaleAbs(image, alpha=255 / (2**16 - 2 ** (16 - bits)))
        highest = int(image.max())
        if self.bit_depth in (None, 8) and highest <= _LARGEST_OF_14_BITS:
            why = "the model was made for pictures of 8 bits" if self.bit_depth else "the model does not say its range"
            raise ImageReadError(
                f"the picture has 16 bits, but its values reach only {highest}, and {why}",
                where=name,
                remedy="Set bit_depth to that of the camera (10, 12, 14 or 16): Global.bit_depth, or bit_depth of the model",
            )
        depth = 16 if self.bit_depth in (None, 8) else int(self.bit_depth or 16)
        largest = 2**depth - 1
        if highest > largest:
            raise ImageReadError(
                f"the picture holds the value {highest}, but the model is for pictures of {depth} bits (0 to {largest})",
                where=name,
                remedy="Take the picture as those the model was trained on, or set bit_depth",
            )
        return cv2.convertScaleAbs(image, alpha=255 / largest)


def bit_depth(value: Any) -> int:
    """A check, see ``checked``: the bits of a camera."""
    if isinstance(value, bool) or value not in BIT_DEPTHS:
        raise Invalid(f"must be one of {', '.join(map(str, BIT_DEPTHS))}")
    return int(value)


#: A check: how many megapixels an image may have.
megapixels = within(0, math.inf, "more than 0", open_below=True)


#: Pictures of which nothing is known.
ANY = Reading()


def smallest_depth(highest: int) -> int:
    """The bits of a camera whose pictures reach a value: 10, 12, 14 or 16."""
    return next(depth for depth in BIT_DEPTHS[1:] if highest < 2**depth)
