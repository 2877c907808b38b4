"""Pictures are kept once, under what they are, and are shown whatever their bits."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
from sqlalchemy import func, select

from paddlex.errors import ImageReadError, WorkspaceError
from paddlex.studio.database.schema import Picture
from paddlex.studio.pictures import THUMBNAIL, suffix_of
from paddlex.studio.workspace import Workspace


def encoded(image: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


def test_a_picture_that_comes_twice_is_one_row_and_one_file(workspace: Workspace, photo: np.ndarray) -> None:
    data = encoded(photo)
    for image in (photo, None):
        with workspace.writing() as session:
            picture = workspace.pictures.add(session, data, image)
    assert (picture.digest, picture.suffix) == (hashlib.sha256(data).hexdigest(), ".png")
    assert (picture.width, picture.height, picture.size) == (64, 48, len(data))
    with workspace.reading() as session:
        assert session.scalar(select(func.count()).select_from(Picture)) == 1
    assert [path for path in workspace.pictures.files.rglob("*") if path.is_file()] == [
        workspace.pictures.path(picture.digest)
    ]
    assert workspace.pictures.read(picture.digest) == data
    np.testing.assert_array_equal(workspace.pictures.image(picture.digest), photo)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tiff", ".webp", ".ppm"])
def test_a_file_is_called_after_what_it_is(photo: np.ndarray, suffix: str) -> None:
    assert suffix_of(encoded(photo, suffix)) == suffix


@pytest.mark.parametrize("data", [b"", b"<svg onload='alert(1)'>", b"GIF8 no, it is not"])
def test_what_is_no_picture_leaves_nothing(workspace: Workspace, data: bytes) -> None:
    with pytest.raises(ImageReadError), workspace.writing() as session:
        workspace.pictures.add(session, data)
    assert not workspace.pictures.files.exists()


def test_a_session_that_fails_has_added_no_row(workspace: Workspace, photo: np.ndarray) -> None:
    with pytest.raises(RuntimeError), workspace.writing() as session:
        workspace.pictures.add(session, encoded(photo))
        raise RuntimeError
    with workspace.reading() as session:
        assert session.scalar(select(func.count()).select_from(Picture)) == 0


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_the_thumbnail_of_a_camera_with_more_bits_is_neither_black_nor_burnt_out(
    workspace: Workspace, bits: int
) -> None:
    ramp = np.tile(np.linspace(0, 2**bits - 1, 400).astype(np.uint16), (100, 1))
    with workspace.writing() as session:
        digest = workspace.pictures.add(session, encoded(ramp)).digest
    thumbnail = cv2.imdecode(np.frombuffer(workspace.pictures.thumbnail(digest), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert thumbnail.shape == (THUMBNAIL * 100 // 400, THUMBNAIL)
    np.testing.assert_allclose(thumbnail.mean(axis=0), np.linspace(0, 255, THUMBNAIL), atol=4)


def test_a_browser_gets_the_file_itself_where_it_can_show_it_and_else_a_jpeg(
    workspace: Workspace, photo: np.ndarray
) -> None:
    with workspace.writing() as session:
        png, tiff, deep = (
            workspace.pictures.add(session, data).digest
            for data in (encoded(photo), encoded(photo, ".tiff"), encoded(photo.astype(np.uint16) * 257))
        )
    assert workspace.pictures.shown(png) == (workspace.pictures.read(png), "image/png")
    for digest in (tiff, deep):
        data, media_type = workspace.pictures.shown(digest)
        assert media_type == "image/jpeg"
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == photo.shape


@pytest.mark.parametrize("digest", ["", "../../studio", "0" * 64, "A" * 64])
def test_there_is_no_path_to_anything_but_a_picture(workspace: Workspace, digest: str) -> None:
    with pytest.raises(WorkspaceError):
        workspace.pictures.path(digest)


def test_a_picture_that_cannot_be_written_is_an_error_of_one_line(workspace: Workspace, photo: np.ndarray) -> None:
    workspace.pictures.files.write_bytes(b"a file where the folder should be")
    refused = pytest.raises(WorkspaceError, match=r"the picture cannot be kept: .*pictures")
    with refused as caught, workspace.writing() as session:
        workspace.pictures.add(session, encoded(photo))
    assert "\n" not in str(caught.value)
