"""Image files: from a path, a URL or the encoded bytes to pixels."""

from __future__ import annotations

import errno
import os

import cv2
import numpy as np

from paddlex.errors import ImageReadError
from paddlex.inference.heic import decode_heic
from paddlex.inference.image_header import ImageHeader, checked_header, damaged, is_heic
from paddlex.inference.reading import ANY, Reading
from paddlex.utils.files import open_regular_file, read_regular_file
from paddlex.utils.paths import is_url

if hasattr(cv2.utils, "logging"):  # not in OpenCV below 4.6, which an older project's environment may hold
    # a broken image is reported once, by us, with its name
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def read_bytes(source: str | os.PathLike[str] | bytes, reading: Reading = ANY) -> bytes:
    """The encoded bytes behind a path, a URL or themselves.

    Raises:
        ImageReadError: the file cannot be read, or is too large.
        DownloadError: the URL cannot be fetched.
    """
    if isinstance(source, bytes):
        return source
    if is_url(source):
        from paddlex.utils.downloads import fetch_bytes

        return fetch_bytes(str(source))
    try:
        return read_regular_file(source, reading.max_bytes)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        reason = getattr(error, "strerror", None) or error
        is_too_large = getattr(error, "errno", None) == errno.EFBIG
        remedy = "Make it smaller, or raise max_megapixels" if is_too_large else "Check the path"
        raise ImageReadError(f"the image cannot be read: {reason}", where=source, remedy=remedy) from error


def decode_picture(data: bytes, name: str, reading: Reading = ANY, header: ImageHeader | None = None) -> np.ndarray:
    """Decode the bytes of an image file to uint8 [H, W, 3] BGR, see ``read_image``.

    Args:
        data: the file.
        name: for the error.
        reading: how.
        header: what ``checked_header`` found, if it was asked already.
    """
    if header is None and is_heic(data):
        return decode_heic(data, name, reading.max_pixels)
    header = header or checked_header(data, name, reading.max_pixels)
    if header.bits == 8:
        if header.is_darkened_by_alpha and _decoded(data, cv2.IMREAD_UNCHANGED, name)[..., -1].min() < 255:
            what = "the image is a TIFF with transparent pixels, whose colours cannot be read"
            raise ImageReadError(what, where=name, remedy="Save it without transparency")
        image = _decoded(data, cv2.IMREAD_COLOR, name)
        return image if header.white == 255 else cv2.convertScaleAbs(image, alpha=255 / header.white)
    deep = _decoded(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, name)
    if deep.dtype == np.uint8:  # OpenCV has cut the lower bits off, whatever the values reach
        what = f"only 8 of the image's {header.bits} bits can be read"
        raise ImageReadError(what, where=name, remedy="Save it as a PNG of 16 bits, grey or RGB, without transparency")
    return reading.to_eight_bits(deep, name, header.bits)


def decode_image(data: bytes, *, flags: int, name: str, reading: Reading = ANY) -> np.ndarray:
    """Decode the bytes of an image file of one page, its values as they are.

    Args:
        data: the file.
        flags: OpenCV's.
        name: for the error.
        reading: how large it may be.

    Raises:
        ImageReadError: it is damaged, too large or no single image.
    """
    checked_header(data, name, reading.max_pixels)
    return _decoded(data, flags, name)


def _decoded(data: bytes, flags: int, name: str) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise damaged(name)
    return image


def picture_size(path: str | os.PathLike[str], reading: Reading = ANY) -> tuple[int, int]:
    """Height and width of an image file as ``read_image`` gives it, whatever its bits; it is decoded, so that it is sound.

    Raises:
        ImageReadError: it cannot be read.
    """
    data, name = read_bytes(path, reading), os.fspath(path)
    if is_heic(data):
        height, width = decode_heic(data, name, reading.max_pixels).shape[:2]
    else:
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
        height, width = decode_image(data, flags=flags, name=name, reading=reading).shape[:2]
    return height, width


def highest_value(path: str | os.PathLike[str], reading: Reading = ANY) -> int | None:
    """The largest value in an image file of 16 bits; None for one of fewer, of which the first bytes are enough to tell.

    Raises:
        ImageReadError: it cannot be read.
    """
    try:
        with open_regular_file(path) as file:
            start = file.read(64)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageReadError(f"the image cannot be read: {reason}", where=path, remedy="Check the path") from error
    if not start.startswith((b"II", b"MM", b"P")) and not (start.startswith(b"\x89PNG") and start[24:25] == b"\x10"):
        return None  # no other format has 16 bits
    name = os.fspath(path)
    data = read_bytes(path, reading)
    if checked_header(data, name, reading.max_pixels).bits < 16:
        return None
    return int(_decoded(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, name).max())
