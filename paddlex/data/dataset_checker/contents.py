"""What a data set holds, in words: what each folder was taken for, and how many pictures are in it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddlex.data.dataset_checker.check import Inspection
from paddlex.data.dataset_checker.layout import Layout
from paddlex.data.dataset_checker.rules import TOP, Role
from paddlex.data.dataset_checker.survey import Survey, folder_of, is_known_file
from paddlex.inference.inputs import list_images
from paddlex.inference.walk import PassedOver
from paddlex.utils.logging import logger

_MOST_FOLDERS = 30  # of each kind in the log; the result has them all


@dataclass(frozen=True)
class FolderUse:
    """What the pictures of a folder were taken for.

    Attributes:
        folder: its path in the data set; ``.`` for the data set folder itself.
        taken_for: what they are.
        images: how many they are.
        why: why they are left out.
    """

    folder: str
    taken_for: Role
    images: int
    why: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"folder": self.folder, "taken_for": self.taken_for.value, "images": self.images, "why": self.why}

    def __str__(self) -> str:
        name = "the data set folder itself" if self.folder == TOP else f"{self.folder}/"
        return f"{name} ({self.images})" if self.why is None else f"{name} ({self.images}: {self.why})"


def uses_of_conversion(found: Survey, layout: Layout) -> list[FolderUse]:
    """What a converter took each folder for."""
    masks = {entry.mask for entry in layout.anomalous if entry.mask is not None}
    return [
        *_count(layout.normal, Role.NORMAL),
        *_count([entry.image for entry in layout.anomalous], Role.DEFECTS),
        *_count(masks.difference(layout.new_masks), Role.MASKS),
        *_count(layout.new_masks, Role.MASKS, "written by this conversion"),
        *_count(set(found.masks).difference(masks, layout.new_masks), Role.LEFT_OUT, "masks that are not needed"),
        *(
            FolderUse(folder, Role.LEFT_OUT, count, reason)
            for (folder, reason), count in sorted(found.left_out.items())
        ),
    ]


def uses_of_lists(root: Path, inspections: Sequence[Inspection], passed: PassedOver) -> list[FolderUse]:
    """What the lists say each folder is; pictures of the data set that they do not name are left out.

    ``passed`` counts the files that are no pictures.
    """
    normal = [found.sample.image for found in inspections if not found.anomalous]
    defective = [found.sample.image for found in inspections if found.anomalous]
    masks = {found.sample.mask for found in inspections if found.sample.mask is not None}
    listed = {os.path.normpath(root / path) for path in (*normal, *defective, *masks)}
    others = [path for path in list_images(root, passed, is_known_file) if os.path.normpath(path) not in listed]
    return [
        *_count(normal, Role.NORMAL),
        *_count(defective, Role.DEFECTS),
        *_count(masks, Role.MASKS),
        *_count([os.path.relpath(path, root) for path in others], Role.LEFT_OUT, "in neither list"),
    ]


def to_words(uses: Sequence[FolderUse]) -> list[str]:
    """A line for each kind: ``good parts: good/ (120), ok/ (3)``."""
    lines = []
    for role in Role:
        of_role = [use for use in uses if use.taken_for is role]
        if of_role:
            more = f" and {len(of_role) - _MOST_FOLDERS} more folders" if len(of_role) > _MOST_FOLDERS else ""
            lines.append(f"{role.value}: {', '.join(map(str, of_role[:_MOST_FOLDERS]))}{more}")
    return lines


def log_uses(root: Path, uses: Sequence[FolderUse]) -> None:
    """Say in the log what each folder was taken for."""
    logger.info("What the folders of %s were taken for, with the number of pictures:", root)
    for line in to_words(uses):
        logger.info("  %s", line)


def _count(paths: Iterable[str], role: Role, why: str | None = None) -> list[FolderUse]:
    counts = Counter(map(folder_of, paths))
    return [FolderUse(folder, role, count, why) for folder, count in sorted(counts.items())]
