"""Decompression bombs and broken files, against the guard itself."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from paddlex.errors import ImageReadError
from paddlex.inference.serving.answers import LabelMap
from paddlex.inference.serving.answers import length as text_length
from paddlex.inference.serving.errors import RequestError
from paddlex.inference.serving.image_guard import ImageSize, decode, decode_base64, read_size

LIMIT = 1_000_000


def encoded(suffix: str, height: int = 30, width: int = 40) -> bytes:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.imencode(suffix, image)[1].tobytes()


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    with io.BytesIO() as file:
        image.save(file, kind, **options)
        return file.getvalue()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif", ".webp", ".ppm", ".gif"])
def test_every_format_is_read_at_its_size(suffix: str) -> None:
    data = encoded(suffix)
    size = read_size(data, LIMIT)
    assert size == ImageSize(40, 30)
    assert decode(data, size).shape == (30, 40, 3)


def test_an_image_turned_by_exif_is_no_contradiction() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    data = saved(Image.new("RGB", (40, 30)), "JPEG", exif=exif)
    assert decode(data, read_size(data, LIMIT)).shape == (40, 30, 3)


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (1001, 1000), (2**31 - 1, 2**31 - 1), (40_000, 1)])
def test_a_small_file_of_many_pixels_is_refused_unopened(
    width: int, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: pytest.fail("it was decoded"))
    with pytest.raises(RequestError, match="too large") as caught:
        read_size(png_header(width, height), LIMIT)
    assert caught.value.status == 413


@pytest.mark.parametrize("layout", [{322: 2**14, 323: 2**14, 324: 8, 325: 256}, {278: 2**24, 273: 8, 279: 256}])
def test_a_small_tiff_of_one_huge_tile_or_strip_is_refused(layout: dict[int, int]) -> None:
    for rows in (16, 0, 2**32 - 1):
        assert read_size(grey_tiff({278: rows, 273: 8, 279: 256}), LIMIT) == ImageSize(16, 16)
    with pytest.raises(RequestError, match="too large"):
        read_size(grey_tiff(layout), LIMIT)


def grey_tiff(layout: dict[int, int]) -> bytes:
    """A little-endian grey TIFF of 16 x 16 pixels; ``layout`` holds the tags of its tile or strip."""
    tags = {256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 277: 1, **layout}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\x00" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + bytes(4) + bytes(256)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = saved(Image.effect_noise((64, 64), 50).convert("RGB"), "JPEG", progressive=True)
    bomb = data[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 200 + data[-2:]
    with pytest.raises(RequestError, match="scans"):
        read_size(bomb, LIMIT)
    progressive = saved(Image.effect_noise((64, 64), 50).convert("RGB"), "JPEG", progressive=True)
    assert read_size(progressive, LIMIT) == ImageSize(64, 64)


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"GIF89a", b"BM" + bytes(60), b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WAVE", b"P5 1", b"II*\x00" + b"\xff" * 40,
     b"%PDF-1.4", b"<svg xmlns='http://www.w3.org/2000/svg'/>", png_header(0, 5), b"\x89PNG\r\n\x1a\n" + bytes(100)],
)  # fmt: skip
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        read_size(data, LIMIT)
    assert caught.value.status == 415


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_image_is_refused(suffix: str, share: float) -> None:
    data = encoded(suffix)
    data = data[: int(len(data) * share)]
    with pytest.raises((RequestError, ImageReadError)):
        decode(data, read_size(data, LIMIT))


def test_formats_that_may_run_or_fetch_something_are_not_read() -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"
    with pytest.raises(RequestError, match="unknown format"):
        read_size(postscript, LIMIT)


def test_flipped_bytes_never_surprise() -> None:
    """Whatever a damaged header leads Pillow or OpenCV to, the client hears of a broken image."""
    random = np.random.default_rng(1)
    for suffix in (".jpg", ".png", ".bmp", ".tif", ".webp", ".ppm", ".gif"):
        whole = np.frombuffer(encoded(suffix), np.uint8)
        for _ in range(25):
            data = whole.copy()
            places = random.integers(0, min(len(data), 120), 4)
            data[places] = random.integers(0, 256, 4)
            try:
                image = decode(data.tobytes(), read_size(data.tobytes(), LIMIT))
                assert image.size <= 3 * LIMIT
            except (RequestError, ImageReadError) as error:
                assert getattr(error, "status", 415) in (413, 415)


@pytest.mark.parametrize(
    "text", ["/etc/passwd", "file:///etc/passwd", "QUJ", "QU JD=x", "é", "QUJD\x00", "QQ==QUJD", "data:text/html,x"]
)
def test_text_that_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        decode_base64(text)
    assert caught.value.status == 400


def test_base64_of_any_length_is_decoded_whole() -> None:
    for length in (0, 1, 2, 3, 2**18, 3 * 2**17 + 1):
        data = np.random.default_rng(length).bytes(length)
        assert decode_base64(base64.b64encode(data).decode()) == data


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 8), (301, 433), (256, 512)])
def test_a_label_map_is_the_mask_row_by_row(shape: tuple[int, int]) -> None:
    mask = np.where(np.random.default_rng(0).random(shape) < 0.3, 255, 0).astype(np.uint8)
    label_map = LabelMap(mask)
    text = b"".join(label_map.pieces())
    assert json.loads(text) == mask.ravel().tolist()
    assert text_length([b"{", label_map, b"}"]) == len(text) + 2
