"""The pictures of a workspace: files named after their content, so that one that comes twice is kept once."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import cv2
import numpy as np
from sqlalchemy.orm import Session

from paddlex.studio.database.schema import Picture
from paddlex.utils.files import atomic_path

#: Longest side of a thumbnail, in pixels.
THUMBNAIL = 192


class Pictures:
    """The files below ``pictures/`` and ``thumbnails/`` of a workspace, and their rows.

    Args:
        workspace: the folder of the workspace.
    """

    def __init__(self, workspace: Path) -> None:
        self._files, self._thumbnails = workspace / "pictures", workspace / "thumbnails"

    def add(self, session: Session, data: bytes, suffix: str, image: np.ndarray) -> Picture:
        """Keep a picture; the file is there before its row is.

        Args:
            session: that writes.
            data: the file as it came.
            suffix: of its name, such as ``.png``.
            image: what it shows, uint8 [H, W, 3] BGR.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest, suffix)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                temporary.write_bytes(data)
        if (known := session.get(Picture, digest)) is not None:
            return known
        height, width = image.shape[:2]
        now = time.time_ns() // 1_000_000
        picture = Picture(digest=digest, suffix=suffix, width=width, height=height, size=len(data), added_at=now)
        session.add(picture)
        session.flush()
        return picture

    def path(self, digest: str, suffix: str) -> Path:
        """Where a picture is, or would be."""
        return self._files / digest[:2] / f"{digest}{suffix}"

    def thumbnail(self, digest: str, suffix: str) -> bytes:
        """A small JPEG of it, made when it is first wanted."""
        path = self._thumbnails / digest[:2] / f"{digest}.jpg"
        if not path.exists():
            image = cv2.imdecode(np.frombuffer(self.path(digest, suffix).read_bytes(), np.uint8), cv2.IMREAD_COLOR)
            assert image is not None
            scale = min(1.0, THUMBNAIL / max(image.shape[:2]))
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                temporary.write_bytes(cv2.imencode(".jpg", small)[1].tobytes())
        return path.read_bytes()
