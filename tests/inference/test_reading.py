"""What the values of 16-bit pictures mean is known, given, or an error: never guessed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from paddlex.errors import ImageReadError
from paddlex.inference.image_files import highest_value
from paddlex.inference.inputs import read_image
from paddlex.inference.reading import ANY, Reading, smallest_depth

#: A grey ramp, as a camera of 8 bits has it.
RAMP = np.tile(np.arange(256, dtype=np.uint8), (4, 1))


def deep(bits: int) -> np.ndarray:
    """The same ramp as a camera of so many bits has it."""
    return np.round(RAMP / 255 * (2**bits - 1)).astype(np.uint16)


def sources(picture: np.ndarray, folder: Path) -> list[object]:
    Image.fromarray(picture).save(folder / "a.png")
    Image.fromarray(picture).save(folder / "a.tif")
    return [folder / "a.png", folder / "a.tif", (folder / "a.png").read_bytes(), picture, picture[:, :, None]]


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_the_same_part_reads_alike_at_every_depth(bits: int, tmp_path: Path) -> None:
    for source in sources(deep(bits), tmp_path):
        image = read_image(source, Reading(bits))  # type: ignore[arg-type]
        assert np.abs(image.astype(int) - RAMP[:, :, None]).max() <= 1


def test_pictures_of_eight_bits_mean_what_they_always_did(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), RAMP)
    for reading in (ANY, Reading(8), Reading(12), Reading(16)):
        assert np.array_equal(read_image(tmp_path / "a.png", reading)[:, :, 0], RAMP)
        assert np.array_equal(read_image(RAMP, reading)[:, :, 0], RAMP)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_value_beyond_the_range_is_an_error(bits: int, tmp_path: Path) -> None:
    picture = deep(bits)
    picture[0, 0] = 2**bits
    for source in sources(picture, tmp_path):
        with pytest.raises(ImageReadError) as caught:
            read_image(source, Reading(bits))  # type: ignore[arg-type]
        expected = (
            f"the picture holds the value {2**bits}, but the model is for pictures of {bits} bits (0 to {2**bits - 1})"
        )
        assert str(caught.value).startswith(expected)


@pytest.mark.parametrize("reading", [ANY, Reading(8)])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_where_nothing_is_known_a_dark_picture_is_an_error_that_names_the_key(
    bits: int, reading: Reading, tmp_path: Path
) -> None:
    for source in sources(deep(bits), tmp_path):
        with pytest.raises(ImageReadError) as caught:
            read_image(source, reading)  # type: ignore[arg-type]
        assert f"its values reach only {2**bits - 1}" in str(caught.value)
        assert "Global.bit_depth" in str(caught.value)


def test_where_nothing_is_known_the_full_range_is_unmistakable(tmp_path: Path) -> None:
    for source in sources(deep(16), tmp_path):
        assert np.abs(read_image(source)[:, :, 0].astype(int) - RAMP).max() <= 1  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_tiff_that_says_how_many_bits_it_has_is_believed(bits: int) -> None:
    import struct

    values = deep(bits).ravel()
    packed = int("".join(f"{value:0{bits}b}" for value in values), 2).to_bytes(len(values) * bits // 8, "big")
    tags = {256: 256, 257: 4, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: 4, 279: len(packed), 339: 1}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    data = b"II*\x00" + struct.pack("<I", 8 + len(packed)) + packed + struct.pack("<H", len(tags)) + entries + bytes(4)
    for reading in (ANY, Reading(8), Reading(12)):
        assert np.abs(read_image(data, reading)[:, :, 0].astype(int) - RAMP).max() <= 1


def test_a_transparent_or_coloured_picture_of_sixteen_bits_is_read(tmp_path: Path) -> None:
    colours = np.dstack([deep(12), np.zeros_like(deep(12)), deep(12)[:, ::-1], np.full_like(deep(12), 65535)])
    cv2.imwrite(str(tmp_path / "a.png"), colours)
    expected = np.dstack([RAMP, np.zeros_like(RAMP), RAMP[:, ::-1]]).astype(int)
    for source in (tmp_path / "a.png", colours[:, :, :3]):
        assert np.abs(read_image(source, Reading(12)) - expected).max() <= 1


def test_the_largest_value_is_looked_for_in_files_of_sixteen_bits_alone(tmp_path: Path) -> None:
    for source in sources(deep(12), tmp_path)[:2]:
        assert highest_value(source) == 4095  # type: ignore[arg-type]
    cv2.imwrite(str(tmp_path / "b.png"), RAMP)
    cv2.imwrite(str(tmp_path / "b.jpg"), RAMP)
    cv2.imwrite(str(tmp_path / "b.tif"), RAMP)
    assert [highest_value(tmp_path / name) for name in ("b.png", "b.jpg", "b.tif")] == [None, None, None]


def test_the_smallest_depth_that_holds_a_value() -> None:
    assert [smallest_depth(value) for value in (0, 1023, 1024, 4095, 4096, 16383, 16384, 65535)] == [
        10, 10, 12, 12, 14, 14, 16, 16,
    ]  # fmt: skip
