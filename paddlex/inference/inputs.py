"""From whatever the user has (file, folder, glob, URL, bytes, array, video, camera) to images, one at a time."""

from __future__ import annotations

import fnmatch
import glob
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Union

import cv2
import numpy as np

from paddlex.errors import ImageReadError
from paddlex.inference.heic import HEIC_SUFFIXES
from paddlex.inference.image_files import decode_picture, read_bytes
from paddlex.inference.list_files import is_list_file, masks_of_lists
from paddlex.inference.reading import ANY, Reading
from paddlex.inference.video import (
    ALL_FRAMES,
    VideoFrame,
    VideoOptions,
    camera_frames,
    camera_index,
    is_video,
    video_frames,
)
from paddlex.inference.walk import IMAGE_SUFFIXES, SYSTEM_FOLDERS, PassedOver, is_image_name, walk
from paddlex.utils.extras import install
from paddlex.utils.logging import logger
from paddlex.utils.paths import advice_for_missing, is_url

#: What ``predict`` takes. A list or generator may mix them.
Source = Union[str, "os.PathLike[str]", bytes, np.ndarray, int, VideoFrame, "Unreadable"]


def is_camera(source: object) -> bool:
    """Whether ``source`` is a camera: its number, or ``camera:0``."""
    return camera_index(source) is not None


def origin(source: Source | None) -> dict[str, Any]:
    """Where an image comes from, as a result says it: ``input_path``, None if it has no name; of a frame also its place."""
    if isinstance(source, VideoFrame):
        return {"input_path": source.input_path, "frame": source.frame, "time": source.time}
    if isinstance(source, Unreadable):
        return {"input_path": source.input_path}
    return {"input_path": os.fspath(source) if isinstance(source, (str, os.PathLike)) else None}


def list_images(
    folder: str | os.PathLike[str],
    passed: PassedOver | None = None,
    is_known: Callable[[str], bool] | None = None,
    to_judge: bool = False,
) -> Iterator[str]:
    """Yield the image files below ``folder`` as ``walk`` finds them; at the end, one line of the log says what is left out.

    Only the names of one folder are held at a time, never an image.

    Args:
        folder: where to look.
        passed: also counts what is left out.
        is_known: whether a file has a use although it is no image, so that nothing need be said of it.
        to_judge: pass over what is not to be judged, see `_NotJudged`.
    """
    here = PassedOver()
    not_judged = _NotJudged(folder) if to_judge else None
    for path in walk(folder, here):
        if is_image_name(path):
            kind = not_judged.kind(path) if not_judged is not None else None
            if kind is None:
                yield path
            else:
                here.counts[kind] += 1
        elif is_video(path):
            here.counts["videos"] += 1
        elif to_judge and is_list_file(path):
            pass
        elif is_known is None or not is_known(path):
            suffix = os.path.splitext(path)[1]
            here.not_images[suffix] += 1
            if suffix.lower() in HEIC_SUFFIXES:
                here.hint = f"; {install('heic')} reads HEIC"
    tell(folder, here, passed)


class _NotJudged:
    """Knows what below a folder is no photo of a part, although it is an image.

    That is what the lists of a data set (``train.txt``, ``val.txt``) in it or below name as masks, and what lies in folders
    of thumbnails and deleted files.
    """

    def __init__(self, top: str | os.PathLike[str]) -> None:
        self._top = os.path.normpath(top)
        self._looked_at: set[str] = set()
        self._masks: set[str] = set()

    def kind(self, path: str) -> str | None:
        """What is counted if the image is passed over; None if it is to be judged."""
        path = os.path.normpath(path)
        folder = os.path.dirname(path) or os.curdir
        if any(name.lower() in SYSTEM_FOLDERS for name in os.path.relpath(folder, self._top).split(os.sep)):
            return "system_images"
        while folder not in self._looked_at:
            self._looked_at.add(folder)
            self._masks |= masks_of_lists(folder)
            if folder != self._top:
                folder = os.path.dirname(folder) or os.curdir
        return "masks" if path in self._masks else None


