"""A process that holds a GenICam camera open, by way of Aravis' C library, and hands out pictures as ``camera_process`` does.

Standard input: a line of JSON with ``camera`` (its name, serial number or address; "" for the first that is found) and
``features``, then a byte for each picture that is wanted. Standard output: see ``camera_process``; a first header of no
height but a width is followed by as many bytes of text: why the camera cannot be opened.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import sys
from contextlib import suppress
from typing import Any, NamedTuple

import cv2
import numpy as np

from paddlex.line.sources.camera_process import HEADER

LIBRARY = "libaravis-0.8.so.0"

_OBJECTS = "libgobject-2.0.so.0"

_BUFFERS = 4
_ATTEMPTS = 3
"""To have one picture whole: over Ethernet packets may be lost."""

_LIFE_CHECK = 1.0
"""Seconds without a request after which the camera is asked whether it is there."""


class _Format(NamedTuple):
    """How the pixels of a format become BGR: the bits of a value, values of a pixel, and OpenCV's conversion."""

    bits: int
    channels: int = 1
    conversion: int | None = None


#: GenICam's numbers of pixel formats -> what they are; packed ones are not taken.
FORMATS = {
    0x01080001: _Format(8, 1, cv2.COLOR_GRAY2BGR), 0x01100003: _Format(10, 1, cv2.COLOR_GRAY2BGR),
    0x01100005: _Format(12, 1, cv2.COLOR_GRAY2BGR), 0x01100007: _Format(16, 1, cv2.COLOR_GRAY2BGR),
    0x02180014: _Format(8, 3, cv2.COLOR_RGB2BGR), 0x02180015: _Format(8, 3, None),
    0x02100032: _Format(8, 2, cv2.COLOR_YUV2BGR_YUYV), 0x0210001F: _Format(8, 2, cv2.COLOR_YUV2BGR_UYVY),
    **{
        first + place: _Format(bits, 1, conversion)
        for first, bits in ((0x01080008, 8), (0x0110000C, 10), (0x01100010, 12), (0x0110002E, 16))
        for place, conversion in enumerate(
            (cv2.COLOR_BayerGRBG2BGR, cv2.COLOR_BayerRGGB2BGR, cv2.COLOR_BayerGBRG2BGR, cv2.COLOR_BayerBGGR2BGR)
        )
    },
}  # fmt: skip


def to_bgr(data: bytes, height: int, width: int, pixel_format: int, padding: int = 0) -> np.ndarray:
    """A camera's pixels as a picture.

    Args:
        data: what the camera has sent.
        height: in pixels.
        width: in pixels.
        pixel_format: GenICam's number.
        padding: bytes at the end of each line.

    Returns:
        uint8 [H, W, 3] BGR; of more than 8 bits the upper ones.

    Raises:
        ValueError: the format is not known, or pixels are missing.
    """
    if pixel_format not in FORMATS:
        raise ValueError(
            f"its pixel format {pixel_format:#010x} is not taken: set features.PixelFormat, say to Mono8 or BGR8"
        )
    bits, channels, conversion = FORMATS[pixel_format]
    line = width * channels * (1 if bits == 8 else 2)
    lines = np.frombuffer(data, np.uint8, height * (line + padding)).reshape(height, line + padding)
    pixels = np.ascontiguousarray(lines[:, :line])
    if bits > 8:
        pixels = (pixels.view("<u2") >> (bits - 8)).astype(np.uint8)
    if channels > 1:
        pixels = pixels.reshape(height, width, channels)
    return pixels if conversion is None else cv2.cvtColor(pixels, conversion)


class _Error(ctypes.Structure):
    _fields_ = (("domain", ctypes.c_uint32), ("code", ctypes.c_int), ("message", ctypes.c_char_p))


_CONTINUOUS = 0
_SUCCESS = 0
_POINTER, _TEXT, _INT, _WIDE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint64

#: Functions that report an error -> what they return, and take before it.
_FAILING: dict[str, tuple[Any, ...]] = {
    "camera_new": (_POINTER, _TEXT), "camera_get_payload": (ctypes.c_uint, _POINTER),
    "camera_set_string": (None, _POINTER, _TEXT, _TEXT), "camera_set_boolean": (None, _POINTER, _TEXT, _INT),
    "camera_set_integer": (None, _POINTER, _TEXT, ctypes.c_int64),
    "camera_set_float": (None, _POINTER, _TEXT, ctypes.c_double),
    "camera_is_software_trigger_supported": (_INT, _POINTER), "camera_set_trigger": (None, _POINTER, _TEXT),
    "camera_set_acquisition_mode": (None, _POINTER, _INT), "camera_clear_triggers": (None, _POINTER),
    "camera_create_stream": (_POINTER, _POINTER, _POINTER, _POINTER), "camera_start_acquisition": (None, _POINTER),
    "camera_software_trigger": (None, _POINTER), "camera_stop_acquisition": (None, _POINTER),
}  # fmt: skip
_OTHER: dict[str, tuple[Any, ...]] = {
    "buffer_new_allocate": (_POINTER, ctypes.c_size_t), "stream_push_buffer": (None, _POINTER, _POINTER),
    "stream_try_pop_buffer": (_POINTER, _POINTER), "stream_timeout_pop_buffer": (_POINTER, _POINTER, _WIDE),
    "buffer_get_status": (_INT, _POINTER), "buffer_get_image_width": (_INT, _POINTER),
    "buffer_get_image_height": (_INT, _POINTER), "buffer_get_image_pixel_format": (ctypes.c_uint32, _POINTER),
    "buffer_get_image_padding": (None, _POINTER, ctypes.POINTER(_INT), ctypes.POINTER(_INT)),
    "buffer_get_data": (_POINTER, _POINTER, ctypes.POINTER(ctypes.c_size_t)),
}  # fmt: skip


