"""How the files of results are called: no two results share a name, and a second run gives each the same name again."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import unicodedata
from array import array
from pathlib import Path

from paddlex.utils.paths import is_url

#: What follows a name in the files of one result; explicit paths may have any suffix, and the word or not.
_ENDING = re.compile(r"(?:_res|_mask|_heatmap|_map)?\.[^.]+\Z")

#: What Windows cannot hold, what commands a terminal or hides, and bytes that are no UTF-8.
_FORBIDDEN = re.compile(
    '[\x00-\x1f\x7f-\x9f<>:"/\\\\|?*\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]'
)
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)

#: Bytes of a name; with a frame's number, a number of its own and an ending it stays below the 255 of file systems.
_LONGEST = 200

#: Below it a number is found by trying; from it on it is remembered.
_MANY = 16


class Names:
    """The names that have been given, in all folders; safe for use by several threads.

    A million take some 30 MB: of each name 8 bytes of a hash are kept.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = _Hashes()
        self._numbers: dict[int, int] = {}

    def claim(self, stem: Path, own: dict[str, Path]) -> Path:
        """The path, without ending, of the files of a result.

        Args:
            stem: what is asked for. If it is another result's, it gets a number: ``a_2``.
            own: what this result has been given before; asked for the same again, it gets the same.
        """
        key = os.path.abspath(stem)
        with self._lock:
            if key not in own:
                own[key] = stem.with_name(self._free(os.path.realpath(stem.parent), stem.name))
            return own[key]

    def _free(self, folder: str, name: str) -> str:
        wanted = _hash(folder, name)
        if self._taken.add(wanted):
            return name
        number = self._numbers.get(wanted, 1) + 1
        while not self._taken.add(_hash(folder, f"{name}_{number}")):  # the free a_2 may be another input's own name
            number += 1
        if number >= _MANY:
            self._numbers[wanted] = number
        return f"{name}_{number}"


def stem_for(folder: Path, root: str | None, input_path: str | None, frame: int | None = None) -> Path:
    """Where the files of a result are meant to go: below ``folder``, without ending.

    Args:
        folder: where to.
        root: the folder that was given as the input, whose sub-folders are kept; None if there was none.
        input_path: as a result has it.
        frame: of a video.
    """
    if root is not None and input_path is not None:
        below = os.path.relpath(os.path.dirname(os.path.abspath(input_path)), os.path.abspath(root))
        folder = folder.joinpath(*(safe_name(part) for part in Path(below).parts if part != ".."))
    return folder / name_of(input_path, frame)


def name_of(input_path: str | None, frame: int | None = None) -> str:
    """How the files of a result are called: after the input, without its folder and suffix, and the frame."""
    if input_path and is_url(input_path):
        input_path = re.split("[?#]", input_path, maxsplit=1)[0]
    name = safe_name(Path(input_path).stem) if input_path else "image"
    return name if frame is None else f"{name}_{frame:06d}"


def safe_name(name: str) -> str:
    """A name that every file system can hold, with room for a number and an ending.

    What Windows cannot hold, control characters and what is not UTF-8 become ``_``; of a long name the beginning and a hash of
    the whole stay.
    """
    safe = _FORBIDDEN.sub("_", name)
    if safe.endswith((".", " ")):
        safe = f"{safe[:-1]}_"
    if not safe or _RESERVED.fullmatch(safe):
        safe += "_"
    encoded = safe.encode()
    if len(encoded) <= _LONGEST:
        return safe
    return f"{encoded[: _LONGEST - 17].decode(errors='ignore')}~{_hash(name, ''):016x}"


def split_ending(path: Path) -> tuple[Path, str]:
    """The path of a result's file as the stem and what follows it: ``out/a_res.png`` is ``out/a`` and ``_res.png``."""
    match = _ENDING.search(path.name, 1)
    ending = match[0] if match else ""
    return path.with_name(path.name.removesuffix(ending)), ending


def _hash(folder: str, name: str) -> int:
    """Of a path as file systems that know no case, or compose letters, see it."""
    text = unicodedata.normalize("NFC", f"{folder}\0{name}".casefold())
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big") or 1


class _Hashes:
    """A set of numbers from 1 to 2**64 - 1, at 16 to 32 bytes each: open addressing, at most half full."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))
        self._count = 0

    def add(self, number: int) -> bool:
        """Whether the number was not there yet."""
        slots = self._slots
        last = len(slots) - 1
        place = number & last
        while slots[place]:
            if slots[place] == number:
                return False
            place = (place + 1) & last
        slots[place] = number
        self._count += 1
        if 2 * self._count > len(slots):
            self._slots, self._count = array("Q", bytes(16 * len(slots))), 0
            for other in filter(None, slots):
                self.add(other)
        return True


#: What the results of this process have been given.
NAMES = Names()
