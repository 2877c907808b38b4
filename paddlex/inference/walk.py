"""Which files are below a folder: links are followed, each folder is entered once, and what is passed over is counted."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from paddlex.inference.heic import HEIC_SUFFIXES, has_heic

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"})

#: Folders that systems make, in lower case -> what they hold.
SYSTEM_FOLDERS = {
    "@eadir": "thumbnails that a NAS makes",
    "#recycle": "deleted files of a NAS",
    "@recycle": "deleted files of a NAS",
    "$recycle.bin": "deleted files",
    "__macosx": "data that macOS puts into archives",
    "system volume information": "files of the system",
    "lost+found": "files of the system",
}

#: What is passed over, beside files that are no images -> how it is said of one and of several.
_KINDS = {
    "masks": ("mask that the lists of a data set name", "masks that the lists of a data set name"),
    "system_images": (
        "image in a folder of thumbnails or deleted files (@eaDir, #recycle …)",
        "images in folders of thumbnails or deleted files (@eaDir, #recycle …)",
    ),
    "videos": ("video of a folder (give it by its own name)", "videos of a folder (give them by their own names)"),
    "hidden": ("hidden entry", "hidden entries"),
    "special_files": ("FIFO, socket or device", "FIFOs, sockets or devices"),
    "broken_links": ("link that leads nowhere", "links that lead nowhere"),
    "folders": ("folder that the glob matches", "folders that the glob matches"),
    "folders_seen_already": ("folder that was seen already", "folders that were seen already"),
    "folders_unopened": ("folder that cannot be opened", "folders that cannot be opened"),
}


@dataclass
class PassedOver:
    """What a look at folders has left out.

    Attributes:
        not_images: files whose name is not an image's, by suffix as it stands.
        counts: everything else, by kind.
        lost: paths that may well have been images, or folders of them, and why they cannot be read.
        hint: what the user can do, where that is known.
    """

    not_images: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    lost: list[tuple[str, str]] = field(default_factory=list)
    hint: str = ""

    def __bool__(self) -> bool:
        return bool(self.not_images or self.counts)

    @property
    def is_usual(self) -> bool:
        """Whether nothing but hidden entries was passed over."""
        return not self.not_images and set(self.counts) <= {"hidden"}

    def add(self, other: PassedOver) -> None:
        """Count what another look has passed over."""
        self.not_images.update(other.not_images)
        self.counts.update(other.counts)
        self.lost += other.lost
        self.hint = self.hint or other.hint

    def __str__(self) -> str:
        parts = [f"{count} {_KINDS[kind][count > 1]}" for kind, count in self.counts.items()]
        if self.not_images:
            total = sum(self.not_images.values())
            kinds = ", ".join(f"{suffix or 'no suffix'}: {count}" for suffix, count in self.not_images.most_common())
            words = "file is no image" if total == 1 else "files are no images"
            parts.insert(0, f"{total} {words} this program can read ({kinds}{self.hint})")
        return "; ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """The counts, for a result file: ``not_images`` by suffix, then each kind; {} where nothing was passed over."""
        by_suffix = {"not_images": dict(self.not_images)} if self.not_images else {}
        return {**by_suffix, **self.counts}


def walk(folder: str | os.PathLike[str], passed: PassedOver, seen: set[tuple[int, int]] | None = None) -> Iterator[str]:
    """Yield the regular files below a folder, folder by folder in sorted order; hidden ones are left out.

    Links are followed, those to folders when all others are done: a folder that can be reached in several ways is entered
    once, by its own name if that is below here, so loops end. Only the names of one folder are held at a time.

    Args:
        folder: where to begin.
        passed: counts what is left out.
        seen: the device and inode of folders that were entered; of several walks together, so that each is entered once.
    """
    seen = set() if seen is None else seen
    waiting, links = [os.fspath(folder)], deque[str]()
    while waiting or links:
        folders: list[str] = []
        for entry in _entries(waiting.pop() if waiting else links.popleft(), passed, seen):
            if entry.name.startswith("."):
                passed.counts["hidden"] += 1
            elif _is(entry.is_dir):
                (links if entry.is_symlink() else folders).append(entry.path)
            elif _is(entry.is_file):
                yield entry.path
            elif entry.is_symlink() and not os.path.exists(entry.path):
                passed.counts["broken_links"] += 1
                passed.lost.append((entry.path, "the link leads nowhere"))
            else:
                passed.counts["special_files"] += 1
                passed.lost.append((entry.path, "it is not a regular file, but a FIFO, socket or device"))
        waiting += reversed(folders)


def _entries(folder: str, passed: PassedOver, seen: set[tuple[int, int]]) -> list[os.DirEntry[str]]:
    """What a folder holds, sorted by name; nothing where it was seen already or cannot be opened, which is counted."""
    try:
        status = os.stat(folder)
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            passed.counts["folders_seen_already"] += 1
            return []
        seen.add(identity)
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        passed.counts["folders_unopened"] += 1
        passed.lost.append((folder, f"the folder cannot be opened: {error.strerror}"))
        return []


def _is(question: Callable[[], bool]) -> bool:
    """The answer of an entry about what its link leads to; False where the link leads in a circle."""
    try:
        return question()
    except OSError:
        return False


def is_image_name(path: str) -> bool:
    """Whether a path ends as those of images do."""
    suffix = os.path.splitext(path)[1].lower()
    return suffix in IMAGE_SUFFIXES or (suffix in HEIC_SUFFIXES and has_heic())
