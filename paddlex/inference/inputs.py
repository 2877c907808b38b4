"""From whatever the user has (file, folder, glob, URL, bytes, array, video, camera) to images, one at a time."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Union

import cv2
import numpy as np

from paddlex.errors import ImageReadError
from paddlex.inference.video import (
    ALL_FRAMES,
    VideoFrame,
    VideoOptions,
    camera_frames,
    camera_index,
    is_video,
    video_frames,
)

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})

#: What ``predict`` takes. A list or generator may mix them.
Source = Union[str, "os.PathLike[str]", bytes, np.ndarray, int, VideoFrame]

if hasattr(cv2.utils, "logging"):  # not in OpenCV below 4.6, which an older project's environment may hold
    # a broken image is reported once, by us, with its name
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def is_url(source: object) -> bool:
    """Whether ``source`` is a string that starts with http:// or https://."""
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def is_camera(source: object) -> bool:
    """Whether ``source`` is a camera: its number, or ``camera:0``."""
    return camera_index(source) is not None


def origin(source: Source | None) -> dict[str, Any]:
    """Where an image comes from, as a result says it: ``input_path``, None if it has no name; of a frame also its place."""
    if isinstance(source, VideoFrame):
        return {"input_path": source.input_path, "frame": source.frame, "time": source.time}
    return {"input_path": os.fspath(source) if isinstance(source, (str, os.PathLike)) else None}


def list_images(folder: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the image files below ``folder``, hidden ones left out, folder by folder in sorted order.

    Only the names of one folder are held at a time, never an image.
    """
    for root, directories, names in os.walk(folder):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:
                yield os.path.join(root, name)


def expand(source: Source | Iterable[Source], video: VideoOptions = ALL_FRAMES) -> Iterator[Source]:
    """Turn a source into a stream of single images that are not read yet: paths, URLs, bytes, arrays or frames.

    A missing path in a list is passed on like any other; reading it will fail. The videos of a folder are passed over, those
    of a glob or a list are not.

    Args:
        source: what the user has; 0 or ``camera:0`` is a camera.
        video: which frames of a video or a camera.

    Raises:
        ImageReadError: a path that does not exist, a folder or glob without images, or a type that is none of these.
    """
    camera = camera_index(source)
    if camera is not None:
        yield from camera_frames(camera, video)
    elif isinstance(source, (bytes, np.ndarray, VideoFrame)) or is_url(source):
        yield source  # type: ignore[misc]
    elif isinstance(source, (str, os.PathLike)):
        for path in _expand_path(os.fspath(source)):
            yield from video_frames(path, video) if is_video(path) else (path,)
    elif isinstance(source, Iterable):
        for single in source:
            if _is_missing_file(single):
                yield single  # one missing file among many is found out, and told of, when it is read
            else:
                yield from expand(single, video)
    else:
        raise ImageReadError(
            f"a {type(source).__name__} is not an image source",
            remedy="Give a file, a folder, a glob, a URL, a video, a camera, encoded bytes, a NumPy array, or a list of these",
        )


def _is_missing_file(source: Source) -> bool:
    if not isinstance(source, (str, os.PathLike)) or is_url(source) or is_camera(source):
        return False
    return not os.path.exists(source) and not glob.has_magic(os.fspath(source))


def _expand_path(path: str) -> Iterator[str]:
    if os.path.isfile(path):
        yield path
        return
    if os.path.isdir(path):
        found, kind = list_images(path), "folder"
    elif glob.has_magic(path):
        matches = sorted(glob.iglob(path, recursive=True))
        found, kind = (match for match in matches if os.path.isfile(match)), "glob"
    else:
        remedy = f"For a camera give camera:{path}" if path.isdecimal() else "Check the path"
        raise ImageReadError("no such file or folder", where=path, remedy=remedy)
    empty = True
    for image in found:
        empty = False
        yield image
    if empty:
        raise ImageReadError(
            f"the {kind} holds no images", where=path, remedy=f"Images end in {', '.join(sorted(IMAGE_SUFFIXES))}"
        )


def read_image(source: Source) -> np.ndarray:
    """Read one image as uint8 [H, W, 3] in OpenCV's channel order (blue, green, red).

    EXIF orientation is applied. One channel becomes three equal ones, 16 bits become 8 over the full range
    (65535 -> 255), an alpha channel is dropped, CMYK is converted. An array may be [H, W], [H, W, 1], [H, W, 3] (BGR)
    or [H, W, 4], of uint8 or uint16; it is never changed, and may be returned itself.

    Raises:
        ImageReadError: the image does not exist, is truncated or is no image.
    """
    if isinstance(source, VideoFrame):
        return source.read()
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, int):
        raise ImageReadError("a camera has no single image", where=f"camera:{source}", remedy="Give it to predict")
    return decode_image(read_bytes(source), flags=cv2.IMREAD_COLOR, name=describe(source))


def read_bytes(source: str | os.PathLike[str] | bytes) -> bytes:
    """The encoded bytes behind a path, a URL or themselves.

    Raises:
        ImageReadError: the file cannot be read.
        DownloadError: the URL cannot be fetched.
    """
    if isinstance(source, bytes):
        return source
    if is_url(source):
        from paddlex.utils.downloads import fetch_bytes

        return fetch_bytes(str(source))
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise ImageReadError(
            f"the image cannot be read: {error.strerror}", where=source, remedy="Check the path"
        ) from error


def decode_image(data: bytes, *, flags: int, name: str) -> np.ndarray:
    """Decode the bytes of an image file; ``flags`` are OpenCV's, ``name`` is for the error."""
    image = None
    if data:
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:  # a size that OpenCV refuses, for one
            image = None
    if image is None:
        what = "the image is empty (0 bytes)" if not data else "the image is truncated, damaged or of an unknown format"
        raise ImageReadError(what, where=name, remedy="Replace it or leave it out")
    return image


def describe(source: Source) -> str:
    """A short name of a source for messages."""
    if isinstance(source, np.ndarray):
        return f"array of shape {source.shape}"
    if isinstance(source, bytes):
        return f"{len(source)} bytes"
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else str(source)


def _from_array(array: np.ndarray) -> np.ndarray:
    shape_is_known = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if not shape_is_known or array.size == 0 or array.dtype not in (np.uint8, np.uint16):
        raise ImageReadError(
            f"an image array must be uint8 or uint16 of shape [H, W], [H, W, 1], [H, W, 3] or [H, W, 4], "
            f"but this one is {array.dtype} of shape {list(array.shape)}",
            remedy="Convert it first; colours are blue, green, red, as cv2.imread gives them",
        )
    if array.dtype == np.uint16:
        array = cv2.convertScaleAbs(array, alpha=1 / 257)
    if array.ndim == 2 or array.shape[2] == 1:
        return cv2.cvtColor(array, cv2.COLOR_GRAY2BGR)
    return array if array.shape[2] == 3 else cv2.cvtColor(array, cv2.COLOR_BGRA2BGR)
