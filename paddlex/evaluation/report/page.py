"""The page: its sections, filled into the template."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import numpy as np

from paddlex.evaluation.evaluator import Evaluation
from paddlex.evaluation.metrics import Curve
from paddlex.evaluation.report import tables, words
from paddlex.evaluation.report.charts import Axis, Group, Line, curve_chart, histogram
from paddlex.evaluation.report.frame import framed_page
from paddlex.evaluation.report.gallery import legend
from paddlex.evaluation.report.markup import Html, Node, describe, join, tag
from paddlex.evaluation.report.numbers import NOT_MEASURABLE, count, figure
from paddlex.inference.calibration import Calibration

_PRO_END = 0.3


def page(
    evaluation: Evaluation, gallery: Html, *, title: str, about: Mapping[str, str], calibration: Calibration | None
) -> str:
    """The whole file.

    Args:
        evaluation: the figures.
        gallery: its chapters.
        title: of the page.
        about: what was measured, a name and a value each.
        calibration: the model's; None for a model without.
    """
    return framed_page(
        join(title),
        (files(__package__) / "report.html").read_text(encoding="utf-8"),
        img_src="data:",
        about=describe([(name, value) for name, value in about.items()], class_="about"),
        headline=join(words.headline(evaluation)),
        key_figures=_key_figures(evaluation),
        thresholds=join(*(tag("p", sentence) for sentence in words.thresholds(evaluation, calibration))),
        notes=_notes(evaluation),
        scores=_scores(evaluation),
        curves=_curves(evaluation),
        images=join(tables.confusion_table(evaluation), tables.image_table(evaluation)),
        pixels=tables.pixel_table(evaluation),
        types=tables.type_table(evaluation),
        gallery=_gallery(gallery),
    )


def _key_figures(evaluation: Evaluation) -> Html:
    figures = [
        tag(
            "div",
            tag("dt", item.name),
            tag("dd", item.value, class_="value missing" if item.value == NOT_MEASURABLE else "value"),
            tag("dd", item.spread, class_="spread"),
            tag("dd", item.meaning, class_="meaning"),
        )
        for item in words.key_figures(evaluation)
    ]
    return tag("dl", *figures, class_="figures")


def _notes(evaluation: Evaluation) -> Html:
    notes = words.notes(evaluation)
    if not notes:
        return Html("")
    return tag("aside", tag("h3", "Please note"), tag("ul", *(tag("li", note) for note in notes)), class_="notes")


def _scores(evaluation: Evaluation) -> Html:
    groups = [_normal_scores(evaluation), _anomalous_scores(evaluation)]
    description = "Two histograms over the score from 0 to 1. " + " ".join(
        f"{group.kind.capitalize()} images: {group.left} {group.right}." for group in groups
    )
    caption = join(
        _key("fill normal"), " normal images (above) and ", _key("fill anomalous"), " anomalous images (below) by score. ",
        _key("hatched"), " Hatched bars are wrong decisions. Further apart is better. A score of 0.25 is what the model "
        "takes for typical of a normal image; 0.75 is as far above the threshold.",
    )  # fmt: skip
    return _figure(histogram("Scores of normal and anomalous images", description, *groups), caption, "wide")


def _normal_scores(evaluation: Evaluation) -> Group:
    counts, scores = words.Counts.of(evaluation), words.normalised_scores(evaluation, anomalous=False)
    if not counts.normal:
        return Group(*scores, "normal", "no normal images", "")
    passed = count(counts.normal - counts.false_alarms, "good part")
    return Group(*scores, "normal", f"{passed} passed", count(counts.false_alarms, "false alarm"))


def _anomalous_scores(evaluation: Evaluation) -> Group:
    counts, scores = words.Counts.of(evaluation), words.normalised_scores(evaluation, anomalous=True)
    if not counts.anomalous:
        return Group(*scores, "anomalous", "no anomalous images", "")
    missed = count(counts.anomalous - counts.found, "defect")
    return Group(*scores, "anomalous", f"{missed} missed", f"{counts.found:,} found")


def _curves(evaluation: Evaluation) -> Html:
    meanings = {
        "curve image": "images", "curve pixel": "pixels", "curve chance": "guessing",
        "mark": "operating point: the model's own threshold",
    }  # fmt: skip
    key = tag("p", *(tag("span", _key(kind), f" {text}") for kind, text in meanings.items()), class_="key")
    return join(key, tag("div", _roc(evaluation), _precision_recall(evaluation), _pro(evaluation), class_="charts"))


def _roc(evaluation: Evaluation) -> Html:
    image, pixel, decisions = evaluation.image, evaluation.pixel, evaluation.image.confusion
    if image.roc_curve is None and pixel.roc_curve is None:
        return _absent("ROC", words.missing_images(evaluation))
    mark = None
    if image.roc_curve is not None and decisions.false_positive_rate is not None and decisions.recall is not None:
        mark = decisions.false_positive_rate, decisions.recall
    chance = Line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), "chance")
    text = f"Area: images {figure(image.auroc)}, pixels {figure(pixel.auroc)}."
    chart = curve_chart(
        "ROC curve", text, Axis("false-positive rate"), Axis("true-positive rate"),
        [chance, *_lines(pixel=pixel.roc_curve, image=image.roc_curve)], mark=mark,
    )  # fmt: skip
    return _figure(chart, join(tag("b", "ROC."), " What is found against what it costs in false alarms. ", text))


def _precision_recall(evaluation: Evaluation) -> Html:
    image, pixel, decisions = evaluation.image, evaluation.pixel, evaluation.image.confusion
    curves = {"pixel": pixel.precision_recall_curve, "image": image.precision_recall_curve}
    if not any(curves.values()):
        return _absent("Precision and recall", words.missing_images(evaluation))
    lines, mark = _lines(**curves, stepwise=True), None
    if image.precision_recall_curve is not None:
        counts = words.Counts.of(evaluation)
        level = counts.anomalous / (counts.anomalous + counts.normal)
        lines = [Line(np.array([0.0, 1.0]), np.array([level, level]), "chance"), *lines]
        if decisions.recall is not None and decisions.precision is not None:
            mark = decisions.recall, decisions.precision
    text = f"Average precision: images {figure(image.average_precision)}, pixels {figure(pixel.average_precision)}."
    chart = curve_chart("Precision-recall curve", text, Axis("recall"), Axis("precision"), lines, mark=mark)
    return _figure(
        chart, join(tag("b", "Precision and recall."), " How many alarms are right while more is found. ", text)
    )


def _pro(evaluation: Evaluation) -> Html:
    pixel = evaluation.pixel
    if pixel.pro_curve is None:
        return _absent("Per-region overlap", words.missing_pixels(evaluation))
    at_threshold = _point_at(pixel.pro_curve, evaluation.limits.pixel.threshold)
    text = f"AUPRO: {figure(pixel.aupro_30)} up to 0.3, {figure(pixel.aupro_05)} up to 0.05 (the upright line)."
    chart = curve_chart(
        "PRO curve", text, Axis("false-positive rate of pixels", _PRO_END, (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)),
        Axis("per-region overlap"), [Line(pixel.pro_curve.x, pixel.pro_curve.y, "pixel", filled=True)],
        mark=at_threshold if at_threshold[0] <= _PRO_END else None, guides=[0.05],
    )  # fmt: skip
    note = " The point is the pixel threshold, before weak rims and specks are left out of the masks."
    return _figure(chart, join(tag("b", "PRO."), " The covered share of each defect, all regions alike. ", text, note))


def _point_at(curve: Curve, threshold: float) -> tuple[float, float]:
    """Where a curve is at a threshold, between its points by a straight line."""
    ascending = curve.thresholds[::-1]
    return tuple(float(np.interp(threshold, ascending, values[::-1])) for values in (curve.x, curve.y))  # type: ignore[return-value]


def _lines(stepwise: bool = False, **curves: Curve | None) -> list[Line]:
    return [Line(curve.x, curve.y, kind, stepwise) for kind, curve in curves.items() if curve is not None]


def _gallery(chapters: Html) -> Html:
    """The switch stands before the chapters, so that the style sheet alone can hide the outlines."""
    introduction = (
        "Each pair is the image and its heat map, both with the outlines. An image may be called normal although pixels in it "
        "are marked, and the other way round: images and pixels have thresholds of their own."
    )
    switch = tag("input", type="checkbox", id="outlines", checked=True)
    return join(
        tag("p", introduction),
        legend(),
        switch,
        tag("label", "Show the outlines", for_="outlines"),
        tag("div", chapters),
    )


def _figure(chart: Html, caption: Node, class_: str | None = None) -> Html:
    return tag("figure", chart, tag("figcaption", caption), class_=class_)


def _absent(name: str, reason: str | None) -> Html:
    return tag("figure", tag("p", f"{name}: {NOT_MEASURABLE}, because {reason}.", class_="missing"))


def _key(class_: str) -> Html:
    """A sample of a line or an area, for a caption."""
    if class_.startswith("curve"):
        shape: Html = tag("path", d="M1,6L25,6", class_=class_)
    elif class_ == "mark":
        shape = tag("circle", cx=13, cy=6, r=4.5, class_=class_)
    elif class_ == "hatched":
        shape = join(
            tag("rect", x=1, y=1, width=24, height=10, class_="fill anomalous"),
            tag("rect", x=1, y=1, width=24, height=10, fill="url(#hatching)", class_="edge anomalous"),
        )
    else:
        shape = tag("rect", x=1, y=1, width=24, height=10, class_=class_)
    return tag("svg", shape, viewBox="0 0 26 12", width=26, height=12, class_="sample", aria_hidden="true")
