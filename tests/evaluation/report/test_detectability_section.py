"""The section on how small a defect would be found: the figures of the finding, as a reader of the page sees them."""

import math
import re

import numpy as np
import pytest

from paddlex.evaluation.analyses.detectability_result import Detectability, Example, Row, WeakPlaces
from paddlex.evaluation.report.findings import finding_sections

LEVELS = (0.1, 0.2, 0.4)
PICTURE = np.zeros((20, 20, 3), np.uint8)


def row(kind: str, size: int, *counts: int) -> Row:
    """Of 20 defects so many are found at each of LEVELS."""
    needed = [level for level, more in zip(LEVELS, np.diff([0, *counts]), strict=True) for _ in range(more)]
    return Row(kind, size, LEVELS, (*needed, *[math.inf] * (20 - len(needed))))


@pytest.fixture(scope="module")
def body() -> str:
    finding = Detectability(
        rows=[row("spot", 5, 0, 1, 2), row("spot", 10, 0, 18, 20), row("missing", 5, 0, 0, 0), row("missing", 10, 20, 20, 20)],
        photos=20, pixels_per_mm=5.0, note=None,
        examples=[Example("spot", 5, 0.2, True, PICTURE, PICTURE, np.eye(20, dtype=bool))],
        places=WeakPlaces(np.array([[1.5, np.nan], [1.0, 0.7]]), PICTURE),
    )  # fmt: skip
    (section,) = finding_sections({"detectability": finding})
    assert (section.name, section.title) == ("detectability", "How small a defect would it find?")
    return str(section.body)


def test_the_sentences_are_those_of_the_finding(body: str) -> None:
    body = body.replace("\N{NO-BREAK SPACE}", " ")
    assert "90 % of spots of 10 px (2 mm) are found at a contrast of 20 % or more." in body
    assert "90 % of missing patches of 10 px (2 mm) are found at an opacity of 10 % or more." in body


def test_each_kind_has_a_chart_that_says_in_words_what_it_shows(body: str) -> None:
    assert re.findall(r"<desc[^>]*>([^<]*)</desc>", body) == [
        "The share found by size and contrast. 90 % are found from: 5 px: never; 10 px: 20 %.",
        "The share found by size and opacity. 90 % are found from: 5 px: never; 10 px: 10 %.",
    ]
    ids = re.findall(r'\bid="([^"]+)"', body)
    assert len(ids) == len(set(ids))


def test_the_darker_the_more_are_found_and_a_line_marks_90_percent(body: str) -> None:
    shares = dict(re.findall(r'fill-opacity="([\d.]+)"><title>(10 px at [\d %to]+: \d+ of 20 found)', body))
    assert {
        "0.90": "10 px at 20 %: 18 of 20 found",
        "1.00": "10 px at 10 % to 40 %: 20 of 20 found",
    }.items() <= shares.items()
    assert body.count('class="most"') == 2 + 1  # and its sample in the legend


def test_the_table_has_the_level_the_count_and_the_interval(body: str) -> None:
    cells = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", body)]
    assert cells[:2] == ["\N{EN DASH} 2 of 20 at 40 %", "20 % 20 % to over 40 % 20 of 20 at 40 %"]


def test_examples_and_weak_places_are_pictures_with_texts(body: str) -> None:
    assert 'alt="Smallest found: spot, 5 px (1 mm), contrast 20 %"' in body
    assert 'alt="Where on the photo drawn defects are harder to find"' in body
    assert all(address.startswith("data:image/jpeg;base64,") for address in re.findall(r'<img src="([^"]+)"', body))
