"""The report that is signed before a line starts: one file, made to be printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from paddlex.evaluation.numbers import NOT_MEASURABLE, rate, share
from paddlex.evaluation.qualification.proof import CONFIDENCE, Counted, sample_table
from paddlex.evaluation.qualification.qualification import Qualification
from paddlex.evaluation.report.findings import finding_sections
from paddlex.evaluation.report.rendering import Section, render

_FOLDER = "evaluation/qualification/templates"


@dataclass(frozen=True)
class KeyFigure:
    """One of the first page's figures, see the macro ``key_figures``."""

    name: str
    value: str
    spread: str
    meaning: str


def page(qualification: Qualification, *, title: str, about: Mapping[str, str]) -> Markup:
    """The whole file.

    Args:
        qualification: the figures.
        title: of the page.
        about: what was qualified, a name and a value each.
    """
    q = qualification
    sections = [
        _section("summary", "What was found", words=_first_words(q), figures=_key_figures(q)),
        _section(
            "challenge", "Parts that must be found", "counted",
            caption="Parts that are missed", sentences=q.challenge_words(), pictures=q.missed_pictures,
        ),
        _section(
            "good", "False alarms", "counted",
            caption="Good parts that are rejected", sentences=q.good_words(), pictures=q.alarmed_pictures,
        ),
        _section("repeatability", "The same part again", sentences=q.repeatability_words(), repeatability=q.repeatability),
        _section("agreement", "People beside the model", sentences=q.agreement_words(), attributes=q.attributes),
        *([] if q.detectability is None else finding_sections({"detectability": q.detectability})),
        _section(
            "proof", "How many parts prove what", confidence=share(CONFIDENCE),
            rows=[(share(most), [f"{number:,}" for number in numbers]) for most, numbers in sample_table()],
        ),
        _section("signatures", "Signatures"),
    ]  # fmt: skip
    return render(f"{_FOLDER}/qualification.html", title=title, about=about, sections=sections)


def _section(name: str, title: str, template: str = "", **values: object) -> Section:
    return Section(name, title, title, render(f"{_FOLDER}/{template or name}.html", **values))


def _first_words(qualification: Qualification) -> str:
    missed, alarms = qualification.missed, qualification.false_alarms
    parts = []
    if missed is not None:
        found = Counted(missed.total - missed.count, missed.total)
        parts.append(f"{found} challenge parts are found")
    if alarms is not None:
        parts.append(f"{alarms} good parts are rejected")
    if (repeated := qualification.repeatability) is not None:
        parts.append(f"{repeated.changed} verdicts change when the part comes again")
    text = ", ".join(parts) or "the study has neither challenge parts nor good ones"
    return f"{text[0].upper()}{text[1:]}."


def _key_figures(qualification: Qualification) -> list[KeyFigure]:
    q = qualification
    missed, alarms, repeated = q.missed, q.false_alarms, q.repeatability
    return [
        KeyFigure(
            "Missed", NOT_MEASURABLE if missed is None else str(missed), "" if missed is None else missed.proves("missed"),
            "of the parts that must be found",
        ),
        KeyFigure(
            "False alarms", NOT_MEASURABLE if alarms is None else str(alarms),
            "" if alarms is None else " to ".join(map(rate, alarms.interval)),
            "of good parts that are new to the model",
        ),
        KeyFigure(
            "Verdicts that change", NOT_MEASURABLE if repeated is None else str(repeated.changed),
            "" if repeated is None else repeated.changed.proves("change"),
            "of parts that are judged again and again",
        ),
    ]  # fmt: skip
