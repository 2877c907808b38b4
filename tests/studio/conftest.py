"""What the tests of the studio share: workspaces, with either database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.studio.database.schema import Product, Version
from paddlex.studio.workspace import Workspace, now_ms


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """An empty workspace."""
    opened = Workspace(tmp_path / "workspace")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def png() -> Callable[[int], bytes]:
    """Number -> the file of a small picture, another one for each number."""

    def drawn(number: int) -> bytes:
        picture = np.random.default_rng(number).integers(0, 255, (8, 12, 3), np.uint8)
        return cv2.imencode(".png", picture)[1].tobytes()

    return drawn


@pytest.fixture
def add_version() -> Callable[..., Version]:
    """(workspace, product) -> the row of a version of it, whose model nobody has trained; its product is made as needed."""

    def added(workspace: Workspace, product: str = "grid", number: int = 1) -> Version:
        with workspace.writing() as session:
            row = session.query(Product).filter_by(name=product).one_or_none()
            if row is None:
                row = Product(name=product, made_at=now_ms())
                session.add(row)
                session.flush()
            version = Version(
                product_id=row.id, number=number, folder=f"models/{product}/{number}", digest=f"{number:064x}", how="train",
                pictures=30, made_at=now_ms(), made_by="anna",
            )  # fmt: skip
            session.add(version)
            session.flush()
            row.live_id = version.id
        return version

    return added
