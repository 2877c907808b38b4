"""Lines of train.txt and val.txt become samples, and mask files become masks."""

import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.data.dataset import (
    TRAIN_LIST,
    VAL_LIST,
    Sample,
    read_mask,
    read_samples,
    split_line,
    thinned,
)
from paddlex.errors import DatasetError, ImageReadError
from paddlex.inference.reading import Reading


def write(root: Path, text: str, *files: str, name: str = VAL_LIST) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    (root / name).write_text(text, encoding="utf-8")
    return root


def pairs(root: Path, name: str = VAL_LIST) -> list[tuple[str, str | None]]:
    return [(sample.image, sample.mask) for sample in read_samples(root, name)]


# Lists


def test_a_line_is_an_image_and_its_mask(tmp_path):
    write(tmp_path, "images/a.png masks/a.png\nimages/b.png masks/b.png\n")
    assert pairs(tmp_path) == [("images/a.png", "masks/a.png"), ("images/b.png", "masks/b.png")]


def test_an_image_alone_has_no_mask(tmp_path):
    assert pairs(write(tmp_path, "a.png\n")) == [("a.png", None)]


def test_an_image_that_stands_as_its_own_mask_has_none(tmp_path):
    assert pairs(write(tmp_path, "a.png a.png\n", name=TRAIN_LIST), TRAIN_LIST) == [("a.png", None)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a.png\n\n  \nb.png\n", id="empty lines"),
        pytest.param("a.png\r\nb.png\r\n", id="Windows line ends"),
        pytest.param("\ufeffa.png\nb.png", id="byte order mark and no end of line"),
        pytest.param("  a.png  \n\tb.png\t\n", id="blanks around"),
    ],
)
def test_what_editors_leave_in_a_list_does_not_matter(tmp_path, text):
    (tmp_path / VAL_LIST).write_bytes(text.encode())
    assert pairs(tmp_path) == [("a.png", None), ("b.png", None)]


def test_a_sample_knows_its_line_paths_and_kind_of_defect(tmp_path):
    write(tmp_path, "\nimages/crack/a.png masks/a.png\n")
    (sample,) = read_samples(tmp_path, VAL_LIST)
    assert sample.where == f"{tmp_path / VAL_LIST} line 2"
    assert sample.image_path == tmp_path / "images/crack/a.png"
    assert sample.mask_path == tmp_path / "masks/a.png"
    assert sample.defect_type == "crack"


@pytest.mark.parametrize(
    ("image", "mask", "list_name", "expected"),
    [
        ("test/crack/a.png", "a.png", VAL_LIST, True),
        ("test/good/a.png", "a.png", VAL_LIST, False),
        ("test/OK/a.png", "a.png", VAL_LIST, False),
        ("images/a.png", "a.png", VAL_LIST, False),  # the folder says nothing
        ("a.png", "a.png", VAL_LIST, False),
        ("test/crack/a.png", None, VAL_LIST, False),  # no mask is meant: a normal image
        ("train/crack/a.png", "a.png", TRAIN_LIST, False),
    ],
)
def test_a_validation_image_with_a_mask_in_a_folder_named_after_a_defect_is_defective(image, mask, list_name, expected):
    assert Sample(Path(), image, mask, list_name, 1).is_defective_by_name is expected


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"does not exist \(.*nowhere\)"):
        read_samples(tmp_path / "nowhere", VAL_LIST)


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"the data set has no val\.txt"):
        read_samples(tmp_path, VAL_LIST)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no images"),
        (b"\n \n", "names no images"),
        ("Röhre.png\n".encode("latin-1"), "Save it as UTF-8"),
        ("a.png\n".encode("utf-16"), "Save it as UTF-8"),
        ("a.png\n".encode("utf-16-le"), "the list is not text"),
    ],
)
def test_a_list_that_is_empty_or_no_text_is_refused(tmp_path, content, message):
    (tmp_path / VAL_LIST).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_samples(tmp_path, VAL_LIST)


# Where a line is divided


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/a b.png", "masks/a b.png"),
        ("im ages/a.png", "masks/a.png"),
        ("images/a.png", "my masks/a  b.png"),
        ("images/Röhre 管 1.png", "masks/Röhre 管 1.png"),
        ("images/a.png b.png", "masks/a.png"),  # the name itself looks like two
    ],
)
def test_paths_with_spaces_are_divided_where_both_files_exist(tmp_path, image, mask):
    write(tmp_path, f"{image} {mask}\n", image, mask)
    assert pairs(tmp_path) == [(image, mask)]


@pytest.mark.parametrize("name", ["a b.png", "a b c.png", "a.png b.png c.png"])
def test_an_image_alone_may_have_spaces_in_its_name(tmp_path, name):
    assert pairs(write(tmp_path, name, name)) == [(name, None)]


def test_a_tab_divides_whatever_the_paths_hold(tmp_path):
    assert split_line(tmp_path, "a b.png\tc d.png") == ("a b.png", "c d.png")


def test_a_tab_after_an_image_alone_is_no_mask(tmp_path):
    assert split_line(tmp_path, "a b.png\t") == ("a b.png", None)


def test_files_that_are_missing_are_divided_where_both_look_like_images(tmp_path):
    assert split_line(tmp_path, "my images/a 1.png my masks/a 1.png") == ("my images/a 1.png", "my masks/a 1.png")


def test_backslashes_separate_folders(tmp_path):
    assert split_line(tmp_path, "images\\a.png masks\\a.png") == ("images/a.png", "masks/a.png")


