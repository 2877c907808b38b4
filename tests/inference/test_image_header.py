"""What a file is, how large and how many pictures, is known before anything is decoded; Pillow writes the files."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from paddlex.errors import ImageReadError, ImageTooLargeError
from paddlex.inference.image_header import ImageHeader, checked_header, read_header
from paddlex.inference.inputs import read_image
from paddlex.inference.reading import Reading

PICTURE = Image.effect_noise((40, 30), 80)
MOST = 250_000_000


def saved(kind: str, picture: Image.Image = PICTURE, **options: object) -> bytes:
    with io.BytesIO() as file:
        picture.save(file, kind, **options)
        return file.getvalue()


def png_of(width: int, height: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IDAT", zlib.compress(bytes(1000)))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiff_of(tags: dict[int, int], data: bytes = b"", *, big: bool = False, order: str = "<") -> bytes:
    """A TIFF of one strip; BigTIFF if ``big``."""
    start = b"II" if order == "<" else b"MM"
    place = (16 if big else 8) + len(data)
    tags = {257: 30, 256: 40, 258: 8, 259: 1, 262: 1, 273: place - len(data), 277: 1, 278: 30, 279: len(data), **tags}
    if big:
        head = start + struct.pack(order + "HHHQ", 43, 8, 0, place)
        entries = b"".join(struct.pack(order + "HHQQ", tag, 16, 1, value) for tag, value in sorted(tags.items()))
        return head + data + struct.pack(order + "Q", len(tags)) + entries + bytes(8)
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    head = start + struct.pack(order + "HI", 42, place)
    return head + data + struct.pack(order + "H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("BMP", {}), ("GIF", {}), ("TIFF", {}),
     ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {}), ("WEBP", {"lossless": True}), ("PPM", {})],
)  # fmt: skip
def test_each_format_says_its_size(kind: str, options: dict[str, object]) -> None:
    for picture in (PICTURE, PICTURE.convert("RGB")):
        header = read_header(saved(kind, picture, **options), "a")
        assert (header.width, header.height, header.bits, header.pages) == (40, 30, 8, 1)


def test_metadata_before_the_picture_is_stepped_over() -> None:
    exif = Image.Exif()
    exif[0x010E] = "text " * 5000
    for kind in ("JPEG", "PNG", "WEBP"):
        header = read_header(saved(kind, PICTURE.convert("RGB"), exif=exif, icc_profile=bytes(9000)), "a")
        assert (header.width, header.height) == (40, 30)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiffs_of_both_orders_and_sizes_are_read(big: bool, order: str) -> None:
    assert read_header(tiff_of({}, big=big, order=order), "a") == ImageHeader("TIFF", 40, 30, largest_part=1200)


def test_sixteen_bits_are_seen_before_decoding() -> None:
    deep = np.full((30, 40), 4000, np.uint16)
    files = [
        saved("PNG", Image.fromarray(deep)),
        saved("TIFF", Image.fromarray(deep)),
        b"P5 40 30 4095\n" + bytes(2400),
    ]
    assert [read_header(data, "a").bits for data in files] == [16, 16, 16]


# Sizes


@pytest.mark.parametrize("side", [20_000, 33_000, 2**31 - 1])
def test_a_small_file_of_many_pixels_is_too_large_and_not_called_damaged(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *arguments: pytest.fail("it was decoded"))
    with pytest.raises(ImageTooLargeError) as caught:
        read_image(png_of(side, side))
    assert f"the image is too large: {side} x {side} pixels, more than 250 megapixels" in str(caught.value)
    assert str(caught.value).endswith("Make it smaller, or raise max_megapixels.")


def test_the_limit_can_be_raised_and_lowered() -> None:
    data = saved("PNG")
    assert read_image(data, Reading(max_megapixels=0.0012)).shape == (30, 40, 3)
    with pytest.raises(ImageTooLargeError):
        read_image(data, Reading(max_megapixels=0.0011))


def test_a_long_line_scan_photo_is_within_the_limit() -> None:
    assert read_image(saved("PNG", Image.new("L", (16, 70_000)))).shape == (70_000, 16, 3)


def test_a_file_of_too_many_bytes_is_not_read(tmp_path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(ImageReadError, match="the file is too large: 100 MB, more than 67 MB"):
        read_image(tmp_path / "a.png", Reading(max_megapixels=0.01))


@pytest.mark.parametrize("layout", [{322: 2**14, 323: 2**15}, {278: 2**24}])
def test_a_tiff_of_one_huge_tile_or_strip_is_too_large(layout: dict[int, int]) -> None:
    with pytest.raises(ImageTooLargeError, match="a tile, strip or frame of it has"):
        checked_header(tiff_of(layout), "a", MOST)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = saved("JPEG", PICTURE.convert("RGB"), progressive=True)
    with pytest.raises(ImageReadError, match="is a JPEG of more than 100 scans"):
        read_image(data[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 200 + data[-2:])


# Pages and frames


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "PNG"])
def test_a_file_of_several_pages_or_frames_is_refused_with_their_number(kind: str) -> None:
    others = [Image.effect_noise((40, 30), 80) for _ in range(4)]
    data = saved(kind, PICTURE, save_all=True, append_images=others)
    with pytest.raises(ImageReadError) as caught:
        read_image(data)
    assert str(caught.value) == (
        f"the file holds 5 pages; only single pictures can be judged ({len(data)} bytes). "
        "Save each page as a file of its own."
    )


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "PNG"])
def test_one_page_of_a_format_that_may_hold_several_is_read(kind: str) -> None:
    assert read_image(saved(kind, PICTURE.convert("RGB"), save_all=True)).shape == (30, 40, 3)


def test_the_main_picture_of_an_mpo_is_read() -> None:
    data = saved("MPO", PICTURE.convert("RGB"), save_all=True, append_images=[Image.new("RGB", (40, 30))])
    assert np.abs(read_image(data).astype(int) - np.array(PICTURE)[:, :, None]).mean() < 10


def test_a_small_copy_behind_the_picture_of_a_tiff_is_no_page_but_before_it_is() -> None:
    picture, copy = {254: 0}, {254: 1}
    for order, pages in (([picture, copy], 1), ([copy, picture], 2), ([picture, picture], 2)):
        assert read_header(tiff_chain(order), "a").pages == pages


def tiff_chain(directories: list[dict[int, int]]) -> bytes:
    data, size = b"II*\x00" + struct.pack("<I", 8), 2 + 4 * 12 + 4
    for number, tags in enumerate(directories):
        tags = {254: 0, 256: 40, 257: 30, 258: 8, **tags}
        after = 0 if number == len(directories) - 1 else 8 + (number + 1) * size
        data += struct.pack("<H", 4) + b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
        data += struct.pack("<I", after)
    return data


def test_a_tiff_whose_directories_make_a_ring_ends() -> None:
    data = tiff_chain([{}, {}])
    assert read_header(data[:-4] + struct.pack("<I", 8), "a").pages == 2


# What is no image that can be judged


@pytest.mark.parametrize(
    ("array", "what"), [(np.float32, "holds floating-point values"), (np.int32, "holds signed values of 32 bits")]
)
def test_a_tiff_of_other_values_is_refused_and_says_why(array: type, what: str) -> None:
    with pytest.raises(ImageReadError) as caught:
        read_image(saved("TIFF", Image.fromarray(np.ones((30, 40), array))))
    assert f"the image {what}" in str(caught.value)
    assert "Save it as PNG or TIFF of 8 or 16 bits" in str(caught.value)


WHITE = np.full((30, 40), 65535, "<u2").tobytes()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (tiff_of({258: 16, 262: 0}, WHITE), "is a TIFF of 16 bits whose white is 0"),
        (tiff_of({258: 16, 262: 2, 277: 3, 284: 2}, 3 * WHITE), "is a TIFF of 16 bits that keeps each colour apart"),
        (tiff_of({258: 16, 277: 2, 338: 2}, 2 * WHITE), "only 8 of the image's 16 bits can be read"),
        (tiff_of({262: 2, 277: 4, 338: 2}, 2 * WHITE[:-1] + b"\x80"), "with transparent pixels"),
    ],
)  # fmt: skip
def test_a_tiff_that_opencv_would_read_wrongly_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(ImageReadError, match=what):
        read_image(data)


def test_an_opaque_alpha_channel_of_a_tiff_is_dropped() -> None:
    picture = np.array(PICTURE.convert("RGBA"))
    data = tiff_of({262: 2, 277: 4, 338: 2}, picture.tobytes())
    assert np.array_equal(read_image(data), picture[:, :, :3])


@pytest.mark.parametrize("white", [1, 15, 100, 255])
def test_the_white_that_a_pgm_says_is_white(white: int) -> None:
    image = read_image(b"P5 40 30 %d\n" % white + bytes([white, 0] * 600))
    assert (image[:, ::2] == 255).all()
    assert not image[:, 1::2].any()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"good/000.png\ngood/001.png good/001_mask.png\n", "it is a text file, not an image"),
        ("好/零.png\n".encode(), "it is a text file, not an image"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40), "it is a JPEG 2000 file"),
        (b"%PDF-1.7\n\x00", "it is a PDF"),
        (b"PK\x03\x04" + bytes(30), "it is an archive; unpack it"),
        (b"\x00\x00\x00\x20ftypisom" + bytes(30), "it is a video"),
        (bytes(range(256)), "the image is truncated, damaged or of an unknown format"),
    ],
)
def test_a_file_that_is_no_image_is_called_what_it_is(data: bytes, what: str) -> None:
    with pytest.raises(ImageReadError, match=what):
        read_image(data)


def test_a_list_given_as_an_image_is_answered_with_what_to_give() -> None:
    with pytest.raises(ImageReadError) as caught:
        read_image(b"good/000.png\n")
    assert str(caught.value).endswith("For the images that a list names give their folder, or the images.")


def test_flipped_bytes_and_cut_files_never_lead_to_another_error() -> None:
    random = np.random.default_rng(0)
    frames = {"save_all": True, "append_images": [PICTURE.rotate(180)]}
    files = [
        *(saved(kind, PICTURE.convert("RGB")) for kind in ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")),
        *(saved(kind, **frames) for kind in ("TIFF", "GIF", "WEBP", "PNG")), tiff_of({}, big=True),
    ]  # fmt: skip
    for data in files:
        for cut in random.integers(0, len(data), 40):
            with contextlib.suppress(ImageReadError):
                read_header(data[:cut], "a")
        for _ in range(150):
            broken = np.frombuffer(data, np.uint8).copy()
            broken[random.integers(0, min(len(data), 200), 3)] = random.integers(0, 256, 3)
            with contextlib.suppress(ImageReadError):
                read_header(broken.tobytes(), "a")
