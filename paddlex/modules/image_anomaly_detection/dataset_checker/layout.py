"""What the converters have in common: what they find, and how they match images with masks."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from paddlex.errors import DatasetError
from paddlex.inference.inputs import IMAGE_SUFFIXES, list_images
from paddlex.inference.walk import PassedOver
from paddlex.modules.image_anomaly_detection.dataset import TRAIN_LIST, VAL_LIST
from paddlex.modules.image_anomaly_detection.dataset_checker.lists import Entry

#: The pictures that a check writes, below its output folder.
DEMO_FOLDER = "check_dataset/demo_img"
HISTOGRAM = "check_dataset/histogram.png"
SUSPECTS = "check_dataset/suspects.png"

#: Where masks that a conversion makes are written, below the data set.
MASK_FOLDER = "masks"


@dataclass
class Layout:
    """What a converter finds in a data set. All paths are relative to it, with ``/`` between their parts.

    Attributes:
        normal: the images of good parts.
        anomalous: the images of defective parts, each with its mask.
        new_masks: PNG files that have to be written, by path.
        passed: what was left out of the look at the folder.
    """

    normal: list[str] = field(default_factory=list)
    anomalous: list[Entry] = field(default_factory=list)
    new_masks: dict[str, bytes] = field(default_factory=dict)
    passed: PassedOver = field(default_factory=PassedOver)


class MaskIndex:
    """Finds the mask of an image by name: ``000_mask`` or ``000`` for an image ``000``, whatever the suffixes.

    Args:
        masks: pairs of a key, which is a path without its suffix, and the path of a mask.
    """

    def __init__(self, masks: Iterable[tuple[str, str]]) -> None:
        self._masks = dict(masks)

    def find(self, key: str) -> str | None:
        """The mask of the image whose path without its suffix is ``key``."""
        return self._masks.get(f"{key}_mask") or self._masks.get(key)

    def paths(self) -> Iterable[str]:
        return self._masks.values()


def relative_images(root: Path, passed: PassedOver | None = None) -> list[str]:
    """All images below ``root``, sorted folder by folder, as paths relative to it.

    The pictures of an earlier check are left out: the output folder may lie inside the data set. What else is passed over
    is said in the log, and counted in ``passed``.

    Raises:
        DatasetError: there are none.
    """
    paths = (Path(path).relative_to(root) for path in list_images(root, passed, _is_no_picture))
    images = [path.as_posix() for path in paths if not _is_from_a_check(path)]
    if not images:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DatasetError("the data set folder holds no images", where=root, remedy=f"Images end in {suffixes}")
    return images


def _is_no_picture(path: str) -> bool:
    """Whether a file is a list, the copy of one, or an annotation."""
    return path.lower().endswith(".json") or os.path.basename(path).startswith((TRAIN_LIST, VAL_LIST))


def _is_from_a_check(path: Path) -> bool:
    folder, picture = path.parts[:-1], path.as_posix()
    return folder[-2:] == tuple(DEMO_FOLDER.split("/")) or any(
        f"/{picture}".endswith(f"/{name}") for name in (HISTOGRAM, SUSPECTS)
    )


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
