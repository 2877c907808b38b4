"""HEIC, the format of phones: read by an optional package, which is imported when the first such file is met."""

from __future__ import annotations

import io
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import cv2
import numpy as np

from paddlex.errors import ImageReadError
from paddlex.inference.image_header import damaged, too_large
from paddlex.utils.extras import install

if TYPE_CHECKING:
    from pillow_heif import HeifImage

HEIC_SUFFIXES = frozenset({".heic", ".heif"})


#: What libheif's errors come as.
_ERRORS = (ValueError, EOFError, SyntaxError, RuntimeError, OSError, IndexError)


@cache
def has_heic() -> bool:
    """Whether the package that reads HEIC is installed."""
    return find_spec("pillow_heif") is not None


def heic_size(data: bytes, name: str, max_pixels: int) -> tuple[int, int]:
    """Width and height in pixels of the main picture of a HEIC or HEIF file, which is not decoded.

    Raises:
        ImageReadError: as ``decode_heic``.
    """
    return _main_picture(data, name, max_pixels).size


def decode_heic(data: bytes, name: str, max_pixels: int) -> np.ndarray:
    """Decode the main picture of a HEIC or HEIF file, turned as it says: uint8 [H, W, 3] BGR; more bits become 8.

    Raises:
        ImageReadError: it is damaged or too large, or pillow-heif is not installed.
    """
    picture = _main_picture(data, name, max_pixels)
    try:
        pixels = np.asarray(picture if picture.mode in ("RGB", "RGBA") else picture.to_pillow().convert("RGB"))
    except _ERRORS as error:
        raise damaged(name) from error
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGR)


def _main_picture(data: bytes, name: str, max_pixels: int) -> HeifImage:
    if not has_heic():
        what = "the image is HEIC, and pillow-heif, which reads it, is not installed"
        raise ImageReadError(what, where=name, remedy=f"Install it: {install('heic')}")
    import pillow_heif

    try:
        file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
        picture = file[file.primary_index]
    except _ERRORS as error:
        raise damaged(name) from error
    width, height = picture.size
    if width * height > max_pixels:
        raise too_large(width, height, name, max_pixels)
    return picture
