"""The pictures of a workspace: files named after their content, so that one that comes twice is kept once."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import time
from pathlib import Path

import cv2
import numpy as np
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from paddlex.errors import ImageReadError, WorkspaceError, in_one_line
from paddlex.inference.image_files import decode_picture
from paddlex.inference.image_header import is_heic, read_header
from paddlex.inference.reading import ANY, BIT_DEPTHS, MAX_MEGAPIXELS, Reading
from paddlex.studio.database.schema import Picture
from paddlex.utils.files import atomic_path, flush
from paddlex.utils.leftovers import tidy_up
from paddlex.utils.logging import logger

#: Longest side of a thumbnail, in pixels.
THUMBNAIL = 192

#: Format of a header -> suffix of the file, and what the file is over HTTP. Nothing else is ever kept.
_FORMATS = {
    "JPEG": (".jpg", "image/jpeg"),
    "PNG": (".png", "image/png"),
    "BMP": (".bmp", "image/bmp"),
    "GIF": (".gif", "image/gif"),
    "TIFF": (".tiff", "image/tiff"),
    "WebP": (".webp", "image/webp"),
    "PPM": (".ppm", "image/x-portable-anymap"),
    "HEIC": (".heic", "image/heic"),
}
#: Suffix -> media type.
MEDIA_TYPES = dict(_FORMATS.values())

#: Those that every browser shows, as long as they have 8 bits.
_SHOWN = frozenset({".jpg", ".png", ".bmp", ".gif", ".webp"})

#: More than so many files that a database knows nothing of are not from a kill.
_MOST_LEFT = 100

_ANY = re.compile(".+", re.DOTALL)
_DIGEST = re.compile("[0-9a-f]{64}", re.ASCII)
_JPEG_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 85]


class PictureGoneError(WorkspaceError):
    """There is no such picture, or its file was removed."""


class Pictures:
    """The files below ``pictures/`` and ``thumbnails/`` of a workspace, and their rows.

    Args:
        workspace: the folder of the workspace.
    """

    def __init__(self, workspace: Path) -> None:
        self.files, self.thumbnails = workspace / "pictures", workspace / "thumbnails"

    def add(self, session: Session, data: bytes, image: np.ndarray | None = None) -> Picture:
        """Keep a picture: its file is on the disk before its row is, and stays as long as the row does.

        It is best called before anything else of the session: until the row is written, the database is not locked.

        Args:
            session: that writes; of ``Workspace.writing``.
            data: the file as it came.
            image: what it shows, uint8 [H, W, 3] BGR, if it was decoded already.

        Returns:
            The row; the same for the same content. It is locked against removal until the session ends.

        Raises:
            ImageReadError: it is no picture, or damaged.
            WorkspaceError: it cannot be written.
        """
        suffix = suffix_of(data)
        height, width = (decode_for_people(data, MAX_MEGAPIXELS) if image is None else image).shape[:2]
        digest = hashlib.sha256(data).hexdigest()
        path = self._place(digest, suffix)
        self._write(path, data)
        row = {"digest": digest, "suffix": suffix, "width": width, "height": height, "size": len(data)}
        insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        new = insert(Picture).values(**row, added_at=time.time_ns() // 1_000_000)
        locked = new.on_conflict_do_update(index_elements=[Picture.digest], set_={"size": new.excluded.size})
        picture = session.scalars(locked.returning(Picture), execution_options={"populate_existing": True}).one()
        self._write(path, data)  # again if it was removed before the row was locked
        return picture

    def path(self, digest: str) -> Path:
        """Where a picture is.

        Raises:
            PictureGoneError: there is none, or its file was removed.
        """
        _check_digest(digest)
        for suffix in MEDIA_TYPES:
            if (path := self._place(digest, suffix)).exists():
                return path
        raise PictureGoneError(f"there is no picture {digest[:12]}…, or not any more")

    def read(self, digest: str) -> bytes:
        """The file as it came."""
        return self.path(digest).read_bytes()

    def image(self, digest: str, reading: Reading = ANY) -> np.ndarray:
        """What a picture shows as a model is to see it, uint8 [H, W, 3] BGR.

        Raises:
            ImageReadError: it has 16 bits, and ``reading`` does not say what they mean.
        """
        return decode_picture(self.read(digest), digest[:12], reading)

    def shown(self, digest: str) -> tuple[bytes, str]:
        """A picture as any browser shows it, and its media type: the file itself, or else an 8-bit JPEG of its size."""
        return shown_picture(self.read(digest))

    def thumbnail(self, digest: str) -> bytes:
        """A small JPEG of a picture, its longest side ``THUMBNAIL``, made when it is first wanted, then kept."""
        _check_digest(digest)
        path = self.thumbnails / digest[:2] / f"{digest}.jpg"
        try:
            return path.read_bytes()
        except FileNotFoundError:
            data = thumbnail_of(decode_for_people(self.read(digest)))
        with atomic_path(path, durable=False) as temporary:
            temporary.write_bytes(data)
        return data

    def remove_file(self, digest: str, suffix: str) -> None:
        """Remove the files of a picture whose row is locked by a session that deletes it."""
        self._place(digest, suffix).unlink(missing_ok=True)
        (self.thumbnails / digest[:2] / f"{digest}.jpg").unlink(missing_ok=True)

    def tidy(self, session: Session) -> None:
        """Remove what a studio that was killed has left: half-written files, and files of which no row tells.

        A database that was restored from a copy does not know of pictures that are newer; such are left alone.

        Args:
            session: that reads, while nobody writes.
        """
        unknown = []
        for folder in (*_folders(self.files), *_folders(self.thumbnails)):
            tidy_up(folder, own=_ANY)
            query = select(Picture.digest).where(Picture.digest.between(folder.name, f"{folder.name}g"))
            known = set(session.scalars(query))
            unknown += [folder / name for name in os.listdir(folder) if name.partition(".")[0] not in known]
        if len(unknown) > _MOST_LEFT:
            logger.warning(
                "%d files of pictures in %s are unknown to the database, and stay.", len(unknown), self.files.parent
            )
            return
        for path in unknown:
            path.unlink(missing_ok=True)

    def _place(self, digest: str, suffix: str) -> Path:
        return self.files / digest[:2] / f"{digest}{suffix}"

    def _write(self, path: Path, data: bytes) -> None:
        if path.exists():  # whole, because that is how files come here
            return
        try:
            is_new = not path.parent.exists()
            with atomic_path(path) as temporary:
                temporary.write_bytes(data)
            flush(path.parent)
            if is_new:
                flush(self.files)
        except OSError as error:
            raise WorkspaceError(f"the picture cannot be kept: {in_one_line(error)}") from error


def _check_digest(digest: str) -> None:
    if _DIGEST.fullmatch(digest) is None:
        raise PictureGoneError("that is no digest of a picture")


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if len(path.name) == 2) if parent.is_dir() else []


def shown_picture(data: bytes) -> tuple[bytes, str]:
    """See ``Pictures.shown``."""
    suffix = suffix_of(data)
    if suffix in _SHOWN and read_header(data, "picture").bits == 8:
        return data, MEDIA_TYPES[suffix]
    return _jpeg(decode_for_people(data)), MEDIA_TYPES[".jpg"]


def suffix_of(data: bytes) -> str:
    """The suffix that a picture's file gets, by what it is, whatever it was called.

    Raises:
        ImageReadError: it is no picture of a format that is read.
    """
    return _FORMATS["HEIC" if is_heic(data) else read_header(data, "picture").format][0]


def decode_for_people(data: bytes, max_megapixels: float = math.inf) -> np.ndarray:
    """What a picture shows, uint8 [H, W, 3] BGR, for eyes: 16-bit values are scaled so that the brightest are seen.

    Raises:
        ImageReadError: it is damaged, or larger than is allowed.
    """
    readings = [Reading(depth, max_megapixels) for depth in (None, *BIT_DEPTHS[1:])]
    if is_heic(data) or read_header(data, "picture").bits == 8:
        readings = readings[:1]
    for reading in readings[:-1]:
        with contextlib.suppress(ImageReadError):  # the values are not of so few bits
            return decode_picture(data, "picture", reading)
    return decode_picture(data, "picture", readings[-1])


def thumbnail_of(image: np.ndarray) -> bytes:
    """A JPEG of at most ``THUMBNAIL`` pixels a side; image: uint8 [H, W, 3] BGR."""
    height, width = image.shape[:2]
    scale = min(1.0, THUMBNAIL / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return _jpeg(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def _jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image, _JPEG_QUALITY)[1].tobytes()
