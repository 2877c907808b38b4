"""What a model is qualified on: a folder of pictures, and what people say of some of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from paddlex.errors import DatasetError
from paddlex.inference.inputs import list_images
from paddlex.utils.files import write_text
from paddlex.utils.strict import read_text

GOOD, CHALLENGE, REPEATED, RATINGS = "good", "challenge", "repeated", "ratings.csv"
_HEADER = ["picture", "person", "verdict"]
_VERDICTS = {"good": False, "bad": True}


@dataclass(frozen=True)
class Study:
    """The pictures, by their paths relative to the study's folder.

    Attributes:
        root: the folder.
        good: of good parts that the model was not fitted to, ``good/``.
        challenge: of bad parts that it must find, ``challenge/``.
        repeated: part -> pictures of it, ``repeated/<part>/``.
        ratings: person -> picture -> whether she calls it bad, of ``ratings.csv``.
    """

    root: Path
    good: list[str] = field(default_factory=list)
    challenge: list[str] = field(default_factory=list)
    repeated: Mapping[str, list[str]] = field(default_factory=dict)
    ratings: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)

    @property
    def pictures(self) -> list[str]:
        """All of them, each once."""
        rated = (picture for said in self.ratings.values() for picture in said)
        repeated = (picture for pictures in self.repeated.values() for picture in pictures)
        return list(dict.fromkeys([*self.good, *self.challenge, *repeated, *rated]))


def read_study(root: Path) -> Study:
    """The study in a folder: any of ``good/``, ``challenge/``, ``repeated/<part>/`` and ``ratings.csv``.

    Raises:
        DatasetError: the folder holds nothing of a study, a part was taken once only, or the ratings cannot be understood.
    """
    if not root.is_dir():
        raise DatasetError("there is no such folder", where=root, remedy="Set --qualify to the folder of a study")
    parts = sorted(path for path in (root / REPEATED).glob("*") if path.is_dir() and not path.name.startswith("."))
    repeated = {part.name: _images(root, part) for part in parts}
    for part, pictures in repeated.items():
        if len(pictures) < 2:
            what = (
                f"there are {len(pictures)} pictures of the part"
                if not pictures
                else "there is one picture of the part"
            )
            remedy = "Take 10 of each part, laying it in anew each time, or remove its folder"
            raise DatasetError(f"{what}, which repeats nothing", where=root / REPEATED / part, remedy=remedy)
    study = Study(root, _images(root, root / GOOD), _images(root, root / CHALLENGE), repeated, _ratings(root))
    if not study.pictures:
        raise DatasetError(
            "the folder holds no study", where=root,
            remedy=f"Put pictures into {GOOD}/, {CHALLENGE}/ or {REPEATED}/<part>/ in it",
        )  # fmt: skip
    return study


def write_ratings(path: Path, ratings: Mapping[str, Mapping[str, bool]]) -> None:
    """Write ``ratings.csv``.

    Args:
        path: of it.
        ratings: person -> picture -> whether she calls it bad.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_HEADER)
    for person, said in sorted(ratings.items()):
        writer.writerows([picture, person, "bad" if is_bad else "good"] for picture, is_bad in sorted(said.items()))
    write_text(path, text.getvalue())


def _images(root: Path, folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return [Path(path).relative_to(root).as_posix() for path in list_images(folder)]


def _ratings(root: Path) -> dict[str, dict[str, bool]]:
    path = root / RATINGS
    if not path.exists():
        return {}
    remedy = f"The first line is {','.join(_HEADER)}; a verdict is good or bad"
    try:
        rows = list(csv.reader(io.StringIO(read_text(path).removeprefix("\ufeff")), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"the ratings cannot be read: {error}", where=path, remedy=remedy) from error
    if not rows or [cell.strip().lower() for cell in rows[0]] != _HEADER:
        raise DatasetError("the ratings have another first line", where=f"{path}:1", remedy=remedy)
    ratings: dict[str, dict[str, bool]] = {}
    for line, row in enumerate(rows[1:], 2):
        if not row:
            continue
        where = f"{path}:{line}"
        if len(row) != len(_HEADER) or row[2].strip().lower() not in _VERDICTS or not row[1].strip():
            raise DatasetError("a line that is no rating", where=where, remedy=remedy)
        picture, person, verdict = (cell.strip() for cell in row)
        inside = (root / picture).resolve().is_relative_to(root.resolve())
        if not inside or not (root / picture).is_file():
            raise DatasetError(
                f"there is no picture {picture[:80]!r} in the study", where=where,
                remedy="Correct its path, relative to the study's folder, or remove the line",
            )  # fmt: skip
        said = ratings.setdefault(person, {})
        if picture in said:
            raise DatasetError(
                f"{person} has rated {picture[:80]} before", where=where, remedy="Remove one of the lines"
            )
        said[picture] = _VERDICTS[verdict.lower()]
    return ratings
