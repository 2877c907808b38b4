"""HEIC is read where its package is installed, and otherwise said to be passed over, with what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from paddlex.errors import ImageReadError, ImageTooLargeError
from paddlex.inference import heic
from paddlex.inference.image_files import highest_value, picture_size
from paddlex.inference.inputs import expand, read_image
from paddlex.inference.reading import Reading
from paddlex.inference.serving.image_guard import ImageSize, decode, read_size
from paddlex.inference.walk import PassedOver

pillow_heif = pytest.importorskip("pillow_heif")

COLOURS = np.kron(np.random.default_rng(0).integers(0, 256, (3, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pillow_heif.from_pillow(Image.fromarray(COLOURS)).save(tmp_path / "IMG_0001.HEIC", quality=95)
    return tmp_path / "IMG_0001.HEIC"


def test_a_photo_of_a_phone_is_read(photo: Path) -> None:
    image = read_image(photo)
    assert image.dtype == np.uint8
    assert np.abs(image[:, :, ::-1].astype(int) - COLOURS).mean() < 5
    assert list(expand(str(photo.parent))) == [str(photo)]
    assert picture_size(photo) == (48, 64)
    assert highest_value(photo) is None


def test_the_service_reads_it(photo: Path) -> None:
    data = photo.read_bytes()
    assert read_size(data, 10_000) == ImageSize(64, 48)
    assert decode(data, ImageSize(64, 48)).shape == (48, 64, 3)


def test_a_large_one_is_refused_and_a_damaged_one_is_called_so(photo: Path) -> None:
    with pytest.raises(ImageTooLargeError, match="64 x 48 pixels"):
        read_image(photo, Reading(max_megapixels=0.001))
    with pytest.raises(ImageReadError, match="truncated, damaged"):
        read_image(photo.read_bytes()[:200])


def test_without_the_package_it_is_counted_and_the_command_is_told(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heic, "has_heic", lambda: False)
    monkeypatch.setattr("paddlex.inference.walk.has_heic", lambda: False)
    with pytest.raises(ImageReadError) as caught:
        read_image(photo)
    assert str(caught.value) == (
        f"the image is HEIC, and pillow-heif, which reads it, is not installed ({photo}). "
        'Install it: pip install "image-anomaly-toolkit[heic]".'
    )
    (photo.parent / "a.png").write_bytes(b"never opened")
    passed = PassedOver()
    assert list(expand(str(photo.parent), passed=passed)) == [str(photo.parent / "a.png")]
    remedy = 'pip install "image-anomaly-toolkit[heic]" reads HEIC'
    assert str(passed) == f"1 file is no image this program can read (.HEIC: 1; {remedy})"


def test_the_package_is_imported_for_such_a_file_alone() -> None:
    code = """if True:
        import sys, numpy
        from paddlex.inference.inputs import read_image
        read_image(numpy.zeros((4, 4), numpy.uint8))
        print("pillow_heif" in sys.modules, "PIL" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
