"""The SegDataset format: the lines of ``train.txt`` and ``val.txt`` become samples, samples become arrays."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from paddlex.data.folder_names import is_neutral_folder, is_normal_folder
from paddlex.errors import DatasetError, remedy_of
from paddlex.inference.fit_facts import FEWEST_TRAINING_IMAGES as FEWEST_TRAINING_IMAGES
from paddlex.inference.image_files import decode_image, read_bytes
from paddlex.inference.inputs import read_image
from paddlex.inference.list_files import FALSE_ALARMS_LIST, SOURCE_FILE, VAL_LIST, split_line
from paddlex.inference.list_files import TRAIN_LIST as TRAIN_LIST
from paddlex.inference.preparation import NOTHING, Preparation
from paddlex.inference.reading import ANY, Reading
from paddlex.inference.view import View
from paddlex.utils.files import read_regular_file
from paddlex.utils.paths import advice_for_missing
from paddlex.utils.sequences import thinned as thinned

_MOST_PATH_BYTES = 10_000

_MOST_LIST_BYTES = 2**30


@dataclass(frozen=True)
class Sample:
    """One line of a list file.

    Attributes:
        root: the data set's folder.
        image: the image's path relative to ``root``, with ``/`` between its parts.
        mask: the mask's path relative to ``root``; None where no mask is meant.
        list_name: ``train.txt``, ``val.txt`` or ``false_alarms.txt``.
        line: the line's number, from 1.
        reading: how the pictures of the data set are read.
        preparation: what is done to them before a network sees them.
    """

    root: Path
    image: str
    mask: str | None
    list_name: str
    line: int
    reading: Reading = ANY
    preparation: Preparation = NOTHING

    @property
    def image_path(self) -> Path:
        return self.root / self.image

    def read(self) -> np.ndarray:
        """The image, uint8 [H, W, 3] BGR.

        Raises:
            ImageReadError: it cannot be read.
        """
        return read_image(self.image_path, self.reading)

    def view(self) -> View:
        """The image as a network is to see it.

        Raises:
            ImageReadError: it cannot be read.
        """
        return self.preparation(self.read())

    @property
    def mask_path(self) -> Path | None:
        return None if self.mask is None else self.root / self.mask

    @property
    def is_defective_by_name(self) -> bool:
        """Whether a validation line has a mask and its folder names a defect: anomalous, even if the mask is empty."""
        is_listed = self.list_name == VAL_LIST and self.mask is not None
        return is_listed and not (is_normal_folder(self.defect_type) or is_neutral_folder(self.defect_type))

    @property
    def is_false_alarm(self) -> bool:
        """Whether it is learnt from and no threshold rests on it, see ``list_files.FALSE_ALARMS_LIST``."""
        return self.list_name == FALSE_ALARMS_LIST

    @property
    def where(self) -> str:
        """For messages: the list file and the line."""
        return f"{self.root / self.list_name} line {self.line}"

    @property
    def defect_type(self) -> str:
        """The name of the image's folder, by which MVTec AD and most other data sets name the defect; "" at the top."""
        return Path(self.image).parent.name


def read_samples(dataset_dir: str | os.PathLike[str], list_name: str, reading: Reading = ANY) -> list[Sample]:
    """Read one list file. Files are not opened, and a missing one is not an error yet: the data set check reports it.

    A line is ``image`` or ``image mask``, separated by a space or a tab. Paths may hold spaces themselves: the split is
    the one at which both files exist. An image that stands as its own mask (PaddleX writes training lines so) has none.

    Raises:
        DatasetError: the folder or the list is missing, empty, or not UTF-8 text.
    """
    root = Path(dataset_dir)
    path = root / list_name
    if not root.is_dir():
        raise DatasetError("the data set folder does not exist", where=root, remedy=advice_for_missing(root))
    try:
        text = read_regular_file(path, _MOST_LIST_BYTES).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise DatasetError(
            f"the data set has no {list_name}",
            where=root,
            remedy="Let Global.mode=check_dataset make it, with CheckDataset.convert.enable=True and the layout as "
            "CheckDataset.convert.src_dataset_type, or write one 'image mask' a line yourself",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        remedy = remedy_of(error, "Save it as UTF-8 text")
        raise DatasetError(f"the list cannot be read: {reason}", where=path, remedy=remedy) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise DatasetError("the list is not text", where=path, remedy="Save it as UTF-8 text")
    samples = []
    for number, line in enumerate(text.split("\n"), 1):  # splitlines() would also split at characters names may hold
        if line.strip():
            image, mask = split_line(root, line.strip())
            samples.append(Sample(root, image, None if mask == image else mask, list_name, number, reading))
    if not samples:
        raise DatasetError("the list names no images", where=path, remedy="Write one 'image mask' a line")
    return samples


def read_learnt_samples(dataset_dir: str | os.PathLike[str], reading: Reading = ANY) -> list[Sample]:
    """What a training learns from: the lines of ``train.txt``, then those of ``false_alarms.txt``, where there is one.

    Raises:
        DatasetError: as ``read_samples``.
    """
    train = read_samples(dataset_dir, TRAIN_LIST, reading)
    if not (Path(dataset_dir) / FALSE_ALARMS_LIST).exists():
        return train
    return [*train, *read_samples(dataset_dir, FALSE_ALARMS_LIST, reading)]


def source_folder(root: Path) -> Path | None:
    """The folder with the images, if the lists say that it is another than their own."""
    try:
        text = read_regular_file(root / SOURCE_FILE, _MOST_PATH_BYTES).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return Path(text) if os.path.isabs(text) and "\0" not in text else None


def read_mask(path: str | os.PathLike[str], reading: Reading = ANY) -> np.ndarray:
    """Read a mask as bool [H, W]; see `decode_mask`.

    Raises:
        ImageReadError: the file is missing, truncated or no image.
    """
    return decode_mask(read_bytes(path, reading), name=os.fspath(path), reading=reading)


def decode_mask(data: bytes, *, name: str, reading: Reading = ANY) -> np.ndarray:
    """Decode a mask as bool [H, W]: any non-zero pixel is anomalous, whatever its value; an alpha channel does not count.

    Lossy compression leaves a fringe of small values around each region, so a pixel of a lossy file is anomalous above 127.

    Raises:
        ImageReadError: the bytes are truncated or no image; ``name`` stands in the message.
    """
    pixels = decode_image(data, flags=cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, name=name, reading=reading)
    highest_normal = 127 if is_lossy(data) else 0
    return cv2.inRange(pixels, (0, 0, 0), (highest_normal,) * 3) == 0  # many times faster than pixels.any(axis=2)


def is_lossy(data: bytes) -> bool:
    """Whether an image file's compression changes pixels: JPEG, and WebP unless it says that it is lossless."""
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return data[:3] == b"\xff\xd8\xff" or (is_webp and b"VP8L" not in data[12:4096])
