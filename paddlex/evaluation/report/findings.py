"""A section for each analysis: what it found in words, and below them whatever chart, tables and pictures it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from paddlex.evaluation.analyses.subject import Finding, NotMade
from paddlex.evaluation.report import detectability, learning_curve, robustness
from paddlex.evaluation.report.rendering import Section, section

#: Analysis -> the heading of its section, and what the list of sections calls it.
HEADINGS = {
    "detectability": ("How small a defect would it find?", "Smallest defects"),
    "robustness": ("How much may light and camera change?", "Light and camera"),
    "learning_curve": ("Are there enough good parts?", "Enough photos"),
}

#: Analysis -> what templates/sections/<analysis>.html prints besides ``sentences``, made of the finding; one that is not here
#: has no template, and its sentences alone are shown.
VALUES: dict[str, Callable[[Any], dict[str, object]]] = {
    "detectability": detectability.values,
    "robustness": robustness.values,
    "learning_curve": learning_curve.values,
}


def finding_sections(findings: Mapping[str, Finding | NotMade]) -> list[Section]:
    """The sections, in the order given."""
    return [_section(name, finding) for name, finding in findings.items()]


def _section(name: str, finding: Finding | NotMade) -> Section:
    title, link = HEADINGS.get(name, (name, name))
    if isinstance(finding, NotMade) or name not in VALUES:
        return section(name, title, link=link, template="words", sentences=finding.words())
    values: dict[str, Any] = VALUES[name](finding)
    return section(name, title, link=link, sentences=finding.words(), **values)
