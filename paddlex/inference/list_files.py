"""The lists of a data set: how a line is divided, and which files are masks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from paddlex.inference.walk import is_image_name
from paddlex.utils.files import read_regular_file

TRAIN_LIST = "train.txt"
VAL_LIST = "val.txt"

#: Good parts that a model has called anomalous. They are learnt from like those of the training list, but no threshold rests on
#: them: they were chosen because their scores were high, and no score of a part that comes next is chosen so.
FALSE_ALARMS_LIST = "false_alarms.txt"

LIST_NAMES = (TRAIN_LIST, VAL_LIST, FALSE_ALARMS_LIST)

#: Beside lists that stand in a folder of their own: the absolute path of the folder with the images.
SOURCE_FILE = "images_from.txt"

_MOST_BYTES = 64 * 2**20


def is_list_file(path: str) -> bool:
    """Whether a file is a list, the copy of one (``train.txt.bak``), or beside lists says where the images are."""
    return os.path.basename(path).startswith((*LIST_NAMES, SOURCE_FILE))


def masks_of_lists(folder: str | os.PathLike[str]) -> set[str]:
    """The files that the lists in a folder name as masks, as normalised paths; none where there are no lists.

    A file that a list names as an image as well is none.
    """
    root = Path(folder)
    images, masks = set(), set()
    for name in LIST_NAMES:
        try:
            lines = read_regular_file(root / name, _MOST_BYTES).decode("utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError):
            continue
        for line in filter(None, map(str.strip, lines)):
            image, mask = split_line(root, line)
            images.add(os.path.normpath(root / image))
            if mask is not None and is_image_name(mask):
                masks.add(os.path.normpath(root / mask))
    return masks - images


def split_line(root: Path, line: str) -> tuple[str, str | None]:
    """Split ``image`` or ``image mask`` where both exist below ``root``, else where both look like image files."""
    line = line.replace("\\", "/")
    if "\t" in line:
        image, mask = (part.strip() for part in line.split("\t", 1))
        return image, mask or None
    if " " not in line:
        return line, None
    splits = list(_splits(line))
    if len(splits) == 1:
        image, mask = splits[0]
        whole_is_image = not is_image_name(image) and is_image_name(line) and os.path.isfile(root / line)
        return (line, None) if whole_is_image else (image, mask)
    for image, mask in splits:
        if os.path.isfile(root / image) and os.path.isfile(root / mask):  # Path.is_file() raises on too long a name
            return image, mask
    if os.path.isfile(root / line):
        return line, None
    for image, mask in splits:
        if is_image_name(image) and is_image_name(mask):
            return image, mask
    return line, None


def _splits(line: str) -> Iterator[tuple[str, str]]:
    for position, character in enumerate(line):
        if character == " ":
            image, mask = line[:position].strip(), line[position + 1 :].strip()
            if image and mask:
                yield image, mask
