"""The section on how small a defect would be found: a chart for each kind of defect, a table, examples and weak places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from markupsafe import Markup

from paddlex.evaluation.analyses.detectability_result import (
    MOST,
    Detectability,
    Example,
    Row,
    WeakPlaces,
    name_of,
    percent_of,
)
from paddlex.evaluation.analyses.drawing import KINDS
from paddlex.evaluation.report.gallery import data_uri, jpeg, outline_path, thumbnail_size
from paddlex.evaluation.report.svg import drawing, element

_WIDTH, _HEIGHT = 300, 264
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 10, 58

#: Where an axis of levels has numbers.
_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

#: Colours of places where defects are easier and harder to find, BGR, and the factors at which they are strongest.
_EASIER, _HARDER, _STRONGEST = (173, 120, 63), (44, 106, 207), 1.6


@dataclass(frozen=True)
class Panel:
    """The chart of a kind of defect.

    Attributes:
        title: what it is about.
        chart: SVG.
        caption: what it means.
    """

    title: str
    chart: Markup
    caption: str


@dataclass(frozen=True)
class Card:
    """An example.

    Attributes:
        title, text: what it is, and how plain.
        width, height: of both pictures.
        image, heat_map: addresses of the pictures.
        outline: the ``d`` of an SVG path in their pixels.
    """

    title: str
    text: str
    width: int
    height: int
    image: str
    heat_map: str
    outline: str


def values(finding: Detectability) -> dict[str, object]:
    """What templates/sections/detectability.html prints."""
    kinds = list(dict.fromkeys(row.kind for row in finding.rows))
    return {
        "panels": [_panel(kind, finding) for kind in kinds],
        "sizes": [_size(row.size, finding.pixels_per_mm) for row in finding.of(kinds[0])],
        "table_rows": [[_head(kind), *(_cell(row) for row in finding.of(kind))] for kind in kinds],
        "photos": finding.photos,
        "remarks": finding.remarks(),
        "drawn": min(row.drawn for row in finding.rows),
        "cards": [_card(example, finding.pixels_per_mm) for example in finding.examples],
        "places": None if finding.places is None else _picture_of_places(finding.places),
    }


def _head(kind: str) -> str:
    name = KINDS[kind].plural
    return f"{name[0].upper()}{name[1:]} ({KINDS[kind].level})"


def _size(size: int, pixels_per_mm: float | None) -> str:
    return f"{size:,} px" if pixels_per_mm is None else f"{size:,} px ({size / pixels_per_mm:.3g} mm)"


def _cell(row: Row) -> tuple[str, ...]:
    """From where 90 % are found, how sure that is, and how many are found at most."""
    level, highest = row.level_for(MOST), percent_of(row.levels[-1])
    at_most = f"{row.found(row.levels[-1])} of {row.drawn} at {highest}"
    if level is None:
        return "\N{EN DASH}", at_most
    lower, upper = row.level_bounds(MOST)
    spread = f"{percent_of(lower or level)} to {'over ' + highest if upper is None else percent_of(upper)}"
    return percent_of(level), spread, at_most


def _panel(kind: str, finding: Detectability) -> Panel:
    rows, pixels_per_mm = finding.of(kind), finding.pixels_per_mm
    levels = np.array(rows[0].levels)
    step = (levels[-1] / levels[0]) ** (1 / (len(levels) - 1))
    edges = np.append(levels, levels[-1] * step) / step**0.5  # a level is the middle of its row
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    column = inner_width / len(rows)

    def y(level: float) -> float:
        return _TOP + inner_height * (1 - float(np.log(level / edges[0]) / np.log(edges[-1] / edges[0])))

    bottom, parts = _TOP + inner_height, []
    for number, row in enumerate(rows):
        left = _LEFT + number * column
        parts += _shares(row, edges, left, column, y)
        parts += [
            element("text", text, x=f"{left + column / 2:.1f}", y=bottom + 16 * line, text_anchor="middle")
            for line, text in enumerate(_extents(row.size, pixels_per_mm), start=1)
        ]
    for tick in _TICKS:
        if edges[0] <= tick <= edges[-1]:
            parts.append(
                element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=f"{y(tick):.1f}", y2=f"{y(tick):.1f}", class_="grid")
            )
            parts.append(element("text", percent_of(tick), x=_LEFT - 6, y=f"{y(tick) + 4:.1f}", text_anchor="end"))
    parts += [part for number, row in enumerate(rows) for part in _most(row, edges, _LEFT + number * column, column, y)]
    parts.append(element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=bottom, y2=bottom, class_="axis"))
    parts += [
        element("text", unit, x=_LEFT - 6, y=bottom + 16 * line, text_anchor="end")
        for line, unit in enumerate(("px", "mm")[: 1 if pixels_per_mm is None else 2], start=1)
    ]
    extent = "length" if kind == "scratch" else "size"
    below, middle = bottom + (36 if pixels_per_mm is None else 52), _LEFT + inner_width / 2
    parts.append(element("text", extent, x=middle, y=below, text_anchor="middle", class_="side"))
    name = _head(kind)
    told = [f"{row.size} px: {_told(row)}" for row in rows]
    description = f"The share found by size and {KINDS[kind].level}. 90 % are found from: {'; '.join(told)}."
    chart = drawing(f"Detectability, {name}", description, _WIDTH, _HEIGHT, parts)
    return Panel(name, chart, finding.kind_in_words(kind).replace(" %", "\N{NO-BREAK SPACE}%"))


def _extents(size: int, pixels_per_mm: float | None) -> list[str]:
    """A size in pixels, and in millimetres where that is known."""
    return [f"{size:g}"] if pixels_per_mm is None else [f"{size:g}", f"{size / pixels_per_mm:.3g}"]


def _told(row: Row) -> str:
    level = row.level_for(MOST)
    return "never" if level is None else percent_of(level)


def _shares(row: Row, edges: np.ndarray, left: float, column: float, y: Callable[[float], float]) -> list[Markup]:
    """A rectangle for each run of levels at which as many are found."""
    found = [row.found(level) for level in row.levels]
    parts, start = [], 0
    for index in range(1, len(found) + 1):
        if index < len(found) and found[index] == found[start]:
            continue
        top, low = y(edges[index]), y(edges[start])
        between = percent_of(row.levels[start]), percent_of(row.levels[index - 1])
        text = f"{row.size} px at {' to '.join(dict.fromkeys(between))}: {found[start]} of {row.drawn} found"
        parts.append(
            element(
                "rect", element("title", text), x=f"{left + 0.5:.1f}", y=f"{top:.1f}", width=f"{column - 1:.1f}",
                height=f"{low - top:.1f}", class_="found", fill_opacity=f"{found[start] / row.drawn:.2f}",
            )
        )  # fmt: skip
        start = index
    return parts


def _most(row: Row, edges: np.ndarray, left: float, column: float, y: Callable[[float], float]) -> list[Markup]:
    """The line from which 90 % are found, and its interval."""
    level = row.level_for(MOST)
    lower, upper = row.level_bounds(MOST)
    parts = []
    if lower is not None:
        low = y(edges[row.levels.index(lower)])
        high = y(edges[-1] if upper is None else edges[row.levels.index(upper)])
        middle = f"{left + column / 2:.1f}"
        parts.append(element("line", x1=middle, x2=middle, y1=f"{low:.1f}", y2=f"{high:.1f}", class_="whisker"))
    if level is not None:
        at = f"{y(edges[row.levels.index(level)]):.1f}"
        parts.append(element("line", x1=f"{left:.1f}", x2=f"{left + column:.1f}", y1=at, y2=at, class_="most"))
    return parts


def _card(example: Example, pixels_per_mm: float | None) -> Card:
    size = thumbnail_size(*example.picture.shape[:2])
    picture, heat = (
        cv2.resize(image, size, interpolation=cv2.INTER_LINEAR) for image in (example.picture, example.heat_map)
    )
    kind = KINDS[example.kind]
    if example.kind == "scratch":
        extent = name_of(example.kind, example.size, pixels_per_mm).removeprefix(f"{kind.plural} ")
    else:
        extent = _size(example.size, pixels_per_mm)
    return Card(
        f"{'Smallest found' if example.is_found else 'Largest missed'}: {kind.name}",
        f"{extent}, {kind.level} {percent_of(example.level)}",
        size[0], size[1],
        data_uri(jpeg(picture), "jpeg"), data_uri(jpeg(heat), "jpeg"), outline_path(example.mask, size),
    )  # fmt: skip


def _picture_of_places(places: WeakPlaces) -> dict[str, object]:
    """One of the photos, its places coloured."""
    width, height = thumbnail_size(*places.photo.shape[:2])
    photo = cv2.resize(places.photo, (width, height), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR).astype(np.float32)
    known = ~np.isnan(places.factors)
    strength = np.log2(np.where(known, places.factors, 1)) / np.log2(_STRONGEST)
    strength = cv2.resize(strength.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    colour = np.where(strength[..., None] > 0, np.array(_HARDER, np.float32), np.array(_EASIER, np.float32))
    share = 0.75 * np.clip(np.abs(strength), 0, 1)[..., None]
    shown = np.clip(grey * (1 - share) + colour * share, 0, 255).astype(np.uint8)
    return {"image": data_uri(jpeg(shown), "jpeg"), "width": width, "height": height, "strongest": _STRONGEST}
