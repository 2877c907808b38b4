"""What the converters have in common: what they find, and how they match images with masks."""

from __future__ import annotations

import os
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from paddlex.data.dataset import read_mask
from paddlex.data.dataset_checker.lists import Entry
from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.data.dataset_checker.workers import map_in_threads
from paddlex.errors import ImageReadError
from paddlex.inference.image_files import picture_size

#: The pictures that a check writes, below its output folder.
DEMO_FOLDER = "check_dataset/demo_img"
HISTOGRAM = "check_dataset/histogram.png"
SUSPECTS = "check_dataset/suspects.png"

#: Where masks that a conversion makes are written, beside the lists.
MASK_FOLDER = "masks"

#: Such a mask that marks the whole image: the part is defective, but nobody has said where.
FULL_FRAME = f"{MASK_FOLDER}/full_frame_"

#: Endings of a mask's name after that of its image.
MASK_ENDINGS = ("_mask", "_gt", "_GT", "_label")


@dataclass
class Layout:
    """What a converter finds in a data set. All paths are relative to it, with ``/`` between their parts.

    Attributes:
        normal: the images of good parts.
        anomalous: the images of defective parts, each with its mask.
        new_masks: PNG files that have to be written, by path.
        notes: what a person should know, as warnings.
    """

    normal: list[str] = field(default_factory=list)
    anomalous: list[Entry] = field(default_factory=list)
    new_masks: dict[str, bytes] = field(default_factory=dict)
    notes: list[Problem] = field(default_factory=list)

    def add_unlocated(self, root: Path, images: Sequence[str], problems: ProblemCollector) -> None:
        """Add defective images of which nobody has said where the defect is.

        The lists cannot say that, so each gets a mask of the whole image; images of one size share it. Such masks are left
        out of the pixel-level figures.
        """
        sizes = map_in_threads(partial(_read_size, root), images, "Reading sizes")
        for image, size in zip(images, sizes, strict=True):
            if isinstance(size, Problem):
                problems.add(size)
                continue
            height, width = size
            mask = f"{FULL_FRAME}{width}x{height}.png"
            if mask not in self.new_masks:
                self.new_masks[mask] = encode_mask(np.ones((height, width), bool))
            self.anomalous.append(Entry(image, mask))


class MaskIndex:
    """Finds the mask of an image by name: ``000_mask`` or ``000`` for an image ``000``, whatever the suffixes.

    Args:
        masks: pairs of a key, which is a path without its suffix, and the path of a mask.
        problems: takes masks that have the same key, so that one of them would be lost.
    """

    def __init__(self, masks: Iterable[tuple[str, str]], problems: ProblemCollector) -> None:
        self._masks: dict[str, str] = {}
        for key, mask in masks:
            first = self._masks.setdefault(key, mask)
            if first != mask:
                what = f"the masks {first} and {mask} are of the same image"
                problems.add(Problem(what, mask, "Join them in one file, or remove one of them"))
        self._by_folder: dict[str, list[str]] = defaultdict(list)
        for key, mask in self._masks.items():
            self._by_folder[posixpath.dirname(key)].append(mask)

    def find(self, key: str) -> str | None:
        """The mask of the image whose path without its suffix is ``key``."""
        names = (f"{key}{ending}" for ending in (*MASK_ENDINGS, ""))
        return next((self._masks[name] for name in names if name in self._masks), None)

    def find_all(self, key: str) -> list[str]:
        """Its mask; else those in a folder that is named after the image, sorted."""
        mask = self.find(key)
        return sorted(self._by_folder.get(key, ())) if mask is None else [mask]

    def paths(self) -> Iterable[str]:
        return self._masks.values()


def check_masks_of_normal(root: Path, masks: Sequence[str], problems: ProblemCollector) -> None:
    """Report masks of images in folders of good parts that mark a defect: one of the two is wrong."""
    for mask, is_marked in zip(
        masks, map_in_threads(partial(_is_marked, root), masks, "Reading masks of good parts"), strict=True
    ):
        if is_marked:
            what = f"the mask {mask} marks a defect of an image in a folder of good parts"
            problems.add(Problem(what, str(root / mask), "Move the image to a folder of defects, or remove the mask"))


def without_suffix(path: str) -> str:
    """The path without ``.png`` or the like."""
    return posixpath.splitext(path)[0]


def encode_mask(mask: np.ndarray) -> bytes:
    """Encode a bool mask [H, W] as a PNG of 0 and 255."""
    return cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes()


def first_folder(path: str) -> str:
    """The outermost folder of a relative path, in lower case; "" where there is none."""
    folder, separator, _ = path.partition("/")
    return folder.lower() if separator else ""


def list_folders(folder: str | os.PathLike[str]) -> list[str]:
    """The names of the folders in a folder, sorted, hidden ones left out."""
    return sorted(path.name for path in Path(folder).iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_marked(root: Path, mask: str) -> bool:
    try:
        return bool(read_mask(root / mask).any())
    except ImageReadError:  # of no account, because a good part needs no mask
        return False


def _read_size(root: Path, image: str) -> tuple[int, int] | Problem:
    try:
        height, width = picture_size(root / image)
    except ImageReadError as error:
        return Problem(f"the image {image} cannot be used: {error.what}", str(root / image), "Replace or remove it")
    return height, width
