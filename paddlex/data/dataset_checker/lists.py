"""Writing ``train.txt`` and ``val.txt``: both or neither, and never without a copy of what stood there."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.errors import DatasetError
from paddlex.inference.list_files import SOURCE_FILE, TRAIN_LIST, VAL_LIST
from paddlex.utils.files import atomic_path, write_text


class Entry(NamedTuple):
    """A line to be written: paths relative to the data set, with ``/`` between their parts; no mask for a good part."""

    image: str
    mask: str | None = None


def split_normal(images: Iterable[str], train_percent: float, seed: int) -> tuple[list[str], list[str]]:
    """Draw the training images from all normal ones; the same images and seed give the same draw in any order.

    Of two images or more, each side gets one at least unless its share is nothing.

    Returns:
        the images for training and those for validation, both sorted.
    """
    shuffled = sorted(images)
    random.Random(seed).shuffle(shuffled)
    count = round(len(shuffled) * train_percent / 100)
    if train_percent < 100:
        count = min(count, len(shuffled) - 1)
    if train_percent > 0:
        count = max(count, 1)
    return sorted(shuffled[:count]), sorted(shuffled[count:])


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn a failure to write into an error that names the key which decides where to write.

    Raises:
        DatasetError: the folder cannot be written, or is full.
    """
    try:
        yield
    except OSError as error:
        raise DatasetError(
            f"the lists and masks cannot be written: {error.strerror or error}",
            where=folder,
            remedy="Set CheckDataset.lists_dir to a folder that can be written; later modes take it as Global.dataset_dir",
        ) from error


def put_elsewhere(
    root: Path, target: Path, train: Sequence[Entry], val: Sequence[Entry], new_masks: Collection[str] = ()
) -> tuple[list[Entry], list[Entry]]:
    """The entries as they stand in lists in the folder ``target``.

    If that is not the data set's own, all paths become absolute but those of masks that are written there too, and
    ``target`` gets the file ``images_from.txt``, which says where the images are: the check lets paths lead there.
    """
    if os.path.realpath(root) == os.path.realpath(target):
        return list(train), list(val)
    folder = root.absolute()

    def place(path: str) -> str:
        return path if path in new_masks else (folder / path).as_posix()

    write_text(target / SOURCE_FILE, f"{folder}\n")
    moved = [[Entry(place(image), mask and place(mask)) for image, mask in entries] for entries in (train, val)]
    return moved[0], moved[1]


def write_lists(root: Path, train: Sequence[Entry], val: Sequence[Entry]) -> None:
    """Replace ``train.txt`` and ``val.txt``; what they held is kept beside them as ``.bak``, ``.bak1`` and so on.

    Raises:
        DatasetError: a list would be empty.
        DatasetCheckError: files whose names cannot stand in a list.
    """
    check_entries(root, train, val)
    with atomic_path(root / TRAIN_LIST) as new_train, atomic_path(root / VAL_LIST) as new_val:
        _write_entries(new_train, train)
        _write_entries(new_val, val)
        back_up(root / TRAIN_LIST)
        back_up(root / VAL_LIST)


def check_entries(root: Path, train: Sequence[Entry], val: Sequence[Entry]) -> None:
    """Make sure that the lists can be written.

    Raises:
        DatasetError: a list would be empty.
        DatasetCheckError: files whose names cannot stand in a list.
    """
    if not train:
        raise DatasetError(
            "there are no normal images to train on", where=root, remedy="Add some, or raise train_percent"
        )
    if not val:
        raise DatasetError("no images are left for validation", where=root, remedy="Add some, or lower train_percent")
    problems = ProblemCollector()
    problems.extend(problem for entry in (*train, *val) for problem in _unwritable_names(root, entry))
    problems.raise_if_errors()


def back_up(path: Path) -> None:
    """Copy a file, if it exists, to ``<name>.bak``, or ``.bak1``, ``.bak2`` … where that is taken."""
    if not path.exists():
        return
    backup = path.with_name(path.name + ".bak")
    number = 0
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.bak{number}")
    with atomic_path(backup) as temporary:
        shutil.copyfile(path, temporary)


def list_text(entries: Iterable[Entry]) -> str:
    """What a list file says."""
    return "".join(f"{_line(entry)}\n" for entry in entries)


def _write_entries(path: Path, entries: Iterable[Entry]) -> None:
    path.write_text(list_text(entries), encoding="utf-8", newline="\n")


def _line(entry: Entry) -> str:
    image, mask = entry
    if " " in image or " " in (mask or ""):
        return f"{image}\t{mask or image}"  # the tab says which space is not a separator, and needs a right side
    return image if mask is None else f"{image} {mask}"


def _unwritable_names(root: Path, entry: Entry) -> Iterable[Problem]:
    for name in filter(None, entry):
        if name != name.strip() or any(character in name for character in "\t\n\r\0\\") or not _is_unicode(name):
            yield Problem(
                f"the file name {name!r} cannot stand in a list: it holds a tab, a line break, a backslash, outer "
                "spaces or bytes that are not Unicode",
                where=os.fspath(root),
                remedy="Rename the file or its folder",
            )


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
