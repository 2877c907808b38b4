"""Charts as SVG, from numbers alone. Colours are classes of the page's style sheet, so that they follow light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from paddlex.evaluation.report.svg import drawing, element

BINS = 40  # an even number: the threshold is the edge between two bars
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 46


@dataclass(frozen=True)
class Line:
    """One curve of a chart.

    Attributes:
        x, y: float64 [n], in the chart's units.
        kind: class of the style sheet: ``image``, ``pixel`` or ``chance``.
        stepwise: draw y[i] from x[i - 1] to x[i] instead of a straight line between the points.
        filled: tint the area below it.
    """

    x: np.ndarray
    y: np.ndarray
    kind: str
    stepwise: bool = False
    filled: bool = False


@dataclass(frozen=True)
class Axis:
    """A linear axis from 0 to ``end``."""

    label: str
    end: float = 1.0
    ticks: Sequence[float] = (0, 0.25, 0.5, 0.75, 1)


@dataclass(frozen=True)
class Group:
    """The scores of one kind of image.

    Attributes:
        scores: float64 [n], 0 to 1.
        called_anomalous: bool [n].
        kind: class of the style sheet: ``normal`` or ``anomalous``.
        left, right: what stands on either side of the threshold.
    """

    scores: np.ndarray
    called_anomalous: np.ndarray
    kind: str
    left: str
    right: str


def curve_chart(
    name: str, description: str, x_axis: Axis, y_axis: Axis, lines: Iterable[Line],
    *, mark: tuple[float, float] | None = None, guides: Iterable[float] = (),
) -> Markup:  # fmt: skip
    """A square chart of curves.

    Args:
        name: for those who cannot see it, and in the ids of its parts.
        description: what it shows, in words.
        x_axis: its end and ticks.
        y_axis: likewise.
        lines: drawn in this order.
        mark: the operating point.
        guides: upright lines at these x.
    """
    width, height = 380, 360
    frame = _Frame(_LEFT, _TOP, width - _LEFT - _RIGHT, height - _TOP - _BOTTOM, x_axis, y_axis)
    parts = [frame.grid(), *(frame.upright(x, "guide") for x in guides)]
    for line in lines:
        corners = frame.corners(line)
        if line.filled:
            floor = f"L{corners[-1][0]:g},{frame.y(0):g}L{corners[0][0]:g},{frame.y(0):g}Z"
            parts.append(element("path", d=_path(corners) + floor, class_=f"area {line.kind}"))
        parts.append(element("path", d=_path(corners), class_=f"curve {line.kind}"))
    if mark is not None:
        parts.append(element("circle", cx=f"{frame.x(mark[0]):.1f}", cy=f"{frame.y(mark[1]):.1f}", r=5, class_="mark"))
    return drawing(name, description, width, height, parts)


def histogram(name: str, description: str, upper: Group, lower: Group) -> Markup:
    """Two histograms over one score axis, one above the other, with the threshold through both.

    Each has its own scale of counts, because there are seldom as many images of one kind as of the other. The bars of wrong
    decisions are hatched. A bar never straddles the decision: what was called normal is left of the threshold.
    """
    width, panel, gap = 640, 132, 46
    height = _TOP + 12 + 2 * panel + gap + _BOTTOM
    axis = Axis("score (0.5 is the threshold)")
    parts: list[Markup] = [_hatching()]
    tops = (_TOP + 12, _TOP + 12 + panel + gap)
    for group, top, wrong_side in ((upper, tops[0], True), (lower, tops[1], False)):
        counts = _bin_counts(group)
        highest = _round_up(int(max(counts.max(), 1)))
        ticks = (0, highest / 2, highest) if highest % 2 == 0 else (0, highest)
        frame = _Frame(_LEFT, top, width - _LEFT - _RIGHT, panel, axis, Axis("images", highest, ticks))
        parts.append(frame.grid(with_x_labels=group is lower))
        parts += _bars(frame, counts, group.kind, wrong_side)
        parts += [
            element("text", text, x=f"{frame.x(at):.1f}", y=top - 6, text_anchor=anchor, class_="side")
            for text, at, anchor in ((group.left, 0.0, "start"), (group.right, 1.0, "end"))
        ]
    middle = f"{frame.x(0.5):.1f}"
    parts.append(element("line", x1=middle, x2=middle, y1=_TOP - 8, y2=tops[1] + panel, class_="threshold"))
    parts.append(element("text", "threshold", x=f"{frame.x(0.5) + 6:.1f}", y=_TOP + 2, class_="side"))
    return drawing(name, description, width, height, parts)


@dataclass(frozen=True)
class _Frame:
    left: float
    top: float
    width: float
    height: float
    x_axis: Axis
    y_axis: Axis

    def x(self, value: float) -> float:
        return self.left + self.width * value / self.x_axis.end

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - value / self.y_axis.end)

    def upright(self, x: float, class_: str) -> Markup:
        at = f"{self.x(x):.1f}"
        return element("line", x1=at, x2=at, y1=self.top, y2=self.top + self.height, class_=class_)

    def grid(self, with_x_labels: bool = True) -> Markup:
        """Lines, numbers and names of both axes."""
        bottom, right = self.top + self.height, self.left + self.width
        parts: list[Markup] = []
        for value in self.y_axis.ticks:
            y = f"{self.y(value):.1f}"
            parts.append(element("line", x1=self.left, x2=right, y1=y, y2=y, class_="grid"))
            parts.append(
                element("text", f"{value:g}", x=self.left - 7, y=f"{self.y(value) + 4:.1f}", text_anchor="end")
            )
        for value in self.x_axis.ticks if with_x_labels else ():
            anchor = "end" if value == self.x_axis.end else "middle"
            parts.append(element("text", f"{value:g}", x=f"{self.x(value):.1f}", y=bottom + 17, text_anchor=anchor))
        parts.append(element("line", x1=self.left, x2=right, y1=bottom, y2=bottom, class_="axis"))
        if with_x_labels:
            parts.append(
                element("text", self.x_axis.label, x=(self.left + right) / 2, y=bottom + 38, text_anchor="middle")
            )
        middle = (self.top + bottom) / 2
        turned = f"rotate(-90 11 {middle:g})"
        parts.append(element("text", self.y_axis.label, x=11, y=middle, text_anchor="middle", transform=turned))
        return Markup().join(parts)

    def corners(self, line: Line) -> list[tuple[float, float]]:
        """The line's points inside the frame, in its units, those on the same spot once."""
        x, y = np.asarray(line.x, np.float64), np.asarray(line.y, np.float64)
        if line.stepwise:
            x, y = np.append(0.0, np.repeat(x, 2))[:-1], np.repeat(y, 2)
        end = self.x_axis.end
        if x[-1] > end:
            inside = int(np.searchsorted(x, end, side="right"))
            x, y = np.append(x[:inside], end), np.append(y[:inside], np.interp(end, x, y))
        points = [(round(self.x(a), 1), round(self.y(b), 1)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
        return [point for number, point in enumerate(points) if number == 0 or point != points[number - 1]]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points)


def _bin_counts(group: Group) -> np.ndarray:
    """Images in each bin, int [BINS]: those above its lower edge, up to its upper one, as with the decision."""
    bins = np.clip(np.ceil(group.scores * BINS).astype(int) - 1, 0, BINS - 1)
    half = BINS // 2
    bins = np.where(group.called_anomalous, np.maximum(bins, half), np.minimum(bins, half - 1))
    return np.bincount(bins, minlength=BINS)


def _bars(frame: _Frame, counts: np.ndarray, kind: str, wrong_on_right: bool) -> list[Markup]:
    bars: list[Markup] = []
    for number in np.flatnonzero(counts).tolist():
        left, top = frame.x(number / BINS), frame.y(float(counts[number]))
        place = {
            "x": f"{left + 0.75:.2f}", "y": f"{top:.2f}", "width": f"{frame.width / BINS - 1.5:.2f}",
            "height": f"{frame.top + frame.height - top:.2f}",
        }  # fmt: skip
        bars.append(element("rect", **place, class_=f"fill {kind}"))
        if (number >= BINS // 2) == wrong_on_right:
            bars.append(element("rect", **place, fill="url(#hatching)", class_=f"edge {kind}"))
    return bars


def _hatching() -> Markup:
    stroke = element("path", d="M0,6L6,0M-1,1L1,-1M5,7L7,5", class_="hatch")
    pattern = element("pattern", stroke, id="hatching", width=6, height=6, patternUnits="userSpaceOnUse")
    return element("defs", pattern)


def _round_up(highest: int) -> int:
    """The end of an axis of counts: the next round number, even from 2 on so that its half is a count too."""
    if highest <= 2:
        return highest
    power = 10 ** (len(str(highest)) - 1)
    ends = (tenths * power // 10 for tenths in (10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100))
    return next(end for end in ends if end >= highest and end % 2 == 0)
