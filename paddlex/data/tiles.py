"""Training on tiles: each sample becomes some tiles of its photo, cut on the grid that ``predict`` scans it with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from paddlex.config_schema import TrainSection
from paddlex.data.dataset import Sample
from paddlex.errors import ImageReadError
from paddlex.inference.tiling import TileGrid, Tiling
from paddlex.inference.view import View
from paddlex.utils.files import open_regular_file
from paddlex.utils.logging import logger

_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)  # EXIF: the picture lies on its side in the file


@dataclass(frozen=True)
class TileSample:
    """One tile of one photo.

    Attributes:
        sample: the photo.
        grid: where its tiles lie.
        number: which of them this is.
    """

    sample: Sample
    grid: TileGrid
    number: int

    @property
    def image_path(self) -> Path:
        return self.sample.image_path

    @property
    def is_false_alarm(self) -> bool:
        return self.sample.is_false_alarm

    def view(self) -> View:
        """The tile, [tile_size, tile_size], of its photo's view; the photo is read for it.

        Raises:
            ImageReadError: the photo cannot be read.
        """
        view = self.sample.view()
        if view.image.shape[:2] != (self.grid.height, self.grid.width):
            raise ImageReadError("the image changed its size", where=self.image_path, remedy="Start again")
        # copies of the tile alone: what is cut would keep the whole photo
        image = self.grid.cut(view.image, self.number).copy()
        if view.inspected is None:
            return View(image)
        return View(image, self.grid.cut(view.inspected.astype(np.uint8), self.number) > 0)


def into_tiles(
    fit: Sequence[Sample], held_out: Sequence[Sample], options: TrainSection
) -> tuple[Sequence[Sample | TileSample], Sequence[Sample | TileSample]]:
    """What the network is to see of the photos: themselves, or with ``Train.tiling`` tiles of them.

    Raises:
        ImageReadError: a photo that cannot be read.
        ModelError: ``Train.tiling`` is out of range.
    """
    tiling, most = Tiling.of(options.tiling.given()), options.tiling.max_tiles
    if tiling is None:
        return fit, held_out
    tiles_per_image = None if most is None else max(1, most // len(fit))
    fit_tiles, held_out_tiles = (
        draw_tiles(photos, tiling, tiles_per_image, options.seed) for photos in (fit, held_out)
    )
    logger.info("%d and %d tiles of these: %s.", len(fit_tiles), len(held_out_tiles), tiling)
    return fit_tiles, held_out_tiles


def draw_tiles(samples: Sequence[Sample], tiling: Tiling, tiles_per_image: int | None, seed: int) -> list[TileSample]:
    """Some tiles of each photo, or all of them where there are no more.

    Photos of one size take turns with the places of their grid, in a random order, so that together they show every place
    about equally often.

    Raises:
        ImageReadError: a photo that cannot be read.
    """
    drawn: list[TileSample] = []
    taken: dict[TileGrid, int] = {}
    for sample in samples:
        grid = TileGrid.over(*view_size(sample), tiling)
        count = len(grid) if tiles_per_image is None else min(tiles_per_image, len(grid))
        order = np.random.default_rng([seed, len(grid)]).permutation(len(grid))
        first = taken.get(grid, 0)
        taken[grid] = first + count
        drawn += [TileSample(sample, grid, int(order[turn % len(grid)])) for turn in range(first, first + count)]
    return drawn


def photos_of(tiles: Sequence[TileSample]) -> tuple[list[TileSample], np.ndarray]:
    """One tile of each photo, in order, and for each tile the number of its photo, int [n]."""
    numbers: dict[Path, int] = {}
    first: list[TileSample] = []
    for tile in tiles:
        if numbers.setdefault(tile.image_path, len(numbers)) == len(first):
            first.append(tile)
    return first, np.array([numbers[tile.image_path] for tile in tiles])


def photo_numbers(samples: Sequence[Sample | TileSample]) -> np.ndarray:
    """Which photo each sample is, or is a tile of: int [n], from 0."""
    tiles = [sample for sample in samples if isinstance(sample, TileSample)]
    return photos_of(tiles)[1] if tiles else np.arange(len(samples))


def view_size(sample: Sample) -> tuple[int, int]:
    """(height, width) of what the network is to see of a photo."""
    return sample.preparation.view_size(*image_size(sample))


def image_size(sample: Sample) -> tuple[int, int]:
    """(height, width) of a photo as ``read`` gives it, from the file's head where that is understood."""
    try:
        with open_regular_file(sample.image_path) as file, Image.open(file) as head:
            width, height = head.size
            is_turned = head.getexif().get(_ORIENTATION) in _TURNED
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        height, width = sample.read().shape[:2]
        return height, width
    return (width, height) if is_turned else (height, width)
