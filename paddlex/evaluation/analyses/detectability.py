"""How small and how faint a defect the model finds, told from photos of good parts that defects are drawn on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from paddlex.data.dataset import Sample
from paddlex.errors import DatasetError
from paddlex.evaluation.analyses.detectability_result import Detectability, Measured, rows_of
from paddlex.evaluation.analyses.drawing import (
    KINDS,
    Canvas,
    Defect,
    canvas_of,
    make_defect,
    random_numbers,
    tile_of,
)
from paddlex.evaluation.analyses.examples import choose_examples, picture_examples
from paddlex.evaluation.analyses.subject import Subject
from paddlex.evaluation.analyses.weak_places import weak_places
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.utils.progress import progress_bar

#: Defects of each kind and size. With 20 a share of 90 % is known as 68 to 99 %.
DRAWN = 20

#: Contrasts and opacities that are looked at, equal steps of their logarithm. Half of the range of grey values can be had
#: everywhere: one way or the other.
CONTRASTS = np.geomspace(0.02, 0.5, 16)
OPACITIES = np.geomspace(0.1, 1.0, 8)

#: Sizes are round numbers of pixels, the first about this share of the square root of the photo's area.
_SMALLEST, _LARGEST, _SIZES = 0.01, 0.3, 5


def analyse(subject: Subject) -> Detectability:
    """Draw one defect of each kind and size on each of some photos, and find the faintest at which it is found.

    A defect is found if the map exceeds the image threshold where it lies: its photo is called anomalous, and not by chance.
    No defect is drawn where the map of the good part exceeds it. The faintest level is searched by halving, in the belief that
    whoever finds a defect finds the same one plainer to see. Of a photo that is scanned in tiles one tile is looked at.

    Raises:
        DatasetError: there are no good parts, or alarms all over them.
        ImageReadError: a photo that cannot be read.
        ModelError: the model cannot judge the pictures.
    """
    chosen = subject.spread(DRAWN)
    turns = [sample for turn in range(DRAWN) for sample in chosen][:DRAWN]
    sizes = sizes_for(_canvas(subject, turns[0], 0).image.shape)
    measured: list[Measured] = []
    with progress_bar(len(turns), 0, "Detectability", "photo") as bar:
        for number, sample in enumerate(turns):
            canvas = _canvas(subject, sample, number)
            defects = _defects(subject, canvas, sizes, number)
            needed = _faintest_found(subject.predictor, canvas.image, defects)
            shape = canvas.image.shape[:2]
            measured += [
                Measured(number, index, defect.kind, defect.size, _relative(defect.place, shape), level)
                for index, (defect, level) in enumerate(zip(defects, needed, strict=True))
            ]
            bar.update()
    if not measured:
        raise DatasetError(
            "the model raises alarms all over the good parts", remedy="Train it again, or with more photos"
        )

    def redrawn(item: Measured) -> tuple[np.ndarray, Defect]:
        canvas = _canvas(subject, turns[item.photo], item.photo)
        return canvas.image, _defects(subject, canvas, sizes, item.photo)[item.index]

    levels: dict[str, Sequence[float]] = {kind: [float(level) for level in levels_of(kind)] for kind in KINDS}
    highest = {kind: values[-1] for kind, values in levels.items()}
    return Detectability(
        rows=[rows_of(measured, kind, size, levels[kind]) for kind in KINDS for size in sizes],
        photos=len({sample.image for sample in turns}),
        pixels_per_mm=subject.pixels_per_mm,
        note=subject.note,
        examples=picture_examples(subject.predictor, choose_examples(measured, levels), redrawn),
        places=weak_places(measured, highest, turns[0].read()) if subject.predictor.tiling is None else None,
    )


def sizes_for(shape: Sequence[int]) -> list[int]:
    """The sizes of defects for a photo [H, W, …]: some of 2, 5, 10, 20, 50, 100, … pixels."""
    side = (shape[0] * shape[1]) ** 0.5
    round_numbers = [first * 10**zeros for zeros in range(5) for first in (1, 2, 5)][1:]
    nearest = min(round_numbers, key=lambda size: abs(np.log(size / (_SMALLEST * side))))
    following = round_numbers[round_numbers.index(nearest) :][:_SIZES]
    return [size for size in following if size <= _LARGEST * side] or following[:1]


def _relative(place: tuple[float, float], shape: tuple[int, ...]) -> tuple[float, float]:
    return place[0] / shape[1], place[1] / shape[0]


def _canvas(subject: Subject, sample: Sample, number: int) -> Canvas:
    """A photo, or one tile of it, and where it is inspected."""
    image = tile_of(subject.predictor, sample.read(), random_numbers(subject.seed, number))
    return canvas_of(subject.predictor, image)


def _defects(subject: Subject, canvas: Canvas, sizes: Sequence[int], number: int) -> list[Defect]:
    """One of each kind and size, where the good part raises no alarm; none where it does everywhere."""
    (good,) = subject.predictor.photo_maps([canvas.image])
    quiet = good <= subject.predictor.limits.image.threshold
    if canvas.allowed is not None:
        quiet &= canvas.allowed
    if not quiet.any():
        return []
    if not quiet.all():
        canvas = canvas.restricted(quiet)
    return [
        make_defect(canvas, kind, size, random_numbers(subject.seed, number, *kind.encode(), size))
        for kind in KINDS for size in sizes
    ]  # fmt: skip


@dataclass
class _Search:
    """A defect and between which levels it begins to be found.

    Attributes:
        defect: what is looked for.
        levels: ascending.
        missed, found: the highest index at which it was missed, -1 for none, and the lowest at which it was found.
    """

    defect: Defect
    levels: np.ndarray
    missed: int = -1
    found: int | None = None

    @property
    def next(self) -> int | None:
        """The index to look at; None when all is known."""
        if self.found is None:
            return len(self.levels) - 1 if self.missed < 0 else None
        return None if self.found - self.missed == 1 else (self.found + self.missed) // 2

    @property
    def needed(self) -> float:
        """The lowest level at which it is found; inf where it never is."""
        return float("inf") if self.found is None else float(self.levels[self.found])


def _faintest_found(predictor: AnomalyPredictor, image: np.ndarray, defects: Sequence[Defect]) -> list[float]:
    """The lowest level at which each is found, in rounds of one picture each."""
    searches = [_Search(defect, levels_of(defect.kind)) for defect in defects]
    while open_ := [search for search in searches if search.next is not None]:
        for search, anomaly_map in zip(open_, predictor.many_photo_maps(_drawn(image, open_)), strict=True):
            index = search.next
            assert index is not None
            if search.defect.is_found(anomaly_map, predictor.limits.image.threshold):
                search.found = index
            else:
                search.missed = index
    return [search.needed for search in searches]


def levels_of(kind: str) -> np.ndarray:
    """The levels that are looked at, ascending, float64 [n]."""
    return CONTRASTS if KINDS[kind].level == "contrast" else OPACITIES


def _drawn(image: np.ndarray, searches: Sequence[_Search]) -> Iterator[np.ndarray]:
    # the index is fixed before any answer changes it
    indices = [search.next for search in searches]
    for search, index in zip(searches, indices, strict=True):
        assert index is not None
        yield search.defect.on(image, float(search.levels[index]))
