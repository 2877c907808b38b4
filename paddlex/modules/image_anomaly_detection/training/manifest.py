"""The checksums of a checkpoint's files: ``manifest.json`` tells a checkpoint that is whole from one that is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from paddlex.utils.files import write_json

NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint consists of.

    Attributes:
        order: checkpoints of one folder are numbered in the order of their writing; clocks can be wrong.
        best: folder name and SHA-256 of the weights of the best model so far, {} before the first evaluation. It is
            another checkpoint beside this one, or this one itself.
        files: SHA-256 by path relative to the checkpoint.
    """

    order: int
    best: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write manifest.json for the files that are in the folder now."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
        sums = {path.relative_to(folder).as_posix(): sha256(path) for path in paths}
        write_json(folder / NAME, asdict(replace(self, files=sums)))

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a checkpoint; None where it is missing or damaged."""
        try:
            manifest = cls(**json.loads((folder / NAME).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        is_sound = isinstance(manifest.order, int) and all(isinstance(x, dict) for x in (manifest.best, manifest.files))
        return manifest if is_sound else None


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def damage(folder: Path, expected_files: Iterable[str]) -> str | None:
    """What is wrong with a checkpoint, in words; None if every file is as it was written.

    Args:
        folder: the checkpoint.
        expected_files: names that must be among its files.
    """
    manifest = Manifest.read(folder)
    if manifest is None:
        return f"{NAME} is missing or damaged"
    unlisted = [name for name in expected_files if name not in manifest.files]
    if unlisted:
        return f"{NAME} does not list {unlisted[0]}"
    for name, expected in manifest.files.items():
        path = folder / name
        try:
            if sha256(path) != expected:
                return f"{name} is damaged: its checksum differs"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
    return None
