"""From what a client sent to an image, without trusting it: sizes are read from the header before anything is decoded."""

from __future__ import annotations

import base64
import binascii
import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from paddlex.inference.inputs import decode_image
from paddlex.inference.serving.errors import RequestError

#: How the formats begin that are accepted. OpenCV picks its decoder in the same way, so the two cannot differ.
_FORMATS = {
    b"\xff\xd8\xff": ("JPEG", "MPO"),
    b"\x89PNG\r\n\x1a\n": ("PNG",),
    b"BM": ("BMP",),
    b"GIF87a": ("GIF",),
    b"GIF89a": ("GIF",),
    b"II*\x00": ("TIFF",),
    b"MM\x00*": ("TIFF",),
    b"RIFF": ("WEBP",),
    b"P2": ("PPM",),
    b"P3": ("PPM",),
    b"P5": ("PPM",),
    b"P6": ("PPM",),
}
_NAMES = "JPEG, PNG, BMP, GIF, TIFF, WebP, PPM"

#: A side longer than this overflows the 16-bit coordinates of OpenCV's resampling.
_MAX_SIDE = 32_767

#: A progressive JPEG has about ten scans; thousands of empty ones make a small file take minutes.
_MAX_JPEG_SCANS = 100

#: TIFF tags, and what stands for "all rows in one strip".
_ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH = 278, 322, 323
_ALL_ROWS = (0, 2**32 - 1)
_DATA_URL = re.compile(r"data:image/[\w.+-]{1,40};base64,", re.ASCII)
_WHITE_SPACE = b" \t\r\n"

#: Characters that are decoded at a time, a multiple of four: in between, other threads get their turn.
_PIECE = 2**18

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # the limit here is our own


@dataclass(frozen=True)
class ImageSize:
    """In pixels."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


def decode_base64(text: str) -> bytes:
    """The bytes behind base64 text; line breaks and a browser's ``data:image/…;base64,`` in front are fine.

    Nothing else is: not a path, not ``file://``.

    Raises:
        RequestError: 400, it is not base64.
    """
    prefix = _DATA_URL.match(text)
    try:
        data = text[prefix.end() if prefix else 0 :].encode("ascii").translate(None, _WHITE_SPACE)
        if b"=" in data[:-2]:
            raise binascii.Error("padding in the middle")
        pieces = (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))
        return b"".join(base64.b64decode(piece, validate=True) for piece in pieces)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise RequestError(
            400, "the image is neither base64 nor an http(s) URL", remedy="Send the base64 of the file's content"
        ) from error


def read_size(data: bytes, max_pixels: int) -> ImageSize:
    """Read an image's size from its header.

    Raises:
        RequestError: 415, it is no image of a known format, or its header is broken; 413, it is too large.
    """
    formats = next((names for start, names in _FORMATS.items() if data.startswith(start)), None)
    if formats is None:
        what = "the image is empty (0 bytes)" if not data else "the image is of an unknown format"
        raise RequestError(415, what, remedy=f"The formats are {_NAMES}")
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            size = ImageSize(*image.size)
            parts = _tiff_parts(size, image.tag_v2) if "TIFF" in formats else []
    except Image.DecompressionBombError as error:
        raise _too_large(f"more than {max_pixels} pixels") from error
    except UnidentifiedImageError as error:
        raise _damaged() from error
    except Exception as error:  # Pillow's parsers raise whatever a malformed header leads them to
        raise _damaged() from error
    for part in (size, *parts):
        if part.pixels > max_pixels:
            raise _too_large(f"{part.width} x {part.height} pixels, more than {max_pixels}")
    if max(size.width, size.height) > _MAX_SIDE:
        raise _too_large(f"{size.width} x {size.height} pixels, with a side of more than {_MAX_SIDE}")
    if min(size.width, size.height) < 1:
        raise _damaged()
    if "JPEG" in formats and data.count(b"\xff\xda") > _MAX_JPEG_SCANS:
        raise RequestError(415, f"the JPEG has more than {_MAX_JPEG_SCANS} scans", remedy="Save it anew")
    return size


def _tiff_parts(size: ImageSize, tags: Mapping[int, Any]) -> list[ImageSize]:
    """A TIFF's tile or strip: a decoder allocates a whole one, however small the image."""
    tile = ImageSize(int(tags.get(_TILE_WIDTH, 1)), int(tags.get(_TILE_LENGTH, 1)))
    rows = int(tags.get(_ROWS_PER_STRIP, 0))
    return [tile] if rows in _ALL_ROWS else [tile, ImageSize(size.width, rows)]


def decode(data: bytes, size: ImageSize) -> np.ndarray:
    """Decode as every other entrance does: uint8 [H, W, 3] BGR.

    Args:
        data: the file.
        size: what ``read_size`` found.

    Raises:
        ImageReadError: the image is truncated or damaged.
        RequestError: 415, the decoder sees another size than the header's.
    """
    image = decode_image(data, flags=cv2.IMREAD_COLOR, name="upload")
    if image.shape[0] * image.shape[1] != size.pixels:  # EXIF may turn it
        raise _damaged()
    return image


def _damaged() -> RequestError:
    return RequestError(
        415, "the image is truncated, damaged or of an unknown format", remedy=f"The formats are {_NAMES}"
    )


def _too_large(what: str) -> RequestError:
    return RequestError(413, f"the image is too large: {what}", remedy="Send it smaller, or raise --max_megapixels")
