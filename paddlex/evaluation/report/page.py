"""The page: which sections it has, and what each of them is given to print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from paddlex.evaluation.evaluator import Evaluation
from paddlex.evaluation.report import figures, tables, words
from paddlex.evaluation.report.gallery import Pictured, colour_scale
from paddlex.evaluation.report.rendering import Section, render, section
from paddlex.inference.calibration import Calibration


def page(
    evaluation: Evaluation, gallery: Sequence[Pictured], *, title: str, about: Mapping[str, str],
    calibration: Calibration | None, more: Sequence[Section] = (),
) -> Markup:  # fmt: skip
    """The whole file.

    Args:
        evaluation: the figures.
        gallery: its chapters.
        title: of the page.
        about: what was measured, a name and a value each.
        calibration: the model's; None for a model without.
        more: sections that stand before the gallery.
    """
    sections = [
        section(
            "summary", "Summary", headline=words.headline(evaluation), figures=words.key_figures(evaluation),
            thresholds=words.thresholds(evaluation, calibration), remarks=words.notes(evaluation),
        ),
        section("scores", "Scores", histogram=figures.score_chart(evaluation)),
        *(_about_defects(evaluation) if words.Counts.of(evaluation).anomalous else ()),
        *more,
        section("gallery", "Gallery", chapters=gallery, scale=colour_scale()),
    ]  # fmt: skip
    return render("report.html", title=title, about=about, sections=sections)


def _about_defects(evaluation: Evaluation) -> list[Section]:
    """What says nothing, at length, where there is not one defective part."""
    curves = [figures.roc(evaluation), figures.precision_recall(evaluation), figures.per_region_overlap(evaluation)]
    return [
        section("curves", "Curves over all thresholds", link="Curves", curves=curves),
        section(
            "images", "Decisions about images", link="Images", counts=words.Counts.of(evaluation),
            figures=tables.image_figures(evaluation),
        ),
        section(
            "pixels", "Outlines: decisions about pixels", link="Pixels", figures=tables.pixel_figures(evaluation),
            accuracy=tables.accuracy(evaluation),
        ),
        section(
            "types", "Defect types", types=tables.defect_types(evaluation), reason=words.missing_images(evaluation)
        ),
    ]  # fmt: skip
