"""The section on light and camera: a chart and a sentence of each disturbance, and a table of what is stood."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from paddlex.evaluation.analyses.disturbances import DISTURBANCES
from paddlex.evaluation.analyses.robustness import Robustness
from paddlex.evaluation.analyses.standing import Standing, Withstood
from paddlex.evaluation.report.findings import finding_sections

BRIGHTNESS = DISTURBANCES[0]
NBSP = "\N{NO-BREAK SPACE}"


def standing(number: int, counts: dict[float, int], found: dict[float, int]) -> Standing:
    levels = {strength: np.arange(20) < count for strength, count in counts.items()}
    return Standing(BRIGHTNESS.directions[number], levels, 0.1, found, 10)


def robustness(undisturbed: int = 0) -> Robustness:
    darker = standing(0, {0: undisturbed, 8: 2, 12: 20}, {8: 9})
    brighter = standing(1, {0: undisturbed, 8: 0, 128: 0}, {128: 3, 8: 8})
    return Robustness(20, undisturbed, 0.05, 0.1, (12, 10), [Withstood(BRIGHTNESS, [darker, brighter])], ["A <note>."])


def section_of(found: Robustness) -> tuple[str, ElementTree.Element]:
    (section,) = finding_sections({"robustness": found})
    return section.title, ElementTree.fromstring(f"<section>{section.body.replace('&nbsp;', NBSP)}</section>")


def text_of(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split(" "))


def test_the_table_says_what_is_stood_how_sure_that_is_what_is_too_much_and_what_is_found() -> None:
    _, tree = section_of(robustness())
    rows = [[text_of(cell).strip() for cell in row] for row in tree.iter("tr")]
    assert rows[1:] == [
        ["Brightness, darker", f"8{NBSP}%", "0 to 8", f"12{NBSP}%: 100{NBSP}% (83 to 100{NBSP}%)", "9 of 10"],
        ["Brightness, brighter", f"128{NBSP}%, the most that was tried", "128 or more", "", "3 of 10"],
    ]


def test_each_disturbance_has_a_chart_with_its_sentence_and_where_defects_are_lost_is_marked() -> None:
    title, tree = section_of(robustness())
    charts = [svg for svg in tree.iter("svg") if svg.get("class") == "chart"]
    sentence = robustness().words()[0]
    assert title == "How much may light and camera change?"
    assert len(charts) == 1 and charts[0].find("desc").text == sentence
    assert sentence.endswith(
        f"at 128{NBSP}% (brighter) the model finds 3 of the 10 drawn defects that it finds otherwise."
    )
    assert len([area for area in charts[0].iter("rect") if area.get("class") == "lost"]) == 1
    assert text_of(tree.find("p")) == sentence and "A <note>." in text_of(tree)
    caption = f"Brightness. The light may become 8{NBSP}% darker or 128{NBSP}% brighter (the most that was tried). But defects"
    assert text_of(tree.find(".//figcaption")).startswith(caption)


def test_where_good_parts_fail_as_they_are_nothing_is_shaded_and_the_page_says_so() -> None:
    _, tree = section_of(robustness(undisturbed=3))
    assert text_of(tree.find("p")).startswith("Without any change 3 of 20 good parts")
    assert not [area for area in tree.iter("rect") if area.get("class") == "stands" and area.get("width") != "24"]
    assert [text_of(row[1]) for row in tree.iter("tr")][1:] == ["nothing", "nothing"]
