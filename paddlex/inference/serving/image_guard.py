"""From what a client sent to an image, without trusting it: sizes are read from the header before anything is decoded."""

from __future__ import annotations

import base64
import binascii
import math
import re
from dataclasses import dataclass, replace

import numpy as np

from paddlex.errors import ImageReadError, ImageTooLargeError
from paddlex.inference.heic import heic_size
from paddlex.inference.image_files import decode_picture
from paddlex.inference.image_header import NAMES, checked_header, damaged, is_heic
from paddlex.inference.reading import ANY, Reading
from paddlex.inference.serving.errors import RequestError

#: A side longer than this overflows the 16-bit coordinates of OpenCV's resampling.
_MAX_SIDE = 32_767

#: What an upload is called in errors.
_NAME = "upload"

_DATA_URL = re.compile(r"data:image/[\w.+-]{1,40};base64,", re.ASCII)
_WHITE_SPACE = b" \t\r\n"

#: Characters that are decoded at a time, a multiple of four: in between, other threads get their turn.
_PIECE = 2**18


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
        RequestError: 415, it is no single image of a known format, or its header is broken; 413, it is too large.
    """
    try:
        if is_heic(data):
            size = ImageSize(*heic_size(data, _NAME, max_pixels))
        else:
            header = checked_header(data, _NAME, max_pixels)
            size = ImageSize(header.width, header.height)
    except ImageTooLargeError as error:
        raise _too_large(error.what) from error
    except ImageReadError as error:
        raise RequestError(415, error.what, remedy=error.remedy) from error
    if max(size.width, size.height) > _MAX_SIDE:
        raise _too_large(
            f"the image is too large: {size.width} x {size.height} pixels, with a side of more than {_MAX_SIDE}"
        )
    return size


def decode(data: bytes, size: ImageSize, reading: Reading = ANY) -> np.ndarray:
    """Decode as every other entrance does: uint8 [H, W, 3] BGR.

    Args:
        data: the file.
        size: what ``read_size`` found.
        reading: what the model makes of 16-bit pictures.

    Raises:
        ImageReadError: the image is truncated or damaged, or has values that the model is not for.
        RequestError: 415, the decoder sees another size than the header's.
    """
    image = decode_picture(data, _NAME, replace(reading, max_megapixels=math.inf))
    if image.shape[0] * image.shape[1] != size.pixels:  # EXIF may turn it
        raise RequestError(415, damaged(_NAME).what, remedy=f"The formats are {NAMES}")
    return image


def _too_large(what: str) -> RequestError:
    return RequestError(413, what, remedy="Send it smaller, or raise --max_megapixels")
