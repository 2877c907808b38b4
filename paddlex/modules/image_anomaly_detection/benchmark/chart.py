"""A dot for each figure of each category, so that the weak ones are seen at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from paddlex.evaluation.numbers import figure
from paddlex.evaluation.report.svg import drawing, element
from paddlex.modules.image_anomaly_detection.benchmark.table import Table

_WIDTH, _LEFT, _RIGHT, _TOP, _LINE = 720, 130, 16, 8, 24
_MAX_NAME = 17

#: Kinds of dots, in the order they are given out: told apart without colours too.
_KINDS = ("image", "pixel", "region", "square")

#: What is drawn of one model; of several it is the image AUROC of each.
_FIGURES = {"image AUROC": "image_auroc", "pixel AUROC": "pixel_auroc", "AUPRO (0.3)": "aupro_30"}

#: A category's figures, by what they are called.
Figures = Mapping[str, float | None]


def figures_of(table: Table) -> Mapping[str, Figures]:
    """What is drawn, by category, the weakest first."""
    figures: dict[str, dict[str, float | None]] = {}
    for row in table.finished:
        of_category = figures.setdefault(row.category, {})
        if table.is_comparison:
            of_category[row.model] = row.image_auroc
        else:
            of_category.update({name: getattr(row, attribute) for name, attribute in _FIGURES.items()})
    return figures


def names_of(table: Table) -> list[str]:
    """What the dots are called."""
    return list(table.means if table.is_comparison else _FIGURES)


def dot_chart(lines: Mapping[str, Figures], names: Sequence[str]) -> Markup:
    """One line for each category, in the order given, on an axis that ends at 1 and begins at a round number below all dots.

    Args:
        lines: figures by category.
        names: of the figures.
    """
    values = [value for of_category in lines.values() for value in of_category.values() if value is not None]
    start = min(0.9, math.floor(10 * min(values, default=0.5) - 1e-9) / 10)
    start = max(0.0, start)
    bottom = _TOP + _LINE * len(lines)

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (value - start) / (1 - start)

    parts: list[Markup] = []
    for tenth in range(round(10 * start), 11):
        at = f"{x(tenth / 10):.1f}"
        parts.append(element("line", x1=at, x2=at, y1=_TOP, y2=bottom, class_="grid"))
        parts.append(element("text", f"{tenth / 10:g}", x=at, y=bottom + 18, text_anchor="middle"))
    for number, (category, of_category) in enumerate(lines.items()):
        y = _TOP + _LINE * (number + 0.5)
        short = category if len(category) <= _MAX_NAME else f"{category[: _MAX_NAME - 1]}…"
        parts.append(element("text", short, x=_LEFT - 12, y=f"{y + 4:g}", text_anchor="end", class_="name"))
        places = [
            (number, x(value)) for number, name in enumerate(names) if (value := of_category.get(name)) is not None
        ]
        if len(places) > 1:
            ends = [place for _, place in places]
            parts.append(element("line", x1=f"{min(ends):.1f}", x2=f"{max(ends):.1f}", y1=y, y2=y, class_="span"))
        parts += (_dot(number, place, y) for number, place in reversed(places))
    description = " ".join(
        f"{category}: {', '.join(f'{name} {figure(of_category.get(name))}' for name in names)}."
        for category, of_category in lines.items()
    )
    return drawing("Figures of each category", description, _WIDTH, bottom + 26, parts)


def samples(names: Sequence[str]) -> dict[str, Markup]:
    """A dot for each name, in a square of 14 by 14."""
    return {name: _dot(number, 7, 7) for number, name in enumerate(names)}


def _dot(number: int, x: float, y: float) -> Markup:
    """A disk, a diamond, a ring or a square."""
    kind = _KINDS[number % len(_KINDS)]
    if kind in ("pixel", "square"):
        path = f"M{x:.1f},{y - 6:g}l6,6l-6,6l-6,-6Z" if kind == "pixel" else f"M{x - 4.5:.1f},{y - 4.5:g}h9v9h-9Z"
        return element("path", d=path, class_=f"dot {kind}")
    return element("circle", cx=f"{x:.1f}", cy=f"{y:g}", r=5 if kind == "image" else 4.5, class_=f"dot {kind}")
