"""What good parts alone tell about a model: the analyses that ``Evaluate.analyses`` chooses from."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from paddlex.errors import PaddleXError
from paddlex.evaluation.analyses.subject import Finding, NotMade, Subject
from paddlex.utils.logging import logger

__all__ = ["ANALYSES", "Analysis", "Finding", "NotMade", "Subject", "analyse"]

#: Looks at a model and says what it found. It raises a ``PaddleXError`` where that cannot be done, and shows its progress with
#: ``utils.progress``.
Analysis = Callable[[Subject], Finding]

#: Word of ``Evaluate.analyses`` -> "module:function", an ``Analysis`` that is imported when it is asked for.
ANALYSES = {
    "detectability": "paddlex.evaluation.analyses.detectability:analyse",
    "robustness": "paddlex.evaluation.analyses.robustness:analyse",
    "learning_curve": "paddlex.evaluation.analyses.learning_curve:analyse",
}


def analyse(
    names: Iterable[str], subject: Subject, more: Mapping[str, Analysis] | None = None
) -> dict[str, Finding | NotMade]:
    """Make the analyses that are asked for, one after the other.

    Args:
        names: words of ``ANALYSES`` or ``more``; one that stands twice is made once.
        subject: what is looked at.
        more: analyses that live elsewhere, because they fit models.

    Returns:
        name -> what was found, in the order of ``names``. One that cannot be made says why, and the others are made.
    """
    found: dict[str, Finding | NotMade] = {}
    for name in dict.fromkeys(names):
        analysis = (more or {}).get(name) or _resolved(ANALYSES[name])
        try:
            found[name] = analysis(subject)
        except (PaddleXError, OSError, MemoryError) as error:
            found[name] = NotMade(" ".join(str(error).split()) or type(error).__name__)
        for sentence in found[name].words():
            logger.info("%s: %s", name, sentence)
    return found


def _resolved(reference: str) -> Analysis:
    module, _, function = reference.partition(":")
    return cast(Analysis, getattr(importlib.import_module(module), function))
