"""What is beyond the limits goes, in a stated order; what must stay stays, whenever the studio is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import select

from paddlex.studio import history, retention
from paddlex.studio.database.schema import Member, Picture, Verdict, Version
from paddlex.studio.retention import Limits
from paddlex.studio.workspace import Workspace, now_ms

DAY = 86_400_000
NOW = 100 * DAY


class Story:
    """Verdicts of one product, each on a day, on a picture, and where wanted corrected."""

    def __init__(self, workspace: Workspace, version: Version, png: Callable[[int], bytes]) -> None:
        self.workspace, self.version, self.png = workspace, version, png

    def judge(self, day: float, picture: int, anomalous: bool = False, corrected: str = "") -> int:
        result = {
            "is_anomalous": anomalous,
            "score": 0.5,
            "raw_score": 1,
            "threshold": 1,
            "anomalous_area": 0,
            "regions": [],
        }
        with self.workspace.writing() as session:
            row = self.workspace.pictures.add(session, self.png(picture))
            verdict = history.record(session, row, self.version, result, name="", by="api", at=round(day * DAY))
            verdict.corrected = corrected
        return verdict.id

    def teach(self, picture: int, role: str, verdict: int | None = None) -> None:
        with self.workspace.writing() as session:
            row = self.workspace.pictures.add(session, self.png(picture))
            session.add(
                Member(product_id=self.version.product_id, digest=row.digest, role=role, name="", source="import",
                       verdict_id=verdict, added_at=now_ms(), added_by="anna")
            )  # fmt: skip

    def sizes(self, *pictures: int) -> int:
        return sum(len(self.png(picture)) for picture in pictures)

    def kept(self) -> dict[int, bool]:
        """Verdict -> whether it has its picture; each that has it really has."""
        with self.workspace.reading() as session:
            verdicts = list(session.scalars(select(Verdict)))
        for verdict in verdicts:
            if verdict.is_kept:
                assert self.workspace.pictures.path(verdict.digest).exists()
        return {verdict.id: verdict.is_kept for verdict in verdicts}

    def files(self) -> int:
        with self.workspace.reading() as session:
            rows = set(session.scalars(select(Picture.digest)))
        files = {path.stem for path in self.workspace.pictures.files.glob("*/*")}
        assert files == rows
        return len(files)


@pytest.fixture
def story(workspace: Workspace, add_version: Callable[..., Version], png: Callable[[int], bytes]) -> Story:
    return Story(workspace, add_version(workspace), png)


def test_without_limits_nothing_goes(story: Story) -> None:
    story.judge(0, 0)
    assert retention.enforce(story.workspace, Limits(), NOW) == retention.Removed()
    assert story.kept() == {1: True}


def test_a_verdict_that_is_too_old_goes_with_its_picture_unless_a_person_said_something(story: Story) -> None:
    old_good, old_bad = story.judge(69, 0), story.judge(69.9, 1, anomalous=True)
    corrected = [story.judge(1, 2, corrected="bad"), story.judge(2, 3, anomalous=True, corrected="good")]
    young = story.judge(70.1, 4)
    removed = retention.enforce(story.workspace, Limits(days=30), NOW)
    assert (removed.verdicts, removed.pictures) == (2, 2)
    assert story.kept() == dict.fromkeys([*corrected, young], True)
    assert {old_good, old_bad} & set(story.kept()) == set()
    assert story.files() == 3


def test_pictures_that_are_learnt_from_or_must_be_found_outlive_their_verdicts(story: Story) -> None:
    story.judge(1, 0), story.judge(1, 1, anomalous=True)
    story.teach(0, "good"), story.teach(1, "challenge")
    told = story.judge(1, 2)
    story.teach(2, "aside", verdict=told)
    story.teach(3, "good")
    retention.enforce(story.workspace, Limits(days=1, gigabytes=1e-9), NOW)
    assert story.kept() == {told: True}
    assert story.files() == 4


def test_for_space_the_oldest_good_ones_go_first_then_the_oldest_bad_ones_and_corrected_ones_never(
    story: Story,
) -> None:
    bad = [story.judge(day, day, anomalous=True) for day in (1, 2)]
    good = [story.judge(day, day) for day in (3, 4, 5)]
    corrected = [story.judge(day, day, corrected=label) for day, label in ((6, "good"), (7, "bad"))]
    order = [*good, *bad]
    for gone in range(6):
        limit = story.sizes(*[*(3, 4, 5), *(1, 2), *(6, 7)][gone:]) / 1e9
        removed = retention.enforce(story.workspace, Limits(gigabytes=limit), NOW)
        assert story.kept() == {number: number not in order[:gone] for number in [*bad, *good, *corrected]}
        assert removed.excess == 0
    removed = retention.enforce(story.workspace, Limits(gigabytes=1e-9), NOW)
    assert removed.excess == story.sizes(6, 7) - 1
    assert all(story.kept()[number] for number in corrected)
    assert story.files() == 2


def test_a_picture_that_another_verdict_needs_stays(story: Story) -> None:
    story.judge(1, 0), story.judge(2, 0, corrected="good"), story.judge(1, 1), story.judge(90, 1)
    retention.enforce(story.workspace, Limits(days=30), NOW)
    assert story.kept() == {2: True, 4: True}
    assert story.files() == 2


def test_what_goes_takes_its_thumbnail_along(story: Story) -> None:
    story.judge(1, 0)
    with story.workspace.reading() as session:
        digest = session.scalars(select(Picture.digest)).one()
    story.workspace.pictures.thumbnail(digest)
    retention.enforce(story.workspace, Limits(days=1), NOW)
    assert not [path for path in story.workspace.pictures.thumbnails.rglob("*") if path.is_file()]


def test_a_picture_that_comes_again_while_it_goes_is_kept(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.judge(1, 0)
    digest = next(story.workspace.pictures.files.glob("*/*")).stem
    write, times = story.workspace.pictures._write, []

    def written_but_gone(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        times.append(1)
        if len(times) == 1:  # between the file and its row
            thread = threading.Thread(target=retention.enforce, args=(story.workspace, Limits(days=1), NOW))
            thread.start()
            thread.join()
            assert not story.workspace.pictures._place(digest, ".png").exists()

    monkeypatch.setattr(story.workspace.pictures, "_write", written_but_gone)
    again = story.judge(99, 0)
    assert story.kept() == {again: True}


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_killed_before_the_pictures_go_it_goes_on_later(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, _ = story.judge(99, 0), story.judge(1, 1)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(retention, "_release", killed)
        retention.enforce(story.workspace, Limits(days=30), NOW)
    assert story.kept() == {kept: True}
    assert story.files() == 2
    assert retention.sweep(story.workspace, before=0) == 0  # what is young may be about to be used
    assert retention.sweep(story.workspace, before=now_ms() + 1) == 1
    assert story.files() == 1


def test_killed_between_a_file_and_its_row_it_goes_on_later(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, _ = story.judge(99, 0), story.judge(1, 1)
    remove = story.workspace.pictures.remove_file
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(story.workspace.pictures, "remove_file", lambda *which: killed(remove(*which)))
        retention.enforce(story.workspace, Limits(days=30), NOW)
    assert story.kept() == {kept: True}
    again = story.judge(99, 1)  # whose row is there, but no file
    assert story.kept() == {kept: True, again: True}
    assert retention.sweep(story.workspace, before=now_ms() + 1) == 0
    assert story.files() == 2


def test_the_studio_looks_by_itself(story: Story) -> None:
    story.judge(1, 0)
    keeper = retention.Retention(story.workspace)
    keeper.start()
    with story.workspace.writing() as session:
        retention.set_limits(session, Limits(days=1))
    keeper.look_now()
    with story.workspace.reading() as session:
        while session.scalars(select(Verdict.id)).all():
            session.rollback()  # or it would see what was there at first
            time.sleep(0.01)
    keeper.close()
    keeper.close()