def tell(folder: str | os.PathLike[str], here: PassedOver, passed: PassedOver | None = None) -> None:
    """Say in one line what was passed over in a folder, and add it to the counts of the whole."""
    if here:
        logger.log(logging.INFO if here.is_usual else logging.WARNING, "%s: passed over: %s.", folder, here)
    if passed is not None:
        passed.add(here)


@dataclass(frozen=True)
class Unreadable:
    """What was to be an image, or a place with images, and cannot be read.

    Attributes:
        input_path: what was given or found.
        error: why.
    """

    input_path: str
    error: ImageReadError

    def __str__(self) -> str:
        return self.input_path


def expand(
    source: Source | Iterable[Source], video: VideoOptions = ALL_FRAMES, passed: PassedOver | None = None
) -> Iterator[Source]:
    """Turn a source into a stream of single images that are not read yet: paths, URLs, bytes, arrays or frames.

    What one entry of a list, or of a folder, lacks does not end the stream: it is passed on as any other, and reading it
    fails. The videos of a folder are passed over, those of a glob or a list are not. What is passed over is said in the log.

    Args:
        source: what the user has; 0 or ``camera:0`` is a camera.
        video: which frames of a video or a camera.
        passed: also counts what is passed over.

    Raises:
        ImageReadError: a path that does not exist, a folder or glob without images, or a type that is none of these.
    """
    camera = camera_index(source)
    if camera is not None:
        yield from camera_frames(camera, video)
    elif isinstance(source, (bytearray, memoryview)):  # iterables of numbers, which would be those of cameras
        yield bytes(source)
    elif isinstance(source, (bytes, np.ndarray, VideoFrame, Unreadable)) or is_url(source):
        yield source  # type: ignore[misc]
    elif isinstance(source, (str, os.PathLike)):
        for path in _expand_path(os.fspath(source), passed):
            is_film = isinstance(path, str) and is_video(path) and os.path.isfile(path)
            yield from video_frames(str(path), video) if is_film else (path,)
    elif isinstance(source, Iterable):
        for single in source:
            yield from _expand_entry(single, video, passed)
    else:
        raise ImageReadError(
            f"a {type(source).__name__} is not an image source",
            remedy="Give a file, a folder, a glob, a URL, a video, a camera, encoded bytes, a NumPy array, or a list of these",
        )


def _expand_entry(source: Source, video: VideoOptions, passed: PassedOver | None) -> Iterator[Source]:
    """An entry of a list: what cannot be found is one failure among many, and told of when it is read."""
    if not isinstance(source, (str, os.PathLike)):
        yield from expand(source, video, passed)
        return
    try:
        yield from expand(source, video, passed)
    except ImageReadError as error:
        yield Unreadable(os.fspath(source), error)


def _expand_path(path: str, passed: PassedOver | None) -> Iterator[str | Unreadable]:
    if os.path.isdir(path):
        here, kind = PassedOver(), "folder"
        found = list_images(path, here, to_judge=True)
    elif os.path.lexists(path):
        yield path  # whatever it is, reading it tells
        return
    elif glob.has_magic(path):
        here, kind = PassedOver(), "glob"
        found = _judged_matches(path, here)
    else:
        remedy = f"For a camera give camera:{path}" if path.isdecimal() else advice_for_missing(path)
        raise ImageReadError("no such file or folder", where=path, remedy=remedy)
    empty = True
    for image in found:
        empty = False
        yield image
    for lost, reason in here.lost:
        if kind == "glob" or is_image_name(lost) or not os.path.splitext(lost)[1]:
            empty = False
            yield Unreadable(lost, ImageReadError(reason, where=lost, remedy="Correct or remove it"))
    if passed is not None:
        passed.add(here)
    if empty:
        what = f"the {kind} holds no images"
        beside = f" (passed over: {here})" if here else ""
        raise ImageReadError(f"{what}{beside}", where=path, remedy=f"Images end in {', '.join(sorted(IMAGE_SUFFIXES))}")


