"""Which images are still to be judged, and in which pieces of work."""

from __future__ import annotations

import itertools
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from paddlex.errors import ImageReadError
from paddlex.inference.inputs import Source, expand
from paddlex.inference.scale_out.buckets import is_bucket, list_bucket, open_bucket
from paddlex.inference.scale_out.rows import in_utf_8
from paddlex.inference.video import VideoFrame
from paddlex.inference.walk import PassedOver

#: A shard is an eighth of a worker's share, so that all end at about the same time, but within these bounds.
_SHARDS_PER_WORKER = 8
_SHARD_SIZES = (16, 1024)


@dataclass(frozen=True)
class Images:
    """Images in one place.

    Attributes:
        bucket: the URI of the bucket; empty for paths and URLs.
        prefix: with a path of the bucket after it, it is the image's ``input_path``.
        paths: paths on the bucket's file system, or paths and URLs.
    """

    bucket: str
    prefix: str
    paths: Sequence[str]


@dataclass(frozen=True)
class Shard(Images):
    """Images that one worker judges in one go.

    Attributes:
        name: of the part file that it becomes.
    """

    name: str


def list_pending(inputs: Sequence[str], done: set[str], passed: PassedOver | None = None) -> list[Images]:
    """The images of files, folders, globs, URLs and buckets, each once, without those that are in ``done``.

    Args:
        inputs: what the user has; of several, one that cannot be found is an image that cannot be read.
        done: the ``input_path`` of what earlier runs have judged, as ``rows.in_utf_8`` has it.
        passed: counts what is passed over.

    Raises:
        ImageReadError: a path that does not exist, a folder, glob or bucket without images, or a video or camera.
        ConfigError: a bucket that cannot be opened.
    """
    places, here = [], []
    for source in inputs:
        if is_bucket(source):
            filesystem, root = open_bucket(source)
            prefix = unquote(source.partition("?")[0]).rstrip("/").removesuffix(root)
            paths = [path for path in list_bucket(filesystem, root, source) if in_utf_8(f"{prefix}{path}") not in done]
            places.append(Images(source, prefix, paths))
        else:
            for path in map(str, _stills([source] if len(inputs) > 1 else source, passed)):
                here.append(path if "://" in path else os.path.abspath(path))
    places.append(Images("", "", [path for path in dict.fromkeys(here) if in_utf_8(path) not in done]))
    return places


def _stills(source: str | list[str], passed: PassedOver | None) -> Iterator[Source]:
    for found in expand(source, passed=passed):
        if isinstance(found, VideoFrame):
            what = "a video cannot be divided between workers"
            raise ImageReadError(what, where=found.input_path, remedy="Judge it without --engine ray")
        yield found


def cut(places: Sequence[Images], workers: int, size: int | None = None) -> Iterator[Shard]:
    """Cut into shards of ``size`` images; None for an eighth of a worker's share."""
    smallest, largest = _SHARD_SIZES
    total = sum(len(images.paths) for images in places)
    size = size or min(max(-(-total // (workers * _SHARDS_PER_WORKER)), smallest), largest)
    run = f"{time.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:8]}"  # parts of two runs never share a name
    numbers = itertools.count()
    for images in places:
        for paths in chunks(images.paths, size):
            yield Shard(images.bucket, images.prefix, paths, f"{run}-{next(numbers):06d}")


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Pieces of ``size`` items; the last may be shorter."""
    return (items[start : start + size] for start in range(0, len(items), size))
