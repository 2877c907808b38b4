"""The pictures that a product is qualified on: a folder as ``paddlex --qualify`` takes it, filled from the browser."""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from paddlex.errors import WorkspaceError
from paddlex.evaluation.qualification.study import CHALLENGE, GOOD, RATINGS, REPEATED, write_ratings
from paddlex.studio.database.schema import Member, Product
from paddlex.studio.pictures import suffix_of
from paddlex.studio.workspace import Workspace
from paddlex.utils.files import atomic_path, link_or_copy

#: Letters of a picture's digest in its name: so a picture is in a study once.
_LETTERS = 16

_PART = re.compile(r"[^\W_][\w .-]{0,59}")
_PICTURE = re.compile(r"(good|challenge|repeated/[^\W_][\w .-]{0,59})/[0-9a-f]{16}\.[a-z]{3,4}")
_MOST_PICTURES = 10_000


@dataclass(frozen=True)
class Contents:
    """What there is.

    Attributes:
        good, challenge: pictures, by their paths in the study; the challenge set is that of the product. A good one that has
            become one of the product's own pictures is no longer among them: the model may have learnt from it.
        parts: part -> pictures of it.
        ratings: person -> picture -> whether she calls it bad.
    """

    good: list[str]
    challenge: list[str]
    parts: Mapping[str, list[str]]
    ratings: Mapping[str, Mapping[str, bool]]

    @property
    def to_rate(self) -> list[str]:
        """What people are asked about."""
        return [*self.good, *self.challenge]