@pytest.mark.parametrize("separator", ["\u00a0", "\u2003", "\u3000", "\u2028", "\x85", "\x0b"])
def test_only_line_feeds_and_plain_spaces_divide_not_their_unicode_relatives(tmp_path, separator):
    name = f"a{separator}b.png"
    assert pairs(write(tmp_path, f"{name} {name}\n{name}\n", name)) == [(name, None), (name, None)]


# Masks


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(np.uint8, 1), (np.uint8, 128), (np.uint8, 255), (np.uint16, 1), (np.uint16, 256), (np.uint16, 65535)],
)
def test_any_pixel_that_is_not_zero_is_anomalous(tmp_path, dtype, value):
    pixels = np.zeros((5, 7), dtype)
    pixels[1, 2] = pixels[4, 6] = value
    cv2.imwrite(str(tmp_path / "mask.png"), pixels)
    mask = read_mask(tmp_path / "mask.png")
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, pixels > 0)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_a_mask_of_a_lossy_format_has_the_area_that_was_drawn(tmp_path, suffix):
    drawn = cv2.circle(np.zeros((120, 160), np.uint8), (70, 50), 23, 255, cv2.FILLED)
    cv2.imwrite(str(tmp_path / f"mask{suffix}"), drawn, [cv2.IMWRITE_JPEG_QUALITY, 75, cv2.IMWRITE_WEBP_QUALITY, 75])
    found = read_mask(tmp_path / f"mask{suffix}")
    assert (found != (drawn > 0)).sum() < 0.02 * (drawn > 0).sum()


def test_in_a_lossless_webp_any_pixel_that_is_not_zero_is_anomalous(tmp_path):
    pixels = np.zeros((6, 8), np.uint8)
    pixels[2, 3] = 1
    cv2.imwrite(str(tmp_path / "mask.webp"), pixels, [cv2.IMWRITE_WEBP_QUALITY, 101])  # above 100: lossless
    assert np.argwhere(read_mask(tmp_path / "mask.webp")).tolist() == [[2, 3]]


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_pixel_that_is_not_zero_in_one_colour_is_anomalous(tmp_path, channel):
    pixels = np.zeros((3, 3, 3), np.uint8)
    pixels[0, 1, channel] = 1
    cv2.imwrite(str(tmp_path / "mask.png"), pixels)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), pixels[..., channel] > 0)


def test_alpha_does_not_count(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[2, 2, :3] = 200
    cv2.imwrite(str(tmp_path / "mask.png"), pixels)
    assert np.argwhere(read_mask(tmp_path / "mask.png")).tolist() == [[2, 2]]


def test_transparent_pixels_still_count_by_their_colour(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[1, 3] = (9, 9, 9, 0)
    cv2.imwrite(str(tmp_path / "mask.png"), pixels)
    assert np.argwhere(read_mask(tmp_path / "mask.png")).tolist() == [[1, 3]]


def test_a_palette_is_looked_up(tmp_path):
    # as PASCAL VOC and LabelMe write masks: index 0 is black, index 1 dark red
    indices = np.array([[0, 1], [1, 0]], np.uint8)
    (tmp_path / "mask.png").write_bytes(palette_png(indices, [(0, 0, 0), (128, 0, 0)]))
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), indices == 1)


def palette_png(indices: np.ndarray, palette: list[tuple[int, int, int]]) -> bytes:
    """A PNG of colour type 3, put together by the specification (ISO/IEC 15948)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    height, width = indices.shape
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 3, 0, 0, 0])
    rows = b"".join(b"\0" + row.tobytes() for row in indices)
    colours = bytes(value for colour in palette for value in colour)
    chunks = (
        chunk(b"IHDR", header) + chunk(b"PLTE", colours) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_a_mask_of_one_bit_a_pixel_is_read(tmp_path):
    pixels = np.eye(9, dtype=np.uint8) * 255
    cv2.imwrite(str(tmp_path / "mask.png"), pixels, [cv2.IMWRITE_PNG_BILEVEL, 1])
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), pixels > 0)


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_a_file_that_is_no_mask_is_named(tmp_path, content):
    (tmp_path / "mask.png").write_bytes(content)
    with pytest.raises(ImageReadError, match=r"mask\.png"):
        read_mask(tmp_path / "mask.png")


def test_a_mask_of_several_pages_is_refused_and_one_of_sixteen_bits_is_anomalous_above_zero(tmp_path):
    from PIL import Image

    pages = [Image.new("L", (8, 6)) for _ in range(3)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ImageReadError, match="holds 3 pages"):
        read_mask(tmp_path / "pages.tif")
    deep = np.zeros((6, 8), np.uint16)
    deep[2, 3], deep[4, 5] = 1, 65535
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    assert np.argwhere(read_mask(tmp_path / "deep.png")).tolist() == [[2, 3], [4, 5]]


def test_the_limit_of_pixels_holds_for_masks_too(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((6, 8), np.uint8))
    with pytest.raises(ImageReadError, match="8 x 6 pixels, more than 4e-05 megapixels"):
        read_mask(tmp_path / "a.png", Reading(max_megapixels=0.00004))


@pytest.mark.parametrize(("count", "most", "taken"), [(7, 3, [0, 3, 6]), (3, 3, [0, 1, 2]), (4, 3, [0, 2]), (0, 3, [])])
def test_a_long_list_is_thinned_from_all_over_it(count, most, taken):
    assert list(thinned(range(count), most)) == taken
