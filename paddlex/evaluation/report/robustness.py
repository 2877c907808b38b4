"""How a model stands changes of light and camera, for the report: a small chart of each disturbance, and a table."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from paddlex.evaluation.analyses.robustness import Robustness
from paddlex.evaluation.analyses.robustness_words import how_sure, words
from paddlex.evaluation.analyses.standing import Standing, Withstood
from paddlex.evaluation.metrics import share_interval
from paddlex.evaluation.numbers import percent, share
from paddlex.evaluation.report.strength_chart import StrengthChart


@dataclass(frozen=True)
class Panel:
    """One disturbance.

    Attributes:
        name: what it is called.
        chart: SVG.
        caption: what it means.
    """

    name: str
    chart: Markup
    caption: str


def values(robustness: Robustness) -> dict[str, object]:
    """What templates/sections/robustness.html prints."""
    return {
        "photos": robustness.photos,
        "limit": share(robustness.limit),
        "target": share(robustness.target_fpr),
        "panels": [_panel(one, robustness) for one in robustness.withstood],
        "rows": [_row(one, standing) for one in robustness.withstood for standing in one.standings],
        "remarks": [how_sure(robustness), *robustness.notes] if robustness.is_stood else robustness.notes,
        "has_blind": any(one.is_blind_from for withstood in robustness.withstood for one in withstood.standings),
    }


def _panel(withstood: Withstood, robustness: Robustness) -> Panel:
    signed = list(zip((1, -1) if len(withstood.standings) == 1 else (-1, 1), withstood.standings, strict=False))
    points = {
        sign * strength: int(standing.levels[strength].sum())
        for sign, standing in signed
        for strength in standing.strengths
    }
    ends = [sign * (standing.stands_up_to or 0.0) for sign, standing in signed]
    blind = [
        (sign * standing.is_blind_from, sign * standing.stands_up_to)
        for sign, standing in signed
        if standing.is_blind_from and standing.stands_up_to
    ]
    chart = StrengthChart(
        points=sorted(points.items()),
        total=robustness.photos,
        target=robustness.target_fpr,
        limit=robustness.limit,
        stands=(min(0.0, *ends, 0.0), max(0.0, *ends, 0.0)) if robustness.is_stood else None,
        blind=blind,
        left=signed[0][1].direction.name if len(signed) == 2 else "",
        right=signed[-1][1].direction.name,
        unit=withstood.disturbance.unit,
    )
    caption, told = "", "More than may be, undisturbed."
    if robustness.is_stood:
        caption, told = (" ".join(words(withstood, limit)) for limit in (None, share(robustness.limit)))
    name = _name(withstood)
    return Panel(name, chart.svg(f"{name}: good parts called defective", told), caption)


def _name(withstood: Withstood) -> str:
    return withstood.disturbance.name.capitalize()


def _row(withstood: Withstood, standing: Standing) -> list[str]:
    """What changes, how far it may, how sure that is, what is too much, and what becomes of defects."""
    name = _name(withstood) + (f", {standing.direction.name}" if len(withstood.standings) > 1 else "")
    stands, failure = standing.stands_up_to, standing.first_failure
    if stands is None:
        return [name, "nothing", "", _called(standing, 0.0), ""]
    low, high = standing.interval()
    spread = f"{low:.3g} or more" if high is None else f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    return [
        name,
        withstood.amount(stands) + ("" if failure is not None else ", the most that was tried"),
        spread,
        "" if failure is None else f"{withstood.amount(failure)}: {_called(standing, failure)}",
        f"{standing.found[stands]} of {standing.drawn}" if stands in standing.found else "",
    ]


def _called(standing: Standing, strength: float) -> str:
    called, total = int(standing.levels[strength].sum()), len(standing.levels[strength])
    low, high = share_interval(called, total)
    return f"{percent(called, total)} ({100 * low:.0f} to {100 * high:.0f}\N{NO-BREAK SPACE}%)"
