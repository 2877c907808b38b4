"""A contact sheet of the images that a person should look at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from paddlex.data.dataset import Sample
from paddlex.data.dataset_checker.fonts import fonts_for_any_name, shorten
from paddlex.errors import ImageReadError
from paddlex.utils.files import atomic_path
from paddlex.utils.paddle_environment import keep_matplotlib_in_cache

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Pixels.
_TILE = 150
_GAP = 4
_COLUMN = 2 * _TILE + _GAP + 16  # a pair side by side; or two single images
_COLUMNS = 4
_MARGIN = 16
_HEADING = 44
_LINE = 16

_PAIR_LINES = 3
_IMAGE_LINES = 2
_PAIR_NAME = 38
_IMAGE_NAME = 19
_DPI = 100


@dataclass(frozen=True)
class SuspectPair:
    """A validation image that looks like a training image."""

    train: Sample
    val: Sample
    similarity: float


@dataclass(frozen=True)
class SuspectImage:
    """A training image that is unlike the others."""

    sample: Sample
    score: float


@dataclass(frozen=True)
class _Text:
    left: int
    top: int
    text: str
    size: float = 8.5
    weight: str = "normal"


class _Sheet:
    """Pictures and texts, placed from the top to the bottom."""

    def __init__(self) -> None:
        self.width = 2 * _MARGIN + _COLUMNS * _COLUMN
        self.height = _MARGIN
        self._pictures: list[tuple[int, int, np.ndarray]] = []
        self._texts: list[_Text] = []

    def add_heading(self, text: str) -> None:
        self._texts.append(_Text(_MARGIN, self.height, text, size=11, weight="bold"))
        self.height += _HEADING

    def add_grid(self, cells: Sequence[tuple[list[np.ndarray], list[str]]], columns: int, lines: int) -> None:
        """Place cells of pictures next to each other over lines of text."""
        for number, (pictures, texts) in enumerate(cells):
            row, column = divmod(number, columns)
            left = _MARGIN + column * (_COLUMNS * _COLUMN // columns)
            top = self.height + row * (_TILE + (lines + 1) * _LINE)
            self._pictures += [(left + i * (_TILE + _GAP), top, picture) for i, picture in enumerate(pictures)]
            self._texts += [_Text(left, top + _TILE + 4 + i * _LINE, text) for i, text in enumerate(texts)]
        self.height += -(-len(cells) // columns) * (_TILE + (lines + 1) * _LINE)

    def draw(self) -> Figure:
        keep_matplotlib_in_cache()
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        canvas = np.full((self.height, self.width, 3), 255, np.uint8)
        for left, top, picture in self._pictures:
            canvas[top : top + _TILE, left : left + _TILE] = picture[..., ::-1]
        figure = Figure(figsize=(self.width / _DPI, self.height / _DPI), dpi=_DPI)
        FigureCanvasAgg(figure)
        figure.figimage(canvas)
        for text in self._texts:
            figure.text(
                text.left / self.width,
                1 - text.top / self.height,
                text.text,
                fontsize=text.size,
                fontweight=text.weight,
                verticalalignment="top",
                parse_math=False,  # a name may hold $
            )
        return figure


def write_suspects(
    path: str | os.PathLike[str],
    pairs: Sequence[SuspectPair],
    images: Sequence[SuspectImage],
    pair_count: int,
    image_count: int,
) -> None:
    """Draw near-duplicates side by side, and outliers, with their names, into a PNG file.

    The few images shown are read once more, because keeping a picture of each image to look at would take 1 GB for 10,000.

    Args:
        path: where to.
        pairs: the near-duplicates to show.
        images: the outliers to show.
        pair_count: how many there are in all.
        image_count: likewise.
    """
    sheet = _Sheet()
    if pairs:
        sheet.add_heading(f"Near-duplicates: training image left, validation image right{_of(pairs, pair_count)}")
        sheet.add_grid([_pair_cell(pair) for pair in pairs], _COLUMNS, _PAIR_LINES)
    if images:
        sheet.add_heading(f"Training images unlike the others{_of(images, image_count)}")
        sheet.add_grid([_image_cell(image) for image in images], 2 * _COLUMNS, _IMAGE_LINES)
    with fonts_for_any_name(), atomic_path(path) as temporary:
        sheet.draw().savefig(temporary, dpi=_DPI)


def _of(shown: Sequence[object], count: int) -> str:
    return f" ({count})" if len(shown) == count else f" (the first {len(shown)} of {count})"


def _pair_cell(pair: SuspectPair) -> tuple[list[np.ndarray], list[str]]:
    names = [shorten(sample.image, _PAIR_NAME, keep_end=True) for sample in (pair.train, pair.val)]
    return [_picture(pair.train), _picture(pair.val)], [*names, f"similarity {pair.similarity:.2f}"]


def _image_cell(image: SuspectImage) -> tuple[list[np.ndarray], list[str]]:
    name = shorten(image.sample.image, _IMAGE_NAME, keep_end=True)
    return [_picture(image.sample)], [name, f"score {image.score:.1f}"]


def _picture(sample: Sample) -> np.ndarray:
    """The image in the middle of a grey square, uint8 [150, 150, 3], BGR."""
    square = np.full((_TILE, _TILE, 3), 225, np.uint8)
    try:
        image = sample.read()
    except ImageReadError:  # it was there a moment ago; an empty square will do
        return square
    scale = _TILE / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    top, left = (_TILE - height) // 2, (_TILE - width) // 2
    square[top : top + height, left : left + width] = cv2.resize(image, (width, height), interpolation=interpolation)
    return square
