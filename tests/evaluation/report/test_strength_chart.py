"""Shares are where they belong, what is stood is shaded, and texts are escaped."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from paddlex.evaluation.metrics import share_interval
from paddlex.evaluation.report.strength_chart import StrengthChart

LEFT, END, TOP, BOTTOM = 46, 366, 14, 220  # of the frame, in the chart's units

CHART = StrengthChart(
    points=[(-4, 20), (-1, 5), (0, 0), (4, 0), (16, 20)], total=20, target=0.05, limit=0.1,
    stands=(-1, 4), blind=[(4, 1)], left="darker", right="brighter", unit="%",
)  # fmt: skip


def elements(chart: StrengthChart, name: str, class_: str) -> list[ElementTree.Element]:
    tree = ElementTree.fromstring(chart.svg("Brightness", "text"))
    return [item for item in tree.iter(name) if item.get("class") == class_]


def across(strength: float) -> float:
    """The roots of -4 to 16 are -2 to 4."""
    return LEFT + (END - LEFT) * (abs(strength) ** 0.5 * (1 if strength >= 0 else -1) + 2) / 6


def up(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share**0.5


def corners(path: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", path.get("d"))]


def test_points_and_line_are_at_the_roots_of_strengths_and_shares() -> None:
    expected = [(across(x), up(count / 20)) for x, count in CHART.points]
    circles = [(float(one.get("cx")), float(one.get("cy"))) for one in elements(CHART, "circle", "fill normal")]
    (line,) = elements(CHART, "path", "curve image")
    for found in (circles, corners(line)):
        assert [value for point in found for value in point] == pytest.approx(
            [value for point in expected for value in point], abs=0.06
        )


def test_the_band_is_the_interval_of_each_share() -> None:
    (band,) = elements(CHART, "path", "area image")
    heights = [y for _, y in corners(band)]
    highs = [up(share_interval(count, 20)[1]) for _, count in CHART.points]
    lows = [up(share_interval(count, 20)[0]) for _, count in reversed(CHART.points)]
    assert heights == pytest.approx([*highs, *lows], abs=0.06)


@pytest.mark.parametrize(("kind", "start", "end"), [("stands", -1, 4), ("lost", 1, 4)])
def test_what_is_stood_is_shaded_and_where_defects_are_lost_again(kind: str, start: float, end: float) -> None:
    (area,) = elements(CHART, "rect", kind)
    assert float(area.get("x")) == pytest.approx(across(start), abs=0.06)
    assert float(area.get("width")) == pytest.approx(across(end) - across(start), abs=0.11)


def test_nothing_is_shaded_where_nothing_is_stood() -> None:
    nothing = replace(CHART, stands=None, blind=[])
    assert elements(nothing, "rect", "stands") == elements(nothing, "rect", "lost") == []


@pytest.mark.parametrize(("kind", "share"), [("guide", 0.05), ("threshold", 0.1)])
def test_the_target_and_twice_the_target_are_lines(kind: str, share: float) -> None:
    (line,) = elements(CHART, "line", kind)
    assert float(line.get("y1")) == float(line.get("y2")) == pytest.approx(up(share), abs=0.06)


def test_the_numbers_below_are_round_strengths_and_do_not_touch() -> None:
    tree = ElementTree.fromstring(CHART.svg("Brightness", "text"))
    numbers = sorted((float(item.get("x")), float(item.text)) for item in tree.iter("text") if item.get("y") == "237")
    places = [place for place, _ in numbers]
    assert [number for _, number in numbers] == [2, 0.5, 0, 0.5, 2, 5, 10]
    assert min(after - before for before, after in pairwise(places)) >= 26


def test_texts_are_escaped() -> None:
    tree = ElementTree.fromstring(replace(CHART, left="<b>").svg("<i>", "a & b"))
    assert tree.find("title").text == "<i>" and "\N{LEFTWARDS ARROW} <b>" in [item.text for item in tree.iter("text")]
