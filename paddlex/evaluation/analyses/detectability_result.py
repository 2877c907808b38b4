"""What is known of a model's detectability: figures, and what they mean in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddlex.evaluation.analyses.drawing import KINDS, SCRATCH_ASPECT
from paddlex.evaluation.metrics import share_interval

#: The share that is asked for.
MOST = 0.9


@dataclass(frozen=True)
class Measured:
    """One drawn defect.

    Attributes:
        photo: number of the photo that it is drawn on.
        index: of the defect among those of the photo.
        kind, size: see ``drawing.Defect``.
        place: its centre, x and y, as shares of the photo's width and height.
        needed: the lowest level at which it is found; inf where it is not found at the highest.
    """

    photo: int
    index: int
    kind: str
    size: int
    place: tuple[float, float]
    needed: float


@dataclass(frozen=True)
class Row:
    """All drawn defects of a kind and size.

    Attributes:
        kind, size: see ``Measured``.
        levels: those that were looked at, ascending.
        needed: of each defect, see ``Measured``.
    """

    kind: str
    size: int
    levels: tuple[float, ...]
    needed: tuple[float, ...]

    @property
    def drawn(self) -> int:
        return len(self.needed)

    def found(self, level: float) -> int:
        """How many are found at a level."""
        return sum(needed <= level for needed in self.needed)

    def level_for(self, share: float) -> float | None:
        """The lowest level at which the share of them is found; None where it is not at the highest."""
        return next((level for level in self.levels if self.found(level) >= share * self.drawn), None)

    def level_bounds(self, share: float) -> tuple[float | None, float | None]:
        """Between which levels ``level_for`` lies for all such defects, with 95 % confidence each way; None: above the highest.

        At the lower one the interval of the share found reaches ``share``, at the upper one all of it is above.
        """
        bounds = [(level, *share_interval(self.found(level), self.drawn)) for level in self.levels]
        lower = next((level for level, _, high in bounds if high >= share), None)
        upper = next((level for level, low, _ in bounds if low >= share), None)
        return lower, upper

    @property
    def name(self) -> str:
        """``spots of 5 px``, ``scratches 2 px wide and 20 px long``."""
        return name_of(self.kind, self.size, None)


@dataclass(frozen=True)
class Example:
    """A drawn defect as a picture.

    Attributes:
        kind, size: see ``Measured``.
        level: at which it is drawn.
        is_found: whether it is found so.
        picture, heat_map: uint8 [h, w, 3], BGR: what surrounds it, and the model's map of that.
        mask: bool [h, w] of the pictures: where it is.
    """

    kind: str
    size: int
    level: float
    is_found: bool
    picture: np.ndarray
    heat_map: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class WeakPlaces:
    """Where on the photo defects are harder to find.

    Attributes:
        factors: float [h, w], the level that a defect needs there, divided by what such defects need in the middle; NaN where
            too few were drawn nearby to tell.
        photo: uint8 [H, W, 3] BGR, one of the photos, to show them on.
    """

    factors: np.ndarray
    photo: np.ndarray

    @property
    def weakest(self) -> tuple[float, float, float]:
        """X and y of the weakest place, as shares of the photo's width and height, and its factor."""
        row, column = np.unravel_index(int(np.nanargmax(self.factors)), self.factors.shape)
        height, width = self.factors.shape
        return (column + 0.5) / width, (row + 0.5) / height, float(self.factors[row, column])


