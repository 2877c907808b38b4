"""What an image file says of itself before anything is decoded: format, size, bits, pages. The formats are one list."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from paddlex.errors import ImageReadError, ImageTooLargeError

#: What OpenCV itself refuses: it reads no more pixels, and no longer side.
_MOST_PIXELS, _LONGEST_SIDE = 2**30, 2**20

#: A progressive JPEG has about ten scans; thousands of empty ones make a small file take minutes.
_MOST_JPEG_SCANS = 100

#: Bits a channel that a TIFF may have.
_TIFF_BITS = (1, 2, 4, 8, 10, 12, 14, 16)
_ALL_ROWS = (0, 2**32 - 1)  # of a TIFF in one strip

_PNM_HEADER = re.compile(rb"P[2356]" + 3 * rb"(?:\s|#[^\n]{0,999}\n)+(\d{1,10})" + rb"\s")


@dataclass(frozen=True)
class ImageHeader:
    """What the header of a file says.

    Attributes:
        format: such as ``PNG``.
        width, height: in pixels, before it is turned as EXIF says.
        bits: of a value in the file; more than 8 are read into 16.
        pages: single pictures in the file: pages or frames.
        largest_part: the most pixels that a decoder holds at once: the image, or a tile that is larger than it.
        white: of a picture of 8 bits, the value that stands for white.
        is_darkened_by_alpha: whether the decoder darkens pixels that are not opaque.
    """

    format: str
    width: int
    height: int
    bits: int = 8
    pages: int = 1
    largest_part: int = 0
    white: int = 255
    is_darkened_by_alpha: bool = False

    @property
    def pixels(self) -> int:
        return self.width * self.height


class _Unsupported(ValueError):
    """The file is sound, and holds what cannot be judged; the message says what, after "the image"."""


def read_header(data: bytes, name: str) -> ImageHeader:
    """Read the header of an image file.

    Args:
        data: the whole file.
        name: for the error.

    Raises:
        ImageReadError: it is no image of a format that is read, or its header is broken.
    """
    parse = next((parse for start, parse in _FORMATS.items() if data.startswith(start)), None)
    if parse is None or (parse is _webp and data[8:12] != b"WEBP"):
        what, remedy = _what_it_is(data, name)
        raise ImageReadError(what, where=name, remedy=remedy)
    try:
        header = parse(data)
    except _Unsupported as error:
        raise ImageReadError(
            f"the image {error}", where=name, remedy="Save it as PNG or TIFF of 8 or 16 bits"
        ) from None
    except (struct.error, IndexError, ValueError):
        raise damaged(name) from None
    if min(header.width, header.height) < 1:
        raise damaged(name)
    return header


def checked_header(data: bytes, name: str, max_pixels: int) -> ImageHeader:
    """Read the header of an image file that is to be judged: of one picture, and not too large.

    Raises:
        ImageTooLargeError: it has more pixels.
        ImageReadError: as ``read_header``, or it holds several pages or frames.
    """
    header = read_header(data, name)
    if header.pixels > max_pixels:
        raise too_large(header.width, header.height, name, max_pixels)
    if header.largest_part > max_pixels:
        what = (
            f"the image is too large: a tile, strip or frame of it has {header.largest_part / 1e6:g} megapixels, more than "
            f"{max_pixels / 1e6:g}"
        )
        raise ImageTooLargeError(what, where=name, remedy="Save it as PNG, or as TIFF with smaller tiles or strips")
    if header.pixels > _MOST_PIXELS or max(header.width, header.height) > _LONGEST_SIDE:
        what = f"the image is too large: {header.width} x {header.height} pixels, more than can be decoded"
        raise ImageTooLargeError(what, where=name, remedy="Cut it into parts")
    if header.pages > 1:
        raise ImageReadError(
            f"the file holds {header.pages} pages; only single pictures can be judged",
            where=name,
            remedy="Save each page as a file of its own",
        )
    return header


def too_large(width: int, height: int, name: str, max_pixels: int) -> ImageTooLargeError:
    """The error of an image with more pixels than are allowed."""
    return ImageTooLargeError(
        f"the image is too large: {width} x {height} pixels, more than {max_pixels / 1e6:g} megapixels",
        where=name,
        remedy="Make it smaller, or raise max_megapixels",
    )


def damaged(name: str) -> ImageReadError:
    """The error of an image that cannot be decoded, whatever the reason."""
    what = "the image is truncated, damaged or of an unknown format"
    return ImageReadError(what, where=name, remedy="Replace it or leave it out")


def is_heic(data: bytes) -> bool:
    """Whether a file is HEIC or HEIF, which needs a package of its own."""
    return data[4:8] == b"ftyp" and data[8:12] in (
        b"heic",
        b"heix",
        b"heim",
        b"heis",
        b"hevc",
        b"hevx",
        b"mif1",
        b"msf1",
    )


def _what_it_is(data: bytes, name: str) -> tuple[str, str]:
    """What a file is that is no image, as far as it can be seen, and what to do."""
    remedy = f"The formats are {NAMES}"
    if not data:
        return "the image is empty (0 bytes)", "Replace it or leave it out"
    for place, start, kind in _OTHERS:
        if data[place : place + len(start)] == start:
            return f"the image is of an unknown format: it is {kind}", remedy
    if (b"\n" in data or name.lower().endswith(_TEXTS)) and _is_text(data[:4096]):
        return "it is a text file, not an image", "For the images that a list names give their folder, or the images"
    return "the image is truncated, damaged or of an unknown format", "Replace it or leave it out"


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8", "strict" if len(start) < 4096 else "ignore")
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\r\n\ufeff" for character in text)


def _jpeg(data: bytes) -> ImageHeader:
    place = 2
    found: tuple[int, int, int, int] | None = None  # marker, height, width, components
    while True:
        place = data.index(b"\xff", place)
        marker = data[place + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:
            place += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, place + 2)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and found is None:
            bits, height, width, components = struct.unpack_from(">BHHB", data, place + 4)
            if bits != 8:
                raise _Unsupported(f"is a JPEG of {bits} bits a channel")
            found = marker, height, width, components
        elif marker in (0xDA, 0xD9):
            break
        place += 2 + length
    if found is None:
        raise ValueError("no frame")
    kind, height, width, components = found
    is_one_scan = marker == 0xDA and kind in (0xC0, 0xC1) and data[place + 4] == components
    if not is_one_scan and data.count(b"\xff\xda", place) > _MOST_JPEG_SCANS:
        raise _Unsupported(f"is a JPEG of more than {_MOST_JPEG_SCANS} scans")
    return ImageHeader("JPEG", width, height)


def _png(data: bytes) -> ImageHeader:
    if data[12:16] != b"IHDR":
        raise ValueError("no IHDR")
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    pages, place = 1, 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"acTL":
            (pages,) = struct.unpack_from(">I", data, place + 8)
        if kind in (b"IDAT", b"IEND"):
            break
        place += 12 + length
    return ImageHeader("PNG", width, height, bits=16 if bits == 16 else 8, pages=pages)


def _bmp(data: bytes) -> ImageHeader:
    (size,) = struct.unpack_from("<I", data, 14)
    if size != 12 and size < 36:
        raise ValueError("no header")
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", data, 18)
    return ImageHeader("BMP", width, abs(height))


def _gif(data: bytes) -> ImageHeader:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    place, pages, largest = 13 + _palette(flags), 0, 0
    try:
        while data[place] != 0x3B:
            if data[place] == 0x2C:
                part_width, part_height, flags = struct.unpack_from("<HHB", data, place + 5)
                pages, largest = pages + 1, max(largest, part_width * part_height)
                place += 11 + _palette(flags)
            else:
                place += 2
            while data[place]:
                place += 1 + data[place]
            place += 1
    except (struct.error, IndexError):
        pass  # it is truncated: what there is of it is for the decoder to refuse
    return ImageHeader("GIF", width, height, pages=max(1, pages), largest_part=largest)


def _palette(flags: int) -> int:
    """Bytes of a GIF's colour table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _webp(data: bytes) -> ImageHeader:
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
        return ImageHeader("WebP", width, height)
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, 21)
        return ImageHeader("WebP", (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)
    if kind != b"VP8X":
        raise ValueError("no picture")
    width, height = (int.from_bytes(data[place : place + 3], "little") + 1 for place in (24, 27))
    pages, place = 0, 12
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        pages += name == b"ANMF"
        place += 8 + length + length % 2
    return ImageHeader("WebP", width, height, pages=max(1, pages))


def _pnm(data: bytes) -> ImageHeader:
    match = _PNM_HEADER.match(data)
    if match is None:
        raise ValueError("no header")
    width, height, largest = map(int, match.groups())
    if not 1 <= largest <= 65535:
        raise ValueError("no range")
    return ImageHeader("PPM", width, height, bits=16 if largest > 255 else 8, white=min(largest, 255))


class _Tiff:
    """The directories of a TIFF, of 4 GB at most or a BigTIFF."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = "<" if data.startswith(b"II") else ">"
        self._big = data[2:4] in (b"+\x00", b"\x00+")

    def directories(self) -> Iterator[dict[int, int]]:
        """The first value of each tag, directory by directory; a chain that bites its tail ends."""
        place = self._read("Q", 8) if self._big else self._read("I", 4)
        seen = set()
        while place and place not in seen:
            seen.add(place)
            count, start = (self._read("Q", place), place + 8) if self._big else (self._read("H", place), place + 2)
            entry = 20 if self._big else 12
            end = start + count * entry
            if end > len(self._data):
                raise ValueError("truncated")
            yield dict(self._value(begin) for begin in range(start, end, entry))
            place = self._read("Q" if self._big else "I", end)

    def _value(self, place: int) -> tuple[int, int]:
        tag, kind = self._read("H", place), self._read("H", place + 2)
        count = self._read("Q" if self._big else "I", place + 4)
        where, room = (place + 12, 8) if self._big else (place + 8, 4)
        code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        if code is None:
            return tag, 0
        if count * struct.calcsize(code) > room:
            where = self._read("Q" if self._big else "I", where)
        return tag, self._read(code, where) if where < len(self._data) else 0

    def _read(self, code: str, place: int) -> int:
        (value,) = struct.unpack_from(self._order + code, self._data, place)
        return int(value)


def _tiff(data: bytes) -> ImageHeader:
    directories = list(_Tiff(data).directories())
    if not directories:
        raise ValueError("no directory")
    first = directories[0]
    # small copies and masks behind a picture are no pictures; where a small copy comes first, it would be taken for the picture
    ignored = 0 if first.get(254, 0) & 1 else 0b101
    pages = 1 + sum(not tags.get(254, 0) & ignored for tags in directories[1:])
    width, height = first.get(256, 0), first.get(257, 0)
    bits, kind = first.get(258, 1), first.get(339, 1)
    if kind == 3:
        raise _Unsupported("holds floating-point values")
    if kind not in (1, 4) or bits not in _TIFF_BITS:
        raise _Unsupported(f"holds {'signed' if kind == 2 else 'other'} values of {bits} bits")
    samples, white_is_zero, has_planes = first.get(277, 1), first.get(262) == 0, first.get(284) == 2
    if bits > 8 and (white_is_zero or (has_planes and samples > 1)):  # OpenCV takes no notice of either
        how = "whose white is 0" if white_is_zero else "that keeps each colour apart"
        raise _Unsupported(f"is a TIFF of {bits} bits {how}")
    rows = first.get(278, 0)
    strip = 0 if rows in _ALL_ROWS else width * rows
    tile = first.get(322, 0) * first.get(323, 0)
    is_darkened = bits == 8 and samples == 4 and first.get(338) == 2
    return ImageHeader("TIFF", width, height, max(8, bits), pages, max(strip, tile), is_darkened_by_alpha=is_darkened)


#: How the formats begin that are read. OpenCV picks its decoder in the same way, so the two cannot differ.
_FORMATS: dict[bytes, Callable[[bytes], ImageHeader]] = {
    b"\xff\xd8\xff": _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"BM": _bmp,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    b"II*\x00": _tiff,
    b"MM\x00*": _tiff,
    b"II+\x00": _tiff,
    b"MM\x00+": _tiff,
    b"RIFF": _webp,
    b"P2": _pnm,
    b"P3": _pnm,
    b"P5": _pnm,
    b"P6": _pnm,
}
NAMES = "JPEG, PNG, BMP, GIF, TIFF, WebP, PPM"

_TEXTS = (".txt", ".csv", ".json", ".yaml", ".yml", ".xml", ".md")

#: Files that are met in the place of images: where and how they begin, and what they are.
_OTHERS = (
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 file"),
    (4, b"ftypavif", "an AVIF file"),
    (4, b"ftyp", "a video"),
    (8, b"AVI ", "a video"),
    (0, b"\x1a\x45\xdf\xa3", "a video"),
    (0, b"%PDF", "a PDF"),
    (0, b"PK\x03\x04", "an archive; unpack it"),
    (0, b"\x1f\x8b", "an archive; unpack it"),
    (0, b"7z\xbc\xaf", "an archive; unpack it"),
    (0, b"Rar!", "an archive; unpack it"),
    (257, b"ustar", "an archive; unpack it"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"\x93NUMPY", "a NumPy array (load it and give the array)"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR file"),
)
