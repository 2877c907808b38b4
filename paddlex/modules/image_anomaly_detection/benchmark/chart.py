"""A dot for each figure of each category, so that the weak ones are seen at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

from paddlex.evaluation.report.markup import Html, Node, join, tag
from paddlex.evaluation.report.numbers import figure
from paddlex.modules.image_anomaly_detection.benchmark.table import Row

_WIDTH, _LEFT, _RIGHT, _TOP, _LINE = 720, 130, 16, 8, 24
_MAX_NAME = 17

#: Class of the style sheet, name, and value of each kind of dot, in the order they are drawn.
KINDS = (
    ("region", "AUPRO (0.3)", lambda row: row.aupro_30),
    ("pixel", "pixel AUROC", lambda row: row.pixel_auroc),
    ("image", "image AUROC", lambda row: row.image_auroc),
)


def dot_chart(rows: Sequence[Row]) -> Html:
    """One line for each category, in the order given, on an axis that ends at 1 and begins at a round number below all dots."""
    values = [value for row in rows for _, _, of in KINDS if (value := of(row)) is not None]
    start = min(0.9, math.floor(10 * min(values, default=0.5) - 1e-9) / 10)
    start = max(0.0, start)
    bottom = _TOP + _LINE * len(rows)

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (value - start) / (1 - start)

    parts: list[Node] = []
    for tenth in range(round(10 * start), 11):
        at = f"{x(tenth / 10):.1f}"
        parts.append(tag("line", x1=at, x2=at, y1=_TOP, y2=bottom, class_="grid"))
        parts.append(tag("text", f"{tenth / 10:g}", x=at, y=bottom + 18, text_anchor="middle"))
    for number, row in enumerate(rows):
        parts += _line(row, _TOP + _LINE * (number + 0.5), x)
    description = " ".join(
        f"{row.category}: {', '.join(f'{name} {figure(of(row))}' for _, name, of in reversed(KINDS))}." for row in rows
    )
    return tag(
        "svg",
        Html(tag("title", "Figures of each category", id="dots-title") + tag("desc", description, id="dots-text")),
        *parts,
        viewBox=f"0 0 {_WIDTH} {bottom + 26}",
        role="img",
        aria_labelledby="dots-title dots-text",
        class_="chart",
    )


def sample(kind: str) -> Html:
    """A dot for the key."""
    dot = _dot(kind, 7, 7)
    return tag("svg", dot, viewBox="0 0 14 14", width=14, height=14, class_="sample", aria_hidden="true")


def _line(row: Row, y: float, x) -> list[Node]:  # type: ignore[no-untyped-def]
    name = row.category if len(row.category) <= _MAX_NAME else f"{row.category[: _MAX_NAME - 1]}…"
    parts: list[Node] = [tag("text", name, x=_LEFT - 12, y=f"{y + 4:g}", text_anchor="end", class_="name")]
    places = [(kind, x(value)) for kind, _, of in KINDS if (value := of(row)) is not None]
    if len(places) > 1:
        ends = [place for _, place in places]
        parts.append(tag("line", x1=f"{min(ends):.1f}", x2=f"{max(ends):.1f}", y1=y, y2=y, class_="span"))
    return [*parts, *(_dot(kind, place, y) for kind, place in places)]


def _dot(kind: str, x: float, y: float) -> Html:
    """A disk, a diamond or a ring: to be told apart without colours too."""
    if kind == "pixel":
        return tag("path", d=f"M{x:.1f},{y - 6:g}l6,6l-6,6l-6,-6Z", class_="dot pixel")
    return tag("circle", cx=f"{x:.1f}", cy=f"{y:g}", r=5 if kind == "image" else 4.5, class_=f"dot {kind}")


def key() -> Html:
    """What the dots stand for."""
    return tag("p", *(tag("span", join(sample(kind), f" {name}")) for kind, name, _ in reversed(KINDS)), class_="key")
