"""Network cameras: their addresses, and how their streams are opened. No error holds an address, which may hold a password."""

from __future__ import annotations

from urllib.parse import urlsplit

import cv2

from paddlex.errors import ImageReadError

#: The longest address.
LONGEST = 2048

_SCHEMES = ("rtsp", "rtsps", "http", "https")


def check_address(url: str) -> None:
    """See that a text is the address of a camera: rtsp, rtsps, http or https; a user name and a password may be in it.

    Raises:
        ImageReadError: it is not.
    """
    try:
        parts = urlsplit(url)
        is_right = parts.scheme.lower() in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right or len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise ImageReadError("a camera has an address such as rtsp://10.0.0.7/stream", remedy="Correct it")


def opened_stream(url: str, seconds: float) -> cv2.VideoCapture:
    """A stream, opened or not.

    Args:
        url: see ``check_address``.
        seconds: until it must be open, and until each picture must be there.
    """
    milliseconds = round(1000 * seconds)
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
    return cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)  # no other backend: those take patterns and pipelines