class Camera:
    """A camera that is open and waits for its triggers.

    Args:
        name: its name, serial number or address; "" for the first that is found.
        features: GenICam's names -> what they are set to, in this order.
        seconds: that a picture may take.

    Raises:
        OSError: it is not there, or does not have such a feature.
    """

    def __init__(self, name: str, features: dict[str, Any], seconds: float) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self._seconds = seconds
        self._camera = self._call("camera_new", name.encode() or None)
        for feature, value in features.items():
            self._set(feature, value)
        self._call("camera_set_acquisition_mode", self._camera, _CONTINUOUS)
        self._is_triggered = bool(self._call("camera_is_software_trigger_supported", self._camera))
        if self._is_triggered:
            self._call("camera_set_trigger", self._camera, b"Software")
        else:
            self._call("camera_clear_triggers", self._camera)
        self._stream = self._call("camera_create_stream", self._camera, None, None)
        payload = self._call("camera_get_payload", self._camera)
        for _ in range(_BUFFERS):
            self._call("stream_push_buffer", self._stream, self._call("buffer_new_allocate", payload))
        self._call("camera_start_acquisition", self._camera)

    def picture(self) -> np.ndarray:
        """A picture that was begun after this call.

        Raises:
            OSError: the camera sends none.
            ValueError: it sends one that is not understood.
        """
        while buffer := self._call(
            "stream_try_pop_buffer", self._stream
        ):  # of a trigger that nobody waits for any more
            self._call("stream_push_buffer", self._stream, buffer)
        if not self._is_triggered:
            self._wait(None)  # begun before
        for _ in range(_ATTEMPTS):
            if self._is_triggered:
                self._call("camera_software_trigger", self._camera)
            picture: list[np.ndarray] = []
            if self._wait(picture):
                return picture[0]
        raise OSError("its pictures come incomplete")

    def close(self) -> None:
        """Let go of it, so that it can be opened again at once."""
        with suppress(OSError):
            self._call("camera_stop_acquisition", self._camera)
        release = ctypes.CDLL(_OBJECTS).g_object_unref
        release.restype, release.argtypes = None, [_POINTER]
        release(self._stream)
        release(self._camera)

    def is_there(self) -> bool:
        """Whether it answers, which takes seconds where it does not."""
        try:
            self._call("camera_get_payload", self._camera)
        except OSError:
            return False
        return True

    def _wait(self, into: list[np.ndarray] | None) -> bool:
        """Wait for a buffer, and copy a whole picture out of it; returns whether it was whole."""
        buffer = self._call("stream_timeout_pop_buffer", self._stream, int(self._seconds * 1_000_000))
        if not buffer:
            raise OSError(f"it has sent no picture within {self._seconds:g} s")
        try:
            is_whole = self._call("buffer_get_status", buffer) == _SUCCESS
            if is_whole and into is not None:
                size, padding, below = ctypes.c_size_t(), _INT(), _INT()
                data = self._call("buffer_get_data", buffer, ctypes.byref(size))
                self._call("buffer_get_image_padding", buffer, ctypes.byref(padding), ctypes.byref(below))
                height, width, pixel_format = (
                    self._call(f"buffer_get_image_{name}", buffer) for name in ("height", "width", "pixel_format")
                )
                into.append(to_bgr(ctypes.string_at(data, size.value), height, width, pixel_format, padding.value))
            return is_whole
        finally:
            self._call("stream_push_buffer", self._stream, buffer)

    def _set(self, feature: str, value: Any) -> None:
        name = feature.encode()
        if isinstance(value, str):
            self._call("camera_set_string", self._camera, name, value.encode())
        elif isinstance(value, bool):
            self._call("camera_set_boolean", self._camera, name, int(value))
        elif isinstance(value, float):
            self._call("camera_set_float", self._camera, name, value)
        else:
            try:
                self._call("camera_set_integer", self._camera, name, value)
            except OSError:  # a number with a decimal point may be written without one
                self._call("camera_set_float", self._camera, name, float(value))

    def _call(self, name: str, *arguments: Any) -> Any:
        function = getattr(self._library, f"arv_{name}")
        is_failing = name in _FAILING
        function.restype, *function.argtypes = _FAILING[name] if is_failing else _OTHER[name]
        if not is_failing:
            return function(*arguments)
        error = ctypes.POINTER(_Error)()
        function.argtypes = [*function.argtypes, ctypes.POINTER(ctypes.POINTER(_Error))]
        found = function(*arguments, ctypes.byref(error))
        if error:
            raise OSError((error.contents.message or b"").decode(errors="replace"))
        return found


def main() -> int:
    """The exit status: 1 where the camera cannot be opened or is lost."""
    given = json.loads(sys.stdin.buffer.readline())
    output = os.fdopen(os.dup(1), "wb")
    try:
        camera = Camera(given["camera"], given["features"], float(sys.argv[1]))
    except (OSError, AttributeError, UnicodeError) as error:  # an AttributeError: another version has no such function
        reason = str(error).encode()[:1000]
        output.write(HEADER.pack(0, len(reason)) + reason)
        output.flush()
        return 1
    output.write(HEADER.pack(0, 0))
    output.flush()
    try:
        while True:
            if not select.select([0], [], [], _LIFE_CHECK)[0]:
                if not camera.is_there():
                    os._exit(1)  # there is nothing to let go of
            elif os.read(0, 1):
                picture = camera.picture()
                output.write(HEADER.pack(*picture.shape[:2]) + picture.tobytes())
                output.flush()
            else:
                return 0  # whoever wanted the pictures has gone
    except (OSError, ValueError):
        return 1
    finally:
        camera.close()


if __name__ == "__main__":
    sys.exit(main())