@dataclass(frozen=True)
class Detectability:
    """How small and how faint a drawn defect the model finds.

    Attributes:
        rows: of each kind and size, kinds in their order, sizes ascending.
        photos: how many good parts were drawn on.
        pixels_per_mm: of the photos; None where nobody has said.
        note: where the good parts come from, if the model knows them already.
        examples: of each kind the smallest that is found and the largest that is missed.
        places: None where photos are scanned in tiles, which have no place in common.
    """

    rows: list[Row]
    photos: int
    pixels_per_mm: float | None
    note: str | None
    examples: list[Example]
    places: WeakPlaces | None

    def of(self, kind: str) -> list[Row]:
        return [row for row in self.rows if row.kind == kind]

    @property
    def share(self) -> float:
        """Of all that were drawn and all levels that were looked at, the share found, 0 to 1: the higher, the more is found."""
        found = [row.found(level) / row.drawn for row in self.rows for level in row.levels]
        return sum(found) / len(found)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in evaluate_result.json, see docs/outputs.md."""
        return {
            "photos": self.photos,
            "share": self.share,
            "kinds": {
                kind: [self._row(row) for row in self.of(kind)] for kind in dict.fromkeys(r.kind for r in self.rows)
            },
            "weakest_place": None
            if self.places is None
            else dict(zip(("x", "y", "factor"), self.places.weakest, strict=True)),
        }

    def words(self) -> list[str]:
        kinds = dict.fromkeys(row.kind for row in self.rows)
        return [*map(self.kind_in_words, kinds), *self.remarks()]

    def remarks(self) -> list[str]:
        """What is to be thought of, whatever the kind."""
        drawn = min(row.drawn for row in self.rows)
        low, high = share_interval(round(MOST * drawn), drawn)
        sentences = [
            "This is about defects drawn like these, at the model's own threshold: which real ones are found depends on how "
            f"much they look like them. {drawn} of each kind and size were drawn on {self.photos} photos of good parts, so "
            f"90 % found means that of many such defects {_whole(low)} to {_whole(high)} % would be (95 % interval)."
        ]
        if self.places is not None and self.places.weakest[2] >= 1.25:
            x, y, factor = self.places.weakest
            sentences.append(
                f"The weakest place is {_whole(x)} % from the left and {_whole(y)} % from the top of the photo: there a defect "
                f"has to be {factor:.1f} times as plain as elsewhere."
            )
        return sentences if self.note is None else [*sentences, self.note]

    def kind_in_words(self, kind: str) -> str:
        """``90 % of scratches 2 px wide and 20 px long are found at a contrast of 12 % or more.``"""
        rows = self.of(kind)
        level_name = KINDS[kind].level
        enough = [row for row in rows if row.level_for(MOST) is not None]
        if not enough:
            largest, highest = rows[-1], rows[-1].levels[-1]
            return (
                f"Of {name_of(kind, largest.size, self.pixels_per_mm)}, the largest drawn, {largest.found(highest)} in "
                f"{largest.drawn} are found at {_article(level_name)} {level_name} of {percent_of(highest)}, and of smaller "
                "ones not 90 % either."
            )
        smallest = enough[0]
        level = smallest.level_for(MOST)
        assert level is not None
        sentence = (
            f"90 % of {name_of(kind, smallest.size, self.pixels_per_mm)} are found at {_article(level_name)} {level_name} of "
            f"{percent_of(level)}" + (" or more." if level < smallest.levels[-1] else ".")
        )
        if smallest is not rows[0]:
            sentence += " Of smaller ones fewer are, however plain."
        return sentence

    def _row(self, row: Row) -> dict[str, Any]:
        highest = row.levels[-1]
        lower, upper = row.level_bounds(MOST)
        return {
            "size_px": row.size,
            "size_mm": None if self.pixels_per_mm is None else row.size / self.pixels_per_mm,
            "drawn": row.drawn,
            "found": [{KINDS[row.kind].level: level, "found": row.found(level)} for level in row.levels],
            "found_at_highest": row.found(highest) / row.drawn,
            "found_at_highest_interval_95": list(share_interval(row.found(highest), row.drawn)),
            "half_found_from": row.level_for(0.5),
            "most_found_from": row.level_for(MOST),
            "most_found_from_interval_95": [lower, upper],
        }


def name_of(kind: str, size: int, pixels_per_mm: float | None) -> str:
    """``spots of 5 px``, ``scratches 2 px wide and 20 px long (0.1 x 1 mm)``."""
    if kind == "scratch":
        width = max(1, size / SCRATCH_ASPECT)
        text = f"{KINDS[kind].plural} {width:g} px wide and {size:,} px long"
        return (
            text if pixels_per_mm is None else f"{text} ({width / pixels_per_mm:.3g} x {size / pixels_per_mm:.3g} mm)"
        )
    text = f"{KINDS[kind].plural} of {size:,} px"
    return text if pixels_per_mm is None else f"{text} ({size / pixels_per_mm:.3g} mm)"


def percent_of(level: float) -> str:
    """A contrast or an opacity: ``2.5 %``, ``12 %``."""
    return f"{100 * level:.2g} %" if level < 0.995 else "100 %"


def _whole(share: float) -> str:
    """A share as a whole number of per cent."""
    return f"{100 * share:.0f}"


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def rows_of(measured: Sequence[Measured], kind: str, size: int, levels: Sequence[float]) -> Row:
    """What was measured of a kind and size."""
    needed = (item.needed for item in measured if (item.kind, item.size) == (kind, size))
    return Row(kind, size, tuple(float(level) for level in levels), tuple(needed))
