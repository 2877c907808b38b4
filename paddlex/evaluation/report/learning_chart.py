"""Two charts over the number of photos, one above the other: how sure the false-alarm rate is, and what is found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from paddlex.evaluation.analyses.learning_curve import FARTHEST, LearningCurve
from paddlex.evaluation.analyses.learning_curve.fits import CONFIDENCE
from paddlex.evaluation.metrics.threshold_certainty import expected_false_alarms
from paddlex.evaluation.report.svg import drawing, element

_WIDTH, _PANEL, _GAP = 640, 170, 56
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 16, 30, 48

#: The chart of a model that was not fitted again begins where this many photos have a score.
_FEWEST_SCORES = 5

#: Numbers of photos that the band is drawn through.
_STEPS = 60


@dataclass(frozen=True)
class _Panel:
    """A logarithmic axis of photos, and a linear one from 0 to ``highest``."""

    top: float
    photos: tuple[float, float]
    highest: float

    def x(self, photos: float) -> float:
        low, high = np.log(self.photos)
        return float(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (np.log(photos) - low) / (high - low))

    def y(self, value: float) -> float:
        return float(self.top + _PANEL * (1 - min(value, self.highest) / self.highest))

    def place(self, photos: float, value: float) -> str:
        return f"{self.x(photos):.1f},{self.y(value):.1f}"

    def grid(self, name: str) -> Iterator[Markup]:
        for value in np.linspace(0, self.highest, 5):
            y = f"{self.y(value):.1f}"
            yield element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid" if value else "axis")
            label = f"{100 * value:.3g}\N{NO-BREAK SPACE}%"
            yield element("text", label, x=_LEFT - 8, y=f"{self.y(value) + 4:.1f}", text_anchor="end")
        yield element("text", name, x=_LEFT, y=self.top - 10, class_="side")

    def upright(self, photos: float, class_: str) -> Markup:
        x = f"{self.x(photos):.1f}"
        return element("line", x1=x, x2=x, y1=self.top, y2=self.top + _PANEL, class_=class_)

    def dot(self, photos: float, value: float) -> Markup:
        return element("circle", cx=f"{self.x(photos):.1f}", cy=f"{self.y(value):.1f}", r=4, class_="mark")


def learning_chart(curve: LearningCurve) -> Markup:
    """The charts; the lower one is left out where the model was not fitted again."""
    first = (
        curve.points[0].photos
        if curve.points
        else min(curve.photos, _FEWEST_SCORES * curve.photos // curve.whole.scores)
    )
    last = max(2 * curve.photos, curve.photos_needed)
    photos = (first / 1.1, last * 1.1)
    rates = [rate for point in curve.points for rate in point.rates]
    highest = max([2 * curve.target_fpr, *rates, _expected(curve, first)[1]])
    upper = _Panel(_TOP, photos, _round_up(highest))
    parts = [*upper.grid("False alarms among new good parts"), *_rates(upper, curve, first, last)]
    bottom, panels = upper.top + _PANEL, [upper]
    if curve.points:
        lower = _Panel(bottom + _GAP, photos, 1.0)
        parts += [*lower.grid("Drawn defects that are found"), *_found(lower, curve, last)]
        bottom, panels = lower.top + _PANEL, [upper, lower]
    for panel in panels:
        parts.append(panel.upright(curve.photos, "threshold"))
        if curve.photos_needed > curve.photos:
            parts.append(panel.upright(curve.photos_needed, "guide"))
    parts += _counts(panels[-1], curve, bottom)
    return drawing("Learning curve", _description(curve), _WIDTH, bottom + _BOTTOM, parts)


def _expected(curve: LearningCurve, photos: float) -> tuple[float, float]:
    """Between which rates false alarms are expected with so many photos, of which as large a share as now has scores.

    The rate jumps by one score at each multiple of one over the target; the band is drawn through these, where it is the target
    on average.
    """
    share = 1.0 if curve.points else curve.whole.scores / curve.photos
    above = round(photos * share * curve.target_fpr)
    scores = round(above / curve.target_fpr) - 1 if above else round(photos * share)
    return expected_false_alarms(max(2, scores), curve.target_fpr, CONFIDENCE)


def _rates(panel: _Panel, curve: LearningCurve, first: int, last: int) -> Iterator[Markup]:
    numbers = sorted({round(float(number)) for number in np.geomspace(first, last, _STEPS)})
    bounds = [_expected(curve, number) for number in numbers]
    edge = [panel.place(number, high) for number, (_, high) in zip(numbers, bounds, strict=True)]
    edge += [panel.place(number, low) for number, (low, _) in reversed(list(zip(numbers, bounds, strict=True)))]
    yield element("path", d=f"M{'L'.join(edge)}Z", class_="area image")
    yield _line([panel.place(number, curve.target_fpr) for number in (first, last)], "chance")
    for point in curve.points:
        for rate in point.rates:
            yield panel.dot(point.photos, rate)


def _found(panel: _Panel, curve: LearningCurve, last: int) -> Iterator[Markup]:
    law = curve.law
    if law is not None:
        share: Callable[[float], float] = law.share
        numbers = np.geomspace(law.photos[0], min(last, FARTHEST * curve.photos), _STEPS)
        yield _line([panel.place(number, share(number)) for number in numbers], "pixel")
    yield _line([panel.place(point.photos, point.share_found) for point in curve.points], "image")
    for point in curve.points:
        x = f"{panel.x(point.photos):.1f}"
        low, high = (f"{panel.y(bound):.1f}" for bound in point.found_interval)
        yield element("line", x1=x, x2=x, y1=low, y2=high, class_="span")
        yield panel.dot(point.photos, point.share_found)


def _counts(panel: _Panel, curve: LearningCurve, bottom: float) -> Iterator[Markup]:
    """The axis of photos: what was measured, what there is and what is needed, as far as there is room."""
    wanted = [curve.photos, *([curve.photos_needed] if curve.photos_needed > curve.photos else [])]
    taken: list[float] = []
    for number in [*wanted, *(point.photos for point in reversed(curve.points)), panel.photos[1] / 1.1]:
        x = panel.x(number)
        if all(abs(x - other) > 30 for other in taken):
            taken.append(x)
            yield element("text", f"{round(number):,}", x=f"{x:.1f}", y=bottom + 18, text_anchor="middle")
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield element("text", "photos of good parts", x=middle, y=bottom + 38, text_anchor="middle")


def _line(places: Sequence[str], kind: str) -> Markup:
    return element("path", d=f"M{'L'.join(places)}", class_=f"curve {kind}")


def _round_up(value: float) -> float:
    """The next of 0.4, 0.8, 1.2, 2, 4, 8 … times a power of ten: quarters of it are round."""
    steps: Iterable[float] = (step * 10.0**power for power in range(-6, 1) for step in (1.2, 2.0, 4.0, 8.0))
    return min(1.0, next((step for step in steps if step >= value), 1.0))


def _description(curve: LearningCurve) -> str:
    low, high = curve.whole.false_alarms
    points = [
        f"{point.photos} photos: {100 * point.false_alarms / point.left_out:.1f} % false alarms, "
        f"{100 * point.share_found:.0f} % found."
        for point in curve.points
    ]
    expected = f"{curve.photos} photos: {100 * low:.1f} to {100 * high:.1f} % false alarms expected."
    return " ".join([*points, expected])
