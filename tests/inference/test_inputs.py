"""Whatever the user has becomes uint8 [H, W, 3] in the order blue, green, red; Pillow says what the pixels must be."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from paddlex.errors import DownloadError, ImageReadError
from paddlex.inference.inputs import describe, expand, list_images, read_image
from paddlex.inference.walk import IMAGE_SUFFIXES
from paddlex.utils.paths import is_url

HEIGHT, WIDTH = 48, 64


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    """Blocks of 8x8 pixels in random colours: JPEG keeps them well, and any flip or swap of channels shows."""
    colours = np.random.default_rng(0).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3))
    return np.kron(colours, np.ones((8, 8, 1))).astype(np.uint8)


@pytest.fixture(scope="module")
def picture(rgb: np.ndarray) -> Image.Image:
    return Image.fromarray(rgb)


def bgr_of(picture: Image.Image) -> np.ndarray:
    return np.array(picture.convert("RGB"))[:, :, ::-1]


# Formats


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.tiff", "a.ppm", "a.gif", "A.PNG", "图 像 #1.png"])
def test_lossless_files_are_read_exactly(picture: Image.Image, tmp_path: Path, name: str) -> None:
    picture.save(tmp_path / name)
    assert np.array_equal(read_image(tmp_path / name), bgr_of(picture))


def test_lossless_webp_is_read_exactly(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "a.webp", lossless=True)
    assert np.array_equal(read_image(tmp_path / "a.webp"), bgr_of(picture))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_is_read_as_pillow_reads_it(picture: Image.Image, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.jpg"
    picture.convert(mode).save(path, quality=95)
    expected = bgr_of(Image.open(path))
    assert np.abs(read_image(path).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA"])
def test_every_kind_of_png_becomes_three_channels(picture: Image.Image, tmp_path: Path, mode: str) -> None:
    converted = picture.convert(mode)
    converted.save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), bgr_of(converted))


def test_an_alpha_channel_is_dropped_even_where_it_is_transparent(picture: Image.Image, tmp_path: Path) -> None:
    transparent = picture.copy()
    transparent.putalpha(0)
    transparent.save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), bgr_of(picture))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_become_eight_over_the_full_range(tmp_path: Path, suffix: str) -> None:
    deep = np.linspace(0, 65535, HEIGHT * WIDTH).astype(np.uint16).reshape(HEIGHT, WIDTH)
    Image.fromarray(deep).save(tmp_path / f"a{suffix}")
    image = read_image(tmp_path / f"a{suffix}")
    assert (image.min(), image.max()) == (0, 255)
    assert np.abs(image.astype(float) - (deep / 257)[:, :, None]).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(picture: Image.Image, tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    picture.save(path, exif=exif, quality=95)
    expected = bgr_of(ImageOps.exif_transpose(Image.open(path)))
    image = read_image(path)
    assert image.shape == ((HEIGHT, WIDTH, 3) if orientation < 5 else (WIDTH, HEIGHT, 3))
    assert np.abs(image.astype(int) - expected).max() <= 1


# Sources


def test_encoded_bytes_are_read_like_the_file(picture: Image.Image) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    assert np.array_equal(read_image(buffer.getvalue()), bgr_of(picture))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_whatever_holds_encoded_bytes_is_one_image(kind: type) -> None:
    assert list(expand(kind(b"an image"))) == [b"an image"]


def test_a_path_object_is_read_like_its_text(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), read_image(str(tmp_path / "a.png")))


def test_a_url_is_fetched(picture: Image.Image, web_server) -> None:
    picture.save(web_server.folder / "图 1.png")
    assert np.array_equal(read_image(f"{web_server.url}/图 1.png?size=full"), bgr_of(picture))


def test_a_url_that_is_not_there_is_an_error_that_names_it(web_server) -> None:
    with pytest.raises(DownloadError, match=r"the server answers 404 .*nothing\.png"):
        read_image(f"{web_server.url}/nothing.png")


def test_an_array_of_three_channels_is_taken_as_it_is(rgb: np.ndarray) -> None:
    assert np.array_equal(read_image(rgb), rgb)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1)])
def test_an_array_of_one_channel_becomes_three(shape: tuple[int, ...]) -> None:
    gray = np.arange(35, dtype=np.uint8).reshape(shape)
    assert np.array_equal(read_image(gray), np.repeat(gray.reshape(5, 7, 1), 3, axis=2))


def test_the_fourth_channel_of_an_array_is_dropped(rgb: np.ndarray) -> None:
    assert np.array_equal(read_image(np.dstack([rgb, np.zeros((HEIGHT, WIDTH), np.uint8)])), rgb)


def test_an_array_of_sixteen_bits_is_scaled_and_not_changed() -> None:
    deep = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    assert read_image(deep)[0, :, 0].tolist() == [0, 1, 128, 255]
    assert deep.tolist() == [[0, 257, 128 * 257, 65535]]


@pytest.mark.parametrize(
    "array",
    [np.zeros((3, 4), np.float32), np.zeros((3, 4, 2), np.uint8), np.zeros((2, 3, 4, 3), np.uint8),
     np.zeros((0, 4, 3), np.uint8), np.zeros((3, 4), bool)],
    ids=["float", "two channels", "a batch", "empty", "bool"],
)  # fmt: skip
def test_another_array_is_refused_with_what_it_should_be(array: np.ndarray) -> None:
    with pytest.raises(ImageReadError) as caught:
        read_image(array)
    assert str(caught.value).startswith("an image array must be uint8 or uint16 of shape [H, W], [H, W, 1], ")
    assert f"this one is {array.dtype} of shape {list(array.shape)}" in str(caught.value)


# Broken images


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp"])
def test_a_truncated_image_is_an_error_and_not_half_a_picture(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = cv2.imencode(suffix, noise)[1].tobytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageReadError) as caught:
        read_image(path)
    assert str(caught.value) == (
        f"the image is truncated, damaged or of an unknown format ({path}). Replace it or leave it out."
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "the image is empty (0 bytes)"), (b"<html>", "the image is truncated, damaged or of an unknown format")],
)
def test_a_file_that_is_no_image_is_an_error_that_names_it(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageReadError) as caught:
        read_image(tmp_path / "a.png")
    assert str(caught.value) == f"{problem} ({tmp_path / 'a.png'}). Replace it or leave it out."


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError) as caught:
        read_image(tmp_path / "a.png")
    assert str(caught.value) == (
        f"the image cannot be read: No such file or directory ({tmp_path / 'a.png'}). Check the path."
    )


# Folders, globs, lists


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "sub/c.tiff", "sub/.hidden.png", ".thumbnails/d.png", "notes.txt", "z/e.webp"):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"never opened")
    return tmp_path / "folder"


def test_a_folder_yields_its_images_sorted_and_leaves_out_what_is_hidden(folder: Path) -> None:
    expected = [str(folder / name) for name in ("a.JPG", "b.png", "sub/c.tiff", "z/e.webp")]
    assert list(list_images(folder)) == expected
    assert list(expand(folder)) == expected


def test_a_glob_yields_what_it_matches_sorted(folder: Path) -> None:
    assert list(expand(f"{folder}/*.png")) == [str(folder / "b.png")]
    assert list(expand(f"{folder}/**/*.*p*")) == [str(folder / "b.png"), str(folder / "z/e.webp")]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "[1].png").write_bytes(b"")
    assert list(expand(str(tmp_path / "[1].png"))) == [str(tmp_path / "[1].png")]


def test_lists_and_generators_may_mix_all_kinds(folder: Path) -> None:
    array = np.zeros((2, 2, 3), np.uint8)
    sources = [array, b"bytes", "http://host/a.png", folder / "b.png", [str(folder / "z")]]
    found = list(expand(source for source in sources))
    assert found[0] is array
    assert found[1:] == [b"bytes", "http://host/a.png", str(folder / "b.png"), str(folder / "z/e.webp")]


def test_a_generator_is_asked_for_one_source_at_a_time() -> None:
    asked = []

    def sources() -> Iterator[bytes]:
        for number in range(100):
            asked.append(number)
            yield b"x"

    stream = expand(sources())
    next(stream), next(stream)
    assert asked == [0, 1]


def test_a_path_that_does_not_exist_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError) as caught:
        list(expand(str(tmp_path / "nothing")))
    assert str(caught.value).startswith(f"no such file or folder ({tmp_path / 'nothing'}). ")


@pytest.mark.parametrize(("kind", "below"), [("folder", ""), ("glob", "/*.png")])
def test_a_folder_or_glob_without_images_is_an_error(tmp_path: Path, kind: str, below: str) -> None:
    with pytest.raises(ImageReadError) as caught:
        list(expand(f"{tmp_path}{below}"))
    assert str(caught.value).startswith(f"the {kind} holds no images ({tmp_path}{below}). Images end in .bmp, ")


@pytest.mark.parametrize("source", [3.5, True, None, [1.5]])
def test_what_is_no_source_is_an_error_that_says_what_is(source: object) -> None:
    with pytest.raises(ImageReadError, match=r"an? \w+ is not an image source. Give a file, a folder, a glob, a URL"):
        list(expand(source))  # type: ignore[arg-type]


def test_small_helpers_describe_sources() -> None:
    assert is_url("HTTPS://host/a.png")
    assert not is_url("C:/http/a.png")
    assert describe(np.zeros((2, 3), np.uint8)) == "array of shape (2, 3)"
    assert describe(b"abc") == "3 bytes"
    assert describe(Path("a.png")) == "a.png"
    assert {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"} <= IMAGE_SUFFIXES


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("val.txt", b"images/a.png masks/a.png", "a text file, not an image"),
        ("parts.zip", b"PK\x03\x04...", "unpack it"),
    ],
)
def test_a_file_that_is_no_image_is_called_what_it_is(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ImageReadError, match=words):
        read_image(str(tmp_path / name))
