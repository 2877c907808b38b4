"""What a user says about folders: ``CheckDataset.convert.{normal, defects, masks, ignore}``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from paddlex.errors import DatasetError

#: Stands for the data set folder itself in the place of a folder's name.
TOP = "."


class Role(Enum):
    """What a folder holds; the value is how it is said."""

    NORMAL = "good parts"
    DEFECTS = "defects"
    MASKS = "masks"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class FolderRules:
    """Names of folders, or their paths in the data set, in upper or lower case; ``.`` is the data set folder itself.

    Attributes:
        normal: hold good parts.
        defects: hold defective parts.
        masks: hold masks.
        ignore: are left out.
    """

    normal: Sequence[str] = ()
    defects: Sequence[str] = ()
    masks: Sequence[str] = ()
    ignore: Sequence[str] = ()

    def role(self, folder: str) -> Role | None:
        """What the user says of a folder, given as a path in the data set; the innermost of its parts that is named counts."""
        parts = PurePosixPath(folder).parts
        for depth in range(len(parts), 0, -1):
            for name in ("/".join(parts[:depth]), parts[depth - 1]):
                for role, names in self._by_role():
                    if name.lower() in names:
                        return role
        return next((role for role, names in self._by_role() if TOP in names), None) if not parts else None

    def check(self, folders: Iterable[str]) -> None:
        """Make sure that each name is that of a folder.

        Args:
            folders: the paths in the data set of all folders that hold pictures.

        Raises:
            DatasetError: a name that none of them has, or a name in two of the lists.
        """
        known = {TOP}
        for folder in folders:
            parts = PurePosixPath(folder.lower()).parts
            known.update(parts, ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1)))
        seen: dict[str, str] = {}
        for key, given in vars(self).items():
            for original, name in zip(given, _normalise(given), strict=True):
                where = f"CheckDataset.convert.{key}"
                if name not in known:
                    raise DatasetError(
                        f"no folder with pictures is called {original!r}",
                        where=where,
                        remedy="Give the name of a folder, or its path below the data set folder",
                    )
                if seen.setdefault(name, key) != key:
                    raise DatasetError(
                        f"the folder {original!r} stands in CheckDataset.convert.{seen[name]} as well",
                        where=where,
                        remedy="Remove one of the two",
                    )

    def _by_role(self) -> list[tuple[Role, list[str]]]:
        lists = (Role.LEFT_OUT, self.ignore), (Role.MASKS, self.masks), (Role.NORMAL, self.normal)
        return [(role, _normalise(names)) for role, names in (*lists, (Role.DEFECTS, self.defects))]


#: Of a user who says nothing.
NO_RULES = FolderRules()


def _normalise(names: Sequence[str]) -> list[str]:
    return [PurePosixPath(name.replace("\\", "/")).as_posix().lower() for name in names]
