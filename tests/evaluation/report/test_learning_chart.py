"""What the charts of a learning curve draw, and where; the section around them."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from paddlex.evaluation.analyses.learning_curve import LearningCurve
from paddlex.evaluation.analyses.learning_curve.fits import Certainty, Point
from paddlex.evaluation.analyses.learning_curve.law import Law
from paddlex.evaluation.report.findings import finding_sections
from paddlex.evaluation.report.learning_chart import learning_chart


def certainty(photos: int) -> Certainty:
    return Certainty(photos, photos, 10.0, (9.0, 11.0), "distribution-free", (0.03, 0.07))


@pytest.fixture
def curve() -> LearningCurve:
    points = tuple(
        Point(
            certainty(photos), (1.0, 2.0, 3.0), (0.0, 0.1), 5, 100, found, 100, (found / 100 - 0.1, found / 100 + 0.1)
        )
        for photos, found in ((20, 50), (40, 60), (80, 70), (160, 75))
    )
    return LearningCurve(0.05, certainty(200), points, Law((40, 80, 160), 0.8, 0.5, (0.2, 0.7)), 219)


def drawn(curve: LearningCurve) -> ElementTree.Element:
    return ElementTree.fromstring(str(learning_chart(curve)))


def of_class(svg: ElementTree.Element, class_: str) -> list[ElementTree.Element]:
    return [one for one in svg.iter() if one.get("class") == class_]


def test_each_fit_has_a_point_above_and_each_number_of_photos_one_below(curve) -> None:
    dots = of_class(drawn(curve), "mark")
    assert len(dots) == 4 * 2 + 4
    places = [float(dot.get("cx")) for dot in dots]
    assert len(set(places)) == 4
    assert np.diff(sorted(set(places))) == pytest.approx(
        [np.diff(sorted(set(places)))[0]] * 3, abs=0.2
    )  # doubled each time


def test_shares_stand_at_their_height_between_none_and_all(curve) -> None:
    svg = drawn(curve)
    zero, whole = (
        next(float(one.get("y")) - 4 for one in svg.iter("text") if one.text == text and float(one.get("y")) > 240)
        for text in ("0\N{NO-BREAK SPACE}%", "100\N{NO-BREAK SPACE}%")
    )
    heights = [float(dot.get("cy")) for dot in of_class(svg, "mark")[-4:]]
    assert [(zero - height) / (zero - whole) for height in heights] == pytest.approx([0.5, 0.6, 0.7, 0.75], abs=2e-3)


def test_what_there_is_and_what_is_needed_are_marked_and_labelled(curve) -> None:
    svg = drawn(curve)
    assert len(of_class(svg, "threshold")) == len(of_class(svg, "guide")) == 2
    labels = {one.text for one in svg.iter("text")}
    assert {"200", "20", "40", "80"} <= labels  # 160 and 219 would stand in others


def test_without_fits_the_expected_false_alarms_alone_are_drawn() -> None:
    svg = drawn(LearningCurve(0.05, certainty(200), (), None, 219, "it takes too long"))
    assert len(of_class(svg, "area image")) == 1 and not of_class(svg, "mark")
    assert not any(one.text == "Drawn defects that are found" for one in svg.iter("text"))


@pytest.mark.parametrize("target", [0.5, 0.05, 0.001])
def test_everything_lies_within_the_chart(curve, target: float) -> None:
    svg = drawn(LearningCurve(target, curve.whole, curve.points, curve.law, 100_000))
    width, height = (float(value) for value in svg.get("viewBox").split()[2:])
    for path in svg.iter("path"):
        numbers = np.array(re.findall(r"-?[\d.]+", path.get("d")), float).reshape(-1, 2)
        assert (numbers >= 0).all() and (numbers <= (width, height)).all()


def test_the_section_has_the_answer_the_chart_and_a_row_for_each_number_of_photos(curve) -> None:
    (section,) = finding_sections({"learning_curve": curve})
    assert section.title == "Are there enough good parts?"
    body = str(section.body)
    assert curve.words()[0] in body and "<svg" in body
    assert len(re.findall('<th scope="row">', body)) == 5
    assert "5 of 100" in body and "200 (all)" in body