class Studies:
    """The studies of a workspace, one a product.

    Args:
        workspace: that keeps them, below ``studies/``.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()

    def contents(self, product: Product) -> Contents:
        """What a product's study holds."""
        folder = self._folder(product)
        parts = sorted(path for path in (folder / REPEATED).glob("*") if path.is_dir())
        known = self._known(product)
        return Contents(
            [name for name in _pictures(folder, GOOD) if Path(name).stem not in known],
            list(self._challenge(product)),
            {part.name: _pictures(folder, f"{REPEATED}/{part.name}") for part in parts},
            self._ratings(product),
        )

    def add(self, product: Product, part: str | None, data: bytes) -> str:
        """Keep a picture of a good part that is new to the model, or one more of a part that is judged again and again.

        Args:
            product: whose study.
            part: its name; None for a good part.
            data: the file as it came; it was seen to be a picture.

        Returns:
            Its path in the study. The same picture twice is there once: a copy repeats nothing.

        Raises:
            WorkspaceError: the part cannot be named so, the product has a good part's picture, or there are too many pictures.
        """
        if part is not None and not _PART.fullmatch(part):
            what = "a part is named by up to 60 letters, digits, spaces, dots and hyphens, the first a letter or digit"
            raise WorkspaceError(what, remedy="Correct its name")
        if len(list(self._folder(product).rglob("*"))) >= _MOST_PICTURES:
            raise WorkspaceError(f"a study holds {_MOST_PICTURES} pictures", remedy="Begin it anew")
        digest = hashlib.sha256(data).hexdigest()
        if part is None and digest[:_LETTERS] in self._known(product):
            what = f"{product.name} is taught with this picture, so that it says nothing of new parts"
            raise WorkspaceError(what, remedy="Take pictures of other good parts")
        folder = GOOD if part is None else f"{REPEATED}/{part}"
        name = f"{folder}/{_name(digest, suffix_of(data))}"
        with atomic_path(self._folder(product) / name) as temporary:
            temporary.write_bytes(data)
        return name

    def rate(self, product: Product, picture: str, person: str, is_bad: bool) -> None:
        """Note what a person says of a picture; what she has said before is replaced.

        Raises:
            WorkspaceError: the picture is none of the study's.
        """
        with self._lock:
            if picture not in self.contents(product).to_rate:
                raise WorkspaceError("the picture is none of this study's", remedy="Reload the page")
            ratings = {who: dict(said) for who, said in self._ratings(product).items()}
            ratings.setdefault(person, {})[picture] = is_bad
            write_ratings(self._folder(product) / RATINGS, ratings)

    def path(self, product: Product, picture: str) -> Path:
        """Where a picture of the study is.

        Raises:
            WorkspaceError: there is none of this name.
        """
        if _PICTURE.fullmatch(picture):
            if (digest := self._challenge(product).get(picture)) is not None:
                return self._workspace.pictures.path(digest)
            path = self._folder(product) / picture
            if path.is_file():
                return path
        raise WorkspaceError("the picture is none of this study's", remedy="Reload the page")

    def clear(self, product: Product) -> None:
        """Begin anew; the reports that were made stay, and so does the challenge set."""
        with self._lock:
            shutil.rmtree(self._folder(product), ignore_errors=True)

    def copy_to(self, product: Product, folder: Path) -> None:
        """Put all of it into a folder, with the challenge set of now: what a report rests on no longer changes.

        Raises:
            WorkspaceError: there is nothing to qualify by.
        """
        contents = self.contents(product)
        pictures = [*contents.to_rate, *(name for names in contents.parts.values() for name in names)]
        if not pictures:
            what = "there are no pictures to qualify the model by"
            raise WorkspaceError(what, remedy="Add good parts, repeated ones, or a challenge part")
        for name in pictures:
            link_or_copy(self.path(product, name), folder / name)
        for name, pictures_of_part in contents.parts.items():
            if len(pictures_of_part) < 2:
                what = f"of part {name!r} there is one picture, which repeats nothing"
                raise WorkspaceError(what, remedy="Lay it in anew and take it again, 10 times in all")
        if contents.ratings:
            kept = set(pictures)
            ratings = {
                person: {picture: is_bad for picture, is_bad in said.items() if picture in kept}
                for person, said in contents.ratings.items()
            }
            write_ratings(folder / RATINGS, ratings)

    def _folder(self, product: Product) -> Path:
        return self._workspace.path / "studies" / str(product.id)

    def _challenge(self, product: Product) -> dict[str, str]:
        """Name in the study -> digest."""
        with self._workspace.reading() as session:
            chosen = select(Member.digest).where(Member.product_id == product.id, Member.role == CHALLENGE)
            digests = list(session.scalars(chosen.order_by(Member.id)))
        return {f"{CHALLENGE}/{_name(one, self._workspace.pictures.path(one).suffix)}": one for one in digests}

    def _known(self, product: Product) -> set[str]:
        """The product's own pictures, by the letters that would name them here."""
        with self._workspace.reading() as session:
            digests = session.scalars(select(Member.digest).where(Member.product_id == product.id))
            return {digest[:_LETTERS] for digest in digests}

    def _ratings(self, product: Product) -> dict[str, dict[str, bool]]:
        path = self._folder(product) / RATINGS
        if not path.exists():
            return {}
        ratings: dict[str, dict[str, bool]] = {}
        with path.open(encoding="utf-8", newline="") as file:
            for picture, person, verdict in list(csv.reader(file))[1:]:
                ratings.setdefault(person, {})[picture] = verdict == "bad"
        return ratings


def study_json(contents: Contents, person: str) -> dict[str, Any]:
    """A study for the page: what there is, and what a person has not rated yet."""
    mine = contents.ratings.get(person, {})
    return {
        "good": contents.good,
        "challenge": contents.challenge,
        "parts": [{"name": name, "pictures": pictures} for name, pictures in contents.parts.items()],
        "raters": [{"name": name, "rated": len(said)} for name, said in contents.ratings.items()],
        "toRate": [picture for picture in contents.to_rate if picture not in mine],
    }


def _name(digest: str, suffix: str) -> str:
    return f"{digest[:_LETTERS]}{suffix}"


def _pictures(folder: Path, name: str) -> list[str]:
    found = sorted((folder / name).glob("*")) if (folder / name).is_dir() else []
    return [f"{name}/{path.name}" for path in found if path.is_file() and not path.name.startswith(".")]
