"""Charts: every image in the right bar on the right side, points where they belong, well-formed SVG."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from paddlex.evaluation.report.charts import (
    BINS,
    Axis,
    Group,
    Line,
    _bin_counts,
    curve_chart,
    histogram,
)


def group(scores, called, kind="normal"):
    return Group(np.array(scores, float), np.array(called, bool), kind, "left", "right")


def elements(svg, name, class_):
    return [item for item in ElementTree.fromstring(svg).iter(name) if item.get("class") == class_]


class TestHistogram:
    def test_each_image_is_in_one_bar(self):
        counts = _bin_counts(group([0.0, 0.1, 0.49, 0.51, 1.0], [0, 0, 0, 1, 1]))
        assert counts.sum() == 5
        assert counts.size == BINS

    @pytest.mark.parametrize(("called", "bar"), [(False, BINS // 2 - 1), (True, BINS // 2)])
    def test_a_score_at_the_threshold_is_on_the_side_of_its_decision(self, called, bar):
        assert _bin_counts(group([0.5], [called]))[bar] == 1

    def test_bars_of_wrong_decisions_are_hatched(self):
        normal, anomalous = group([0.2, 0.2, 0.8], [0, 0, 1]), group([0.3, 0.9, 0.97], [0, 1, 1], "anomalous")
        svg = histogram("Scores", "text", normal, anomalous)
        assert len(elements(svg, "rect", "edge normal")) == 1
        assert len(elements(svg, "rect", "edge anomalous")) == 1
        assert len(elements(svg, "rect", "fill anomalous")) == 3

    def test_a_kind_without_images_has_an_empty_panel(self):
        svg = histogram("Scores", "text", group([], []), group([0.3], [0], "anomalous"))
        assert elements(svg, "rect", "fill normal") == []

    def test_texts_are_escaped(self):
        svg = histogram("<b>", "a & b", group([0.1], [0]), group([0.1], [0]))
        assert ElementTree.fromstring(svg).find("title").text == "<b>"


class TestCurveChart:
    def chart(self, *lines, end=1.0, mark=None):
        return curve_chart("ROC curve", "text", Axis("x", end, (0, end)), Axis("y"), lines, mark=mark)

    def points(self, svg):
        path = elements(svg, "path", "curve image")[0].get("d")
        return [tuple(map(float, pair.split(","))) for pair in re.findall(r"[ML]([\d.]+,[\d.]+)", path)]

    def test_a_line_goes_from_corner_to_corner(self):
        (left, bottom), (right, top) = self.points(self.chart(Line(np.array([0, 1]), np.array([0, 1]), "image")))
        assert left < right
        assert bottom > top  # SVG counts downwards

    def test_a_stepwise_line_keeps_each_height_up_to_its_point(self):
        points = self.points(self.chart(Line(np.array([0.5, 1.0]), np.array([1.0, 0.5]), "image", stepwise=True)))
        assert [x for x, _ in points] == [46, 207, 207, 368]
        assert points[0][1] == points[1][1] < points[2][1] == points[3][1]

    def test_a_line_ends_at_the_end_of_the_axis(self):
        whole = Line(np.array([0, 1]), np.array([0, 1]), "image")
        *_, last = self.points(self.chart(whole, end=0.5))
        full = self.points(self.chart(whole))
        assert last == (full[1][0], (full[0][1] + full[1][1]) / 2)

    def test_the_mark_is_where_the_decision_is(self):
        (mark,) = elements(self.chart(mark=(0.5, 0.5)), "circle", "mark")
        assert (mark.get("cx"), mark.get("cy")) == ("207.0", "163.0")

    def test_the_chart_is_named_for_those_who_do_not_see_it(self):
        svg = ElementTree.fromstring(self.chart())
        assert svg.get("role") == "img"
        assert [svg.find(f"*[@id='{key}']").text for key in svg.get("aria-labelledby").split()] == ["ROC curve", "text"]
