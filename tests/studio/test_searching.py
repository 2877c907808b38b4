"""Verdicts are found: exactly those that are wanted, each on one page, whatever comes in meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from paddlex.inference.serving.errors import RequestError
from paddlex.studio import searching
from paddlex.studio.database.schema import Verdict
from paddlex.studio.searching import Wanted
from paddlex.studio.workspace import Workspace

Fill = Callable[..., list[Verdict]]
START = 1_700_000_000_000

#: What is wanted, and the same said in Python.
WANTED: dict[str, tuple[Wanted, Callable[[Verdict], bool]]] = {
    "everything": (Wanted(), lambda one: True),
    "a product": (Wanted(product_id=2), lambda one: one.product_id == 2),
    "good ones": (Wanted(is_anomalous=False), lambda one: not one.is_anomalous),
    "bad ones of a product": (Wanted(product_id=1, is_anomalous=True), lambda one: one.product_id == 1 and one.is_anomalous),
    "false alarms": (Wanted(is_anomalous=True, corrected="good"), lambda one: one.is_anomalous and one.corrected == "good"),
    "missed": (Wanted(is_anomalous=False, corrected="bad"), lambda one: not one.is_anomalous and one.corrected == "bad"),
    "corrected": (Wanted(corrected="any"), lambda one: one.corrected != ""),
    "not corrected": (Wanted(corrected="none"), lambda one: one.corrected == ""),
    "from": (Wanted(since=START + 20), lambda one: one.at >= START + 20),
    "to": (Wanted(until=START + 20), lambda one: one.at < START + 20),
    "no time at all": (Wanted(since=START + 20, until=START + 20), lambda one: False),
    "scores": (Wanted(score_from=0.25, score_to=0.75), lambda one: 0.25 <= one.score <= 0.75),
    "a name": (Wanted(name="mg"), lambda one: "mg" in one.name.lower()),
    "a name in other letters": (Wanted(name="IMG_0001.PNG"), lambda one: one.name == "IMG_0001.png"),
    "a percent sign": (Wanted(name="%"), lambda one: "%" in one.name),
    "an underscore": (Wanted(name="l_a"), lambda one: one.name == "teil_a.bmp"),
    "another script": (Wanted(name="图像"), lambda one: one.name == "图像.png"),
    "a script's own capital letters": (Wanted(name="prÜfling"), lambda one: one.name == "PRüfling"),
    "a quote": (Wanted(name="'"), lambda one: "'" in one.name),
    "a zero character": (Wanted(name="\0"), lambda one: False),
    "all of it": (
        Wanted(product_id=3, is_anomalous=True, corrected="none", name="p", since=START + 5, until=START + 90, score_to=0.9),
        lambda one: one.product_id == 3 and one.is_anomalous and one.corrected == "" and "p" in one.name.lower()
        and START + 5 <= one.at < START + 90 and one.score <= 0.9,
    ),
}  # fmt: skip


def paged(workspace: Workspace, wanted: Wanted, sort: searching.Sort, limit: int) -> list[list[int]]:
    pages, before = [], None
    while True:
        with workspace.reading() as session:
            page = searching.page(session, wanted, sort, before, limit)
        pages.append([one.id for one in page.verdicts])
        if (before := page.following) is None:
            return pages


def test_every_filter_finds_what_python_finds(workspace: Workspace, fill: Fill) -> None:
    verdicts = fill(workspace, 300)
    for what, (wanted, is_wanted) in WANTED.items():
        expected = [one for one in verdicts if is_wanted(one)]
        by_time = sorted(expected, key=lambda one: (one.at, one.id), reverse=True)
        by_score = sorted(expected, key=lambda one: (one.score, one.id), reverse=True)
        for sort, ordered in (("at", by_time), ("score", by_score)):
            pages = paged(workspace, wanted, sort, 37)
            assert [number for page in pages for number in page] == [one.id for one in ordered], what
            assert all(len(page) == 37 for page in pages[:-1]), what
        walked = [one.id for some in searching.walk(workspace, wanted, step=41) for one in some]
        assert walked == [one.id for one in reversed(by_time)], what
        with workspace.reading() as session:
            assert searching.count(session, wanted) == len(expected), what
            first = searching.page(session, wanted, "at", None, 37)
            assert searching.count(session, wanted, first) == len(expected), what


def test_a_page_is_the_same_whatever_came_after_the_first(workspace: Workspace, fill: Fill) -> None:
    old = fill(workspace, 60)
    with workspace.reading() as session:
        first = searching.page(session, Wanted(), "at", None, 20)
    with workspace.writing() as session:
        for verdict in old[:10]:
            values = {column.key: getattr(verdict, column.key) for column in Verdict.__table__.columns}
            session.add(Verdict(**{**values, "id": None, "at": START + 10_000}))
    with workspace.reading() as session:
        second = searching.page(session, Wanted(), "at", first.following, 20)
    ordered = sorted(old, key=lambda one: (one.at, one.id), reverse=True)
    assert [one.id for one in second.verdicts] == [one.id for one in ordered[20:40]]


@pytest.mark.parametrize(
    "cursor", ["", "1", "1_", "_1", "x_1", "1_1; DROP TABLE verdicts", "nan_1", "inf_1", "1e999_1", "1.5.5_1", "9" * 30 + "_1"]
)  # fmt: skip
@pytest.mark.parametrize("sort", ["at", "score"])
def test_what_is_no_end_of_a_page_is_refused(workspace: Workspace, cursor: str, sort: searching.Sort) -> None:
    with workspace.reading() as session, pytest.raises(RequestError, match="not where a page ends") as caught:
        searching.page(session, Wanted(), sort, cursor, 10)
    assert caught.value.status == 422


def test_a_score_survives_the_way_to_the_next_page(workspace: Workspace, fill: Fill) -> None:
    verdicts = fill(workspace, 9)
    with workspace.writing() as session:
        for verdict in verdicts:
            session.get_one(Verdict, verdict.id).score = 0.1 + 0.2 + verdict.id * 1e-17
    assert [len(page) for page in paged(workspace, Wanted(), "score", 2)] == [2, 2, 2, 2, 1]


def test_what_is_too_much_to_count_is_not_counted(
    workspace: Workspace, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(workspace, 30)
    for most, counted in ((29, None), (30, 30)):
        monkeypatch.setattr(searching, "MOST_COUNTED", most)
        with workspace.reading() as session:
            assert searching.count(session, Wanted()) == counted


def test_a_walk_ends_where_it_began_however_much_comes_in(workspace: Workspace, fill: Fill) -> None:
    fill(workspace, 50)
    steps = searching.walk(workspace, Wanted(), step=10)
    seen = [one.id for one in next(steps)]
    fill_more = replace(Wanted())  # the same question, asked while more comes in
    with workspace.writing() as session:
        last = session.get_one(Verdict, seen[-1])
        values = {column.key: getattr(last, column.key) for column in Verdict.__table__.columns}
        session.add(Verdict(**{**values, "id": None, "at": START + 10_000}))
    seen += [one.id for some in steps for one in some]
    assert len(seen) == len(set(seen)) == 50
    assert sum(len(some) for some in searching.walk(workspace, fill_more)) == 51


def test_figures_of_each_product(workspace: Workspace, fill: Fill) -> None:
    verdicts = fill(workspace, 200)
    names = {1: "grid", 2: "网格", 3: "screw"}
    with workspace.reading() as session:
        figures = searching.figures(session, Wanted())
    for key, is_meant in {
        "judged": lambda one: True,
        "anomalous": lambda one: one.is_anomalous,
        "falseAlarms": lambda one: one.is_anomalous and one.corrected == "good",
        "missed": lambda one: not one.is_anomalous and one.corrected == "bad",
    }.items():
        expected = Counter(names[one.product_id] for one in verdicts if is_meant(one))
        assert {row["product"]: row[key] for row in figures} == expected, key
