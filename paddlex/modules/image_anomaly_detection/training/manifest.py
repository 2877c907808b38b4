"""The checksums of a checkpoint's files: ``manifest.json`` tells a checkpoint that is whole from one that is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePath

from paddlex.utils.files import file_digest, write_json
from paddlex.utils.strict import read_json

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
        sums = {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}
        write_json(folder / NAME, asdict(replace(self, files=sums)))

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a checkpoint; None where it is missing or damaged."""
        try:
            manifest = cls(**read_json(folder / NAME))
            names = [*manifest.files, manifest.best["folder"]] if manifest.best else list(manifest.files)
            sums = [*manifest.files.values(), *manifest.best.values()]
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return None
        is_sound = type(manifest.order) is int and all(isinstance(text, str) for text in (*names, *sums))
        is_inside = is_sound and not any(".." in PurePath(name).parts or PurePath(name).is_absolute() for name in names)
        return manifest if is_inside and manifest.best.keys() in (set(), {"folder", "sha256"}) else None


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
            if file_digest(path) != expected:
                return f"{name} is damaged: its checksum differs"
        except FileNotFoundError:
            return f"{name} is missing"
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
    return None
