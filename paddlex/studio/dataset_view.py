"""A product's pictures as a data set that everything else reads: lists, and links that have the pictures' names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from paddlex.inference.list_files import FALSE_ALARMS_LIST, TRAIN_LIST, VAL_LIST
from paddlex.studio.database.schema import Member, Picture
from paddlex.studio.pictures import Pictures
from paddlex.utils.files import write_text

#: What a list could misunderstand is left out of a link's name.
_UNSAFE = re.compile(r"[^\w.+-]+")
_LONGEST_STEM = 60

#: Below the data set.
FOLDER = "dataset"


def write_view(
    pictures: Pictures,
    folder: Path,
    train: Sequence[Member],
    val: Sequence[tuple[Member, Picture]],
    false_alarms: Sequence[Member] = (),
) -> Path:
    """Write a data set without copying a picture.

    Args:
        pictures: of the workspace.
        folder: gets the data set's.
        train: good parts to learn from.
        val: parts to judge: good ones, and known bad ones, whose masks are drawn; where nobody has drawn anything the whole
            picture is marked.
        false_alarms: good parts to learn from that no threshold rests on.

    Returns:
        The data set's folder.
    """
    root = folder / FOLDER
    first = 0
    for name, kind, members in ((TRAIN_LIST, "good", train), (FALSE_ALARMS_LIST, "false_alarms", false_alarms)):
        links = [_link(pictures, root, member, kind, number) for number, member in enumerate(members, first)]
        if links or name == TRAIN_LIST:
            write_text(root / name, _lines((image, image) for image in links), durable=False)
        first += len(links)
    lines = []
    for number, (member, picture) in enumerate(val, first):
        kind = "good" if member.role == "good" else "challenge"
        image = _link(pictures, root, member, kind, number)
        lines.append((image, image if kind == "good" else _mask(root, image, member, picture)))
    if lines:
        write_text(root / VAL_LIST, _lines(lines), durable=False)
    return root


def digest_of(root: Path, image: str) -> str:
    """The digest of the picture that a line of the data set names; empty where it names none."""
    try:
        return Path(os.readlink(root / image)).stem
    except (OSError, ValueError):
        return ""


def _link(pictures: Pictures, root: Path, member: Member, kind: str, number: int) -> str:
    target = pictures.path(member.digest)
    stem = _UNSAFE.sub("_", Path(member.name).stem)[:_LONGEST_STEM] or "picture"
    link = root / "images" / kind / f"{number + 1:05d}_{stem}{target.suffix}"
    link.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(os.path.relpath(target, link.parent), link)
    return link.relative_to(root).as_posix()


def _mask(root: Path, image: str, member: Member, picture: Picture) -> str:
    mask = np.full((picture.height, picture.width), 0 if member.where else 255, np.uint8)
    for polygon in member.where:
        corners = np.array(polygon, np.float64) * (picture.width, picture.height)
        cv2.fillPoly(mask, [corners.round().astype(np.int32)], (255,))
    if not mask.any():  # too small for a pixel
        mask[:] = 255
    path = root / "masks" / f"{Path(image).stem}.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(cv2.imencode(".png", mask)[1].tobytes())
    return path.relative_to(root).as_posix()


def _lines(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{image}\t{mask}\n" for image, mask in pairs)
