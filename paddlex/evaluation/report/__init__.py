"""evaluate/report.html: an evaluation for people, one file that opens anywhere without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from paddlex.evaluation.evaluator import Evaluation
from paddlex.evaluation.report.gallery import choose, gallery
from paddlex.evaluation.report.page import page
from paddlex.evaluation.report.rendering import Section
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.utils.files import write_text

__all__ = ["write_report"]


def write_report(
    evaluation: Evaluation, predictor: AnomalyPredictor, path: Path, *, title: str, about: Mapping[str, str],
    more: Sequence[Section] = (),
) -> None:  # fmt: skip
    """Write the report, atomically. It links to ``per_image.csv`` in its own folder, and to nothing else.

    Its size does not grow with the number of images: the gallery shows the most telling ones only.

    Args:
        evaluation: what ``evaluator.evaluate`` found.
        predictor: the model it was found with; it predicts the gallery's images once more, for their maps.
        path: where to, ending in ``.html``.
        title: of the page.
        about: what was measured, a name and a value each: the model, the weights, the data set.
        more: sections of analyses, before the gallery.

    Raises:
        ImageReadError: an image or a mask of the gallery that cannot be read any more.
    """
    pictures = gallery(predictor, choose(evaluation.rows))
    calibration = predictor.folder.calibration
    write_text(path, page(evaluation, pictures, title=title, about=about, calibration=calibration, more=more))
