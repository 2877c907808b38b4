"""How small a defect the model finds, told from good parts alone."""

from __future__ import annotations

from paddlex.evaluation.analyses.subject import Subject
from paddlex.evaluation.detectability import Detectability, measure_detectability
from paddlex.utils.progress import progress

_MOST_PHOTOS = 20


def analyse(subject: Subject) -> Detectability:
    """Draw defects on good parts, and count those that are found."""
    chosen = subject.spread(_MOST_PHOTOS)
    images = (sample.read() for sample in progress(chosen, "Detectability"))
    return measure_detectability(subject.predictor, images, seed=subject.seed)
