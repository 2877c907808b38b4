"""Large images at full resolution: cut into overlapping tiles, and their maps blended into one. Pure geometry."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from paddlex.errors import ModelError
from paddlex.inference.postprocess import resize_map

#: Tiles that the network takes at once, however large the image; the maps do not depend on it.
TILES_AT_ONCE = 8

LEAST_TILE_SIZE = 16
LARGEST_TILE_SIZE = 2**15
LARGEST_OVERLAP = 0.5


@dataclass(frozen=True)
class Tiling:
    """How an image is cut.

    Attributes:
        tile_size: side of the square tiles in pixels of the image; each becomes one input of the network. At the network's
            own input size nothing is scaled.
        overlap: of neighbours, at least this share of the tile, 0 to 0.5.

    Raises:
        ModelError: a value out of range.
    """

    tile_size: int
    overlap: float = 0.25

    def __post_init__(self) -> None:
        if isinstance(self.tile_size, bool) or not isinstance(self.tile_size, int) or self.tile_size < LEAST_TILE_SIZE:
            raise ModelError(f"a tile of {self.tile_size!r} pixels is too small", remedy="Take the model's input size")
        if self.tile_size > LARGEST_TILE_SIZE:
            raise ModelError(f"a tile of {self.tile_size} pixels is too large", remedy="Take the model's input size")
        is_number = isinstance(self.overlap, (int, float)) and not isinstance(self.overlap, bool)
        if not is_number or not 0 <= self.overlap <= LARGEST_OVERLAP:
            raise ModelError(
                f"tiles cannot overlap by {self.overlap!r}", remedy=f"Give a share from 0 to {LARGEST_OVERLAP}"
            )

    def __str__(self) -> str:
        return f"tiles of {self.tile_size} pixels that overlap by {self.overlap:g}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for inference.yml."""
        return asdict(self)

    @classmethod
    def of(cls, value: Tiling | Mapping[str, Any] | int | None) -> Tiling | None:
        """What a user means: a Tiling, {tile_size, overlap}, or the tile size alone; None, or a size of 0 or None, is off.

        Raises:
            ModelError: a value out of range, or none of these.
        """
        if value is None or isinstance(value, Tiling):
            return value
        values = dict(value) if isinstance(value, Mapping) else {"tile_size": value}
        if not values.get("tile_size", True):
            return None
        try:
            return cls(**values)
        except TypeError:
            raise ModelError(f"{value!r} is no tiling", remedy="Give tile_size and overlap") from None


@dataclass(frozen=True)
class TileGrid:
    """Where the tiles of one image lie, row by row.

    The first tile begins at the image's edge and the last ends at it; in between they are spread evenly, so that no two
    overlap less than asked for. An image that is shorter than a tile has one, which reaches beyond it.

    Attributes:
        height, width: of the image.
        tile_size: side of a tile.
        tops, lefts: the first row of each row of tiles, the first column of each column of tiles.
    """

    height: int
    width: int
    tile_size: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    @classmethod
    def over(cls, height: int, width: int, tiling: Tiling) -> TileGrid:
        """The grid for an image of a size."""
        tops, lefts = (_starts(length, tiling.tile_size, tiling.overlap) for length in (height, width))
        return cls(height, width, tiling.tile_size, tops, lefts)

    def __len__(self) -> int:
        return len(self.tops) * len(self.lefts)

    def cut(self, image: np.ndarray, number: int) -> np.ndarray:
        """One tile of an image [H, W, C]: a view of it, [tile_size, tile_size, C].

        Where the image is shorter than a tile it is continued by its mirror image, so that nothing changes its scale.
        """
        row, column = divmod(number, len(self.lefts))
        top, left = self.tops[row], self.lefts[column]
        tile = image[top : top + self.tile_size, left : left + self.tile_size]
        below, right = (self.tile_size - side for side in tile.shape[:2])
        if not below and not right:
            return tile
        return cv2.copyMakeBorder(tile, 0, below, 0, right, cv2.BORDER_REFLECT_101)

    def blend(self, maps: Iterator[np.ndarray]) -> np.ndarray:
        """The maps of all tiles, float32 [h, w] each, in order -> the map of the image, float32 [H, W].

        Where tiles overlap, one fades into the next along a raised cosine (a Hann window's edge): a + w (b - a) with w from
        0 to 1, first along the rows and then between them. The weights add up to one everywhere, whatever the rounding:
        equal maps blend into the same value bit for bit, and no value leaves the range of those it is made of. Beside the
        result only one row of tiles is held.
        """
        blended = np.empty((self.height, self.width), np.float32)
        strip = np.empty((min(self.tile_size, self.height), self.width), np.float32)
        rows_done = 0
        for top in self.tops:
            columns_done = 0
            for left in self.lefts:
                tile = resize_map(next(maps), self.tile_size, self.tile_size)
                tile = tile[: strip.shape[0], : self.width - left]
                _fade_in(strip.T, tile.T, left, columns_done)
                columns_done = left + tile.shape[1]
            _fade_in(blended, strip, top, rows_done)
            rows_done = top + len(strip)
        return blended


def blended_map(
    image: np.ndarray, tiling: Tiling, anomaly_maps: Callable[[Sequence[np.ndarray]], np.ndarray]
) -> np.ndarray:
    """The anomaly map of a large image, float32 [H, W], from those of its tiles.

    Args:
        image: uint8 [H, W, 3].
        tiling: how it is cut.
        anomaly_maps: from N tiles to their maps, float32 [N, h, w]; called with a few at a time.
    """
    height, width = image.shape[:2]
    grid = TileGrid.over(height, width, tiling)

    def maps() -> Iterator[np.ndarray]:
        for start in range(0, len(grid), TILES_AT_ONCE):
            numbers = range(start, min(start + TILES_AT_ONCE, len(grid)))
            yield from anomaly_maps([grid.cut(image, number) for number in numbers])

    return grid.blend(maps())


def _starts(length: int, tile_size: int, overlap: float) -> tuple[int, ...]:
    rest = length - tile_size
    if rest <= 0:
        return (0,)
    step = max(1, math.floor(tile_size * (1 - overlap)))
    gaps = math.ceil(rest / step)
    return tuple(number * rest // gaps for number in range(gaps + 1))


def _fade_in(done: np.ndarray, new: np.ndarray, start: int, end: int) -> None:
    """Put ``new`` [n, m] at the rows ``start`` and on of ``done``, whose rows before ``end`` hold something already."""
    overlap = end - start
    if overlap > 0:
        place = (np.arange(overlap, dtype=np.float32) + 0.5) / overlap
        weight = np.sin(0.5 * np.pi * place)[:, None] ** 2
        done[start:end] += weight * (new[:overlap] - done[start:end])
    done[max(start, end) : start + len(new)] = new[max(0, overlap) :]
