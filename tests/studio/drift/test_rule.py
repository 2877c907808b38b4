"""The rule that says what changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from paddlex.studio.drift.rule import CAUSES, Finding, judge
from paddlex.studio.drift.shifts import Shifts
from paddlex.studio.drift.verdicts import Reference, Verdicts

START, SHIFT = 1_767_247_200_000, 28_800_000
CHANGE = 45  # shifts after which something changes


def end_of(verdicts: Verdicts) -> int:
    return int(verdicts.at[-1]) + SHIFT if len(verdicts) else START


def moved(verdicts: Verdicts, changes: Mapping[str, float], since: int = CHANGE, until: int = 10**6) -> Verdicts:
    where = (verdicts.at >= START + since * SHIFT) & (verdicts.at < START + until * SHIFT)
    return replace(verdicts, **{name: getattr(verdicts, name) + size * where for name, size in changes.items()})


@pytest.fixture
def said(reference: Reference) -> Callable[..., Finding]:
    def judged(verdicts: Verdicts, noted: Mapping[str, Sequence[int]] | None = None) -> Finding:
        return judge(verdicts, reference, Shifts(), end_of(verdicts), noted=noted)

    return judged


def test_where_nothing_changes_every_cause_is_watched_and_none_is_alarming(
    produce: Callable[..., Verdicts], said: Callable[..., Finding]
) -> None:
    found = said(produce(60))

    assert list(found.states) == list(CAUSES)
    assert all(state.is_watched and state.alarm is None and state.level < 1 for state in found.states.values())
    assert found.alarms == []


@pytest.mark.parametrize(
    ("changes", "cause", "quantity"),
    [
        ({"brightness": -24}, "light", "brightness"),
        ({"brightness": -24, "raw_score": 8}, "light", "brightness"),
        ({"sharpness": -0.7, "raw_score": 4}, "focus", "sharpness"),
        ({"offset_x": 14}, "position", "offset_x"),
        ({"angle": -5, "raw_score": 2}, "position", "angle"),
        ({"raw_score": 2.5}, "parts", "score"),
    ],
)
def test_a_change_is_named_by_what_moved(
    produce: Callable[..., Verdicts], said: Callable[..., Finding], changes: dict[str, float], cause: str, quantity: str
) -> None:
    found = said(moved(produce(60), changes))

    (alarm,) = found.alarms
    assert (alarm.cause, alarm.quantity) == (cause, quantity)
    assert 0 < alarm.at - (START + CHANGE * SHIFT) <= 4 * SHIFT
    assert [name for name, state in found.states.items() if state.alarm is not None] == [cause]


def test_scores_that_move_while_the_light_is_near_an_alarm_are_put_down_to_the_light(
    produce: Callable[..., Verdicts], said: Callable[..., Finding]
) -> None:
    verdicts = moved(produce(60), {"brightness": -9, "raw_score": 6})

    (alarm,) = said(verdicts).alarms

    assert (alarm.cause, alarm.quantity) == ("light", "score")


def test_more_defects_are_a_change_of_the_parts(produce: Callable[..., Verdicts], said: Callable[..., Finding]) -> None:
    verdicts = produce(60, parts=300)
    is_defective = np.random.default_rng(1).random(len(verdicts)) < np.where(
        np.arange(len(verdicts)) < CHANGE * 300, 0.01, 0.3
    )
    verdicts = replace(verdicts, raw_score=np.where(is_defective, 40.0, verdicts.raw_score))

    (alarm,) = said(verdicts).alarms

    assert alarm.cause == "parts"


def test_too_few_verdicts_raise_no_alarm_and_it_is_said_how_many_shifts_are_missing(
    produce: Callable[..., Verdicts], said: Callable[..., Finding]
) -> None:
    verdicts = moved(produce(5), {"brightness": -60, "raw_score": 30}, since=3)

    found = said(verdicts)

    assert found.alarms == []
    assert {(state.learnt, state.to_learn, state.level) for state in found.states.values()} == {(5, 6, 0)}
    assert said(verdicts[:0]).alarms == []


def test_position_is_not_watched_where_nobody_looks_for_it(
    produce: Callable[..., Verdicts], said: Callable[..., Finding]
) -> None:
    verdicts = produce(20)
    nothing = np.full(len(verdicts), np.nan)

    found = said(replace(verdicts, offset_x=nothing, offset_y=nothing, angle=nothing))

    assert [name for name, state in found.states.items() if not state.is_watched] == ["position"]


def test_another_model_begins_anew_with_scores_and_goes_on_with_the_light(
    produce: Callable[..., Verdicts], said: Callable[..., Finding]
) -> None:
    verdicts = produce(60)
    is_new = verdicts.at >= START + CHANGE * SHIFT
    refitted = replace(moved(verdicts, {"raw_score": 4}), model=is_new.astype(np.int64))

    found = said(refitted)

    assert found.alarms == []
    assert {name: state.learnt for name, state in found.states.items()} == {
        "light": 60, "focus": 60, "position": 60, "parts": 15,
    }  # fmt: skip


def test_models_that_look_at_photos_in_another_way_begin_anew_with_everything(
    produce: Callable[..., Verdicts], said: Callable[..., Finding]
) -> None:
    verdicts = produce(60)
    is_new = (verdicts.at >= START + CHANGE * SHIFT).astype(np.int64)

    found = said(replace(moved(verdicts, {"brightness": 30, "raw_score": 4}), model=is_new, optics=is_new))

    assert found.alarms == []
    assert {state.learnt for state in found.states.values()} == {15}


def test_an_alarm_that_was_noted_is_over_and_comes_again_only_if_it_is_still_so(
    produce: Callable[..., Verdicts], said: Callable[..., Finding]
) -> None:
    noted = {"light": [START + 50 * SHIFT]}
    mended = said(moved(produce(70), {"brightness": -24, "raw_score": 8}, until=50), noted)
    not_mended = said(moved(produce(70), {"brightness": -24, "raw_score": 8}), noted)

    assert [alarm.cause for alarm in mended.alarms] == ["light"]
    assert mended.states["light"].alarm is None
    assert [alarm.cause for alarm in not_mended.alarms] == ["light", "light"]
    assert not_mended.states["light"].alarm == not_mended.alarms[1]


def test_without_calibration_scores_the_parts_are_not_watched(produce: Callable[..., Verdicts]) -> None:
    verdicts, none = moved(produce(60), {"raw_score": 5}), np.empty(0)

    found = judge(verdicts, Reference(none, none, none), Shifts(), end_of(verdicts))

    assert not found.states["parts"].is_watched
    assert found.alarms == []


def test_what_was_found_does_not_change_with_what_comes_later(
    produce: Callable[..., Verdicts], said: Callable[..., Finding]
) -> None:
    verdicts = moved(produce(60), {"offset_y": -9, "brightness": 12})
    sooner = verdicts[verdicts.at < START + 52 * SHIFT]

    assert judge(sooner, Reference(*[np.empty(0)] * 3), Shifts(), START + 52 * SHIFT).alarms == (
        judge(verdicts, Reference(*[np.empty(0)] * 3), Shifts(), end_of(verdicts)).alarms
    )