def _judged_matches(pattern: str, passed: PassedOver) -> Iterator[str]:
    """The files that a glob matches, but for what a walk through the folder before its first wildcard would pass over."""
    not_judged = _NotJudged(os.sep.join(takewhile(lambda part: not glob.has_magic(part), pattern.split(os.sep))))
    for path in _matches(pattern, passed):
        kind = not_judged.kind(path)
        if kind is None:
            yield path
        else:
            passed.counts[kind] += 1


def _matches(pattern: str, passed: PassedOver) -> Iterator[str]:
    """The files that a glob matches, sorted; below ``**`` each folder is entered once, as ``walk`` does it."""
    parts = pattern.split(os.sep)
    if "**" in parts:
        depth = parts.index("**")
        head = os.sep.join(parts[:depth])
        below = PassedOver()
        seen: set[tuple[int, int]] = set()
        roots = sorted(glob.iglob(head)) if head else [os.sep if depth else ""]
        for root in roots:
            for path in walk(root or os.curdir, below, seen):
                if _fits(os.path.relpath(path, root or os.curdir).split(os.sep), parts[depth:]):
                    yield path if root else os.path.relpath(path)
        passed.lost += [(path, reason) for path, reason in below.lost if fnmatch.fnmatch(path, pattern)]
        passed.counts += Counter({kind: below.counts[kind] for kind in ("folders_seen_already", "folders_unopened")})
    else:
        for match in sorted(glob.iglob(pattern)):
            if os.path.isfile(match):
                yield match
            elif os.path.isdir(match):
                passed.counts["folders"] += 1
            elif os.path.exists(match):
                passed.counts["special_files"] += 1
                passed.lost.append((match, "it is not a regular file, but a FIFO, socket or device"))
            else:
                passed.counts["broken_links"] += 1
                passed.lost.append((match, "the link leads nowhere"))
    tell(pattern, passed)


def _fits(parts: list[str], pattern: list[str]) -> bool:
    """Whether the parts of a path fit those of a glob, of which ``**`` stands for any number of folders."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatch(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def read_image(source: Source, reading: Reading = ANY) -> np.ndarray:
    """Read one image as uint8 [H, W, 3] in OpenCV's channel order (blue, green, red).

    EXIF orientation is applied. One channel becomes three equal ones, 16 bits become 8 as ``reading`` says, an alpha channel is
    dropped, CMYK is converted. An array may be [H, W], [H, W, 1], [H, W, 3] (BGR) or [H, W, 4], of uint8 or uint16; it is never
    changed, and may be returned itself.

    Args:
        source: the image.
        reading: what the values of 16-bit pictures mean, and how large an image may be.

    Raises:
        ImageReadError: the image does not exist, is truncated, too large or no single image, or has values out of range.
    """
    if isinstance(source, VideoFrame):
        return source.read()
    if isinstance(source, Unreadable):
        raise source.error
    if isinstance(source, np.ndarray):
        return _from_array(source, reading)
    if isinstance(source, int):
        raise ImageReadError("a camera has no single image", where=f"camera:{source}", remedy="Give it to predict")
    return decode_picture(read_bytes(source, reading), describe(source), reading)


def describe(source: Source) -> str:
    """A short name of a source for messages."""
    if isinstance(source, np.ndarray):
        return f"array of shape {source.shape}"
    if isinstance(source, bytes):
        return f"{len(source)} bytes"
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else str(source)


def _from_array(array: np.ndarray, reading: Reading) -> np.ndarray:
    shape_is_known = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if not shape_is_known or array.size == 0 or array.dtype not in (np.uint8, np.uint16):
        raise ImageReadError(
            f"an image array must be uint8 or uint16 of shape [H, W], [H, W, 1], [H, W, 3] or [H, W, 4], "
            f"but this one is {array.dtype} of shape {list(array.shape)}",
            remedy="Convert it first; colours are blue, green, red, as cv2.imread gives them",
        )
    if array.dtype == np.uint16:
        array = reading.to_eight_bits(array, describe(array))
    if array.ndim == 2 or array.shape[2] == 1:
        return cv2.cvtColor(array, cv2.COLOR_GRAY2BGR)
    return array if array.shape[2] == 3 else cv2.cvtColor(array, cv2.COLOR_BGRA2BGR)
