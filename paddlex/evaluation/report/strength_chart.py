"""A chart of what becomes of good parts as something changes more and more, either way. From numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from paddlex.evaluation.metrics import share_interval
from paddlex.evaluation.report.svg import drawing, element

_WIDTH, _HEIGHT = 380, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 14, 50
_SHARES = (0, 0.02, 0.1, 0.25, 0.5, 1)  # with a number at the axis
_ROUND = (0.5, 1, 2, 5, 10, 20, 50, 100)
_GAP = 26  # the least between two numbers of the axis below


@dataclass(frozen=True)
class StrengthChart:
    """What is drawn.

    Attributes:
        points: (strength, called defective), ascending; below 0 is the other way, 0 no change at all.
        total: good parts.
        target, limit: shares that are held against it, 0 to 1.
        stands: from which strength to which no more than the limit are called defective; None for nowhere.
        blind: where in it defects are lost, from the strength nearer to 0 to the end.
        left, right: what the two ways are called; "" for one way alone.
        unit: of the strengths.
    """

    points: Sequence[tuple[float, int]]
    total: int
    target: float
    limit: float
    stands: tuple[float, float] | None
    blind: Sequence[tuple[float, float]]
    left: str
    right: str
    unit: str

    def svg(self, name: str, description: str) -> Markup:
        """Both axes are stretched near 0, as square roots: strengths double, and the small shares are those that matter."""
        bottom, end = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
        parts = [self._area(*self.stands, "stands")] if self.stands else []
        parts += [self._area(min(ends), max(ends), "lost") for ends in self.blind]
        for share in _SHARES:
            parts.append(_level(share, "grid"))
            parts.append(element("text", f"{100 * share:g}", x=_LEFT - 7, y=_text(_y(share) + 4), text_anchor="end"))
        parts += [_level(self.target, "guide"), _level(self.limit, "threshold"), _level(0, "axis")]
        intervals = [(x, share_interval(count, self.total)) for x, count in self.points]
        around = [(x, high) for x, (_, high) in intervals] + [(x, low) for x, (low, _) in reversed(intervals)]
        shares = [(x, count / self.total) for x, count in self.points]
        parts.append(element("path", d=self._path(around) + "Z", class_="area image"))
        parts.append(element("path", d=self._path(shares), class_="curve image"))
        parts += [
            element("circle", cx=_text(self._x(x)), cy=_text(_y(y)), r=3.5, class_="fill normal") for x, y in shares
        ]
        for x in self._ticks():
            parts.append(element("text", f"{abs(x):g}", x=_text(self._x(x)), y=bottom + 17, text_anchor="middle"))
        middle, upright = (_LEFT + end) / 2, (_TOP + bottom) / 2
        turned = f"rotate(-90 11 {upright:g})"
        parts += [
            element("text", "% called defective", x=11, y=upright, text_anchor="middle", transform=turned),
            element("text", self.unit, x=middle, y=bottom + 38, text_anchor="middle"),
            element(
                "text", f"\N{LEFTWARDS ARROW} {self.left}" if self.left else None, x=_LEFT, y=bottom + 38, class_="side"
            ),
            element(
                "text", f"{self.right} \N{RIGHTWARDS ARROW}", x=end, y=bottom + 38, text_anchor="end", class_="side"
            ),
        ]
        return drawing(name, description, _WIDTH, _HEIGHT, parts)

    def _x(self, strength: float) -> float:
        first, last = _root(self.points[0][0]), _root(self.points[-1][0])
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (_root(strength) - first) / (last - first)

    def _path(self, points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{_text(self._x(x))},{_text(_y(y))}" for x, y in points)

    def _area(self, start: float, end: float, kind: str) -> Markup:
        left, right = self._x(start), self._x(end)
        height = _HEIGHT - _BOTTOM - _TOP
        return element("rect", x=_text(left), y=_TOP, width=_text(right - left), height=height, class_=kind)

    def _ticks(self) -> list[float]:
        """Round strengths within the axis, 0 first, then those further out, as far as there is room."""
        first, last = self.points[0][0], self.points[-1][0]
        ticks = [0.0]
        for size in reversed(_ROUND):
            ticks += [
                value for value in (-size, size)
                if first <= value <= last and all(abs(self._x(value) - self._x(other)) >= _GAP for other in ticks)
            ]  # fmt: skip
        return ticks


def _root(strength: float) -> float:
    return abs(strength) ** 0.5 * (1 if strength >= 0 else -1)


def _y(share: float) -> float:
    return _TOP + (_HEIGHT - _BOTTOM - _TOP) * (1 - share**0.5)


def _level(share: float, kind: str) -> Markup:
    return element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=_text(_y(share)), y2=_text(_y(share)), class_=kind)


def _text(position: float) -> str:
    return f"{position:.1f}"
