"""The rule of the gate, on figures alone."""

from __future__ import annotations

import pytest
from scipy import stats

from paddlex.studio.gate_rule import Count, Judged, Seen, finding

SOUND = Count(0, 40)
GOOD, BAD = Seen(1.0, 0.2, False), Seen(3.0, 0.8, True)


def judged(after: Seen, *, is_challenge: bool = False, is_learnt: bool = False, name: str = "a.png") -> Judged:
    return Judged("0" * 64, name, is_challenge, is_learnt, None, after)


def decide(parts: list[Judged], calibration: Count = SOUND, target: float = 0.05) -> dict:
    return finding(parts, calibration, target, 0)


@pytest.mark.parametrize(
    ("above", "of", "target"), [(3, 20, 0.05), (4, 20, 0.05), (9, 100, 0.05), (10, 100, 0.05), (1, 1, 0.01)]
)
def test_false_alarms_are_too_many_when_an_exact_binomial_test_says_so(above: int, of: int, target: float) -> None:
    chance = stats.binomtest(above, of, target, alternative="greater").pvalue
    assert Count(above, of).is_too_many(target) == (chance < 0.05)


def test_a_version_that_finds_every_challenge_part_passes() -> None:
    found = decide([judged(BAD, is_challenge=True)] + 30 * [judged(GOOD)])
    assert found["passed"] and found["challenge"] == {"found": 1, "of": 1, "missed": []}


def test_a_missed_challenge_part_is_named() -> None:
    found = decide([judged(BAD, is_challenge=True), judged(GOOD, is_challenge=True, name="scratch 7.png")])
    assert not found["passed"]
    assert [one["name"] for one in found["challenge"]["missed"]] == ["scratch 7.png"]
    (reason,) = found["reasons"]
    assert reason["kind"] == "missed" and all("scratch 7.png" in reason["words"][tongue] for tongue in ("en", "zh"))


def test_a_challenge_part_that_is_bad_elsewhere_only_is_not_found() -> None:
    elsewhere = Seen(3.0, 0.8, True, is_there=False)
    found = decide([judged(elsewhere, is_challenge=True)])
    assert not found["passed"] and found["reasons"][0]["kind"] == "elsewhere"


def test_a_challenge_part_that_cannot_be_judged_is_not_found() -> None:
    found = decide([judged(Seen(None, 1.0, True, None, "the file is gone"), is_challenge=True)])
    assert not found["passed"] and found["reasons"][0]["kind"] == "unjudged"


def test_more_false_alarms_than_chance_explains_are_refused() -> None:
    assert decide(9 * [judged(BAD)] + 91 * [judged(GOOD)])["passed"]  # 9 of 100 at 5 %: P = 0.063
    refused = decide(10 * [judged(BAD)] + 90 * [judged(GOOD)])  # P = 0.028
    assert [reason["kind"] for reason in refused["reasons"]] == ["falseAlarms"]


def test_parts_that_were_learnt_from_do_not_speak_for_new_ones() -> None:
    found = decide(10 * [judged(BAD)] + 20 * [judged(GOOD)] + 70 * [judged(GOOD, is_learnt=True)])
    assert not found["passed"]
    assert (found["falseAlarms"]["above"], found["falseAlarms"]["of"]) == (10, 30)


def test_with_too_few_good_parts_the_calibration_is_asked() -> None:
    few = 19 * [judged(GOOD)]
    assert decide(few, Count(1, 40))["passed"]
    refused = decide(few, Count(20, 40))  # a threshold that someone has set far too low
    assert [reason["kind"] for reason in refused["reasons"]] == ["falseAlarms"]
    assert refused["falseAlarms"]["source"] == "calibration"
    assert "fewGood" in [note["kind"] for note in refused["notes"]]
    assert decide(20 * [judged(GOOD)], Count(20, 40))["passed"]


def test_changed_verdicts_come_first_in_the_list_of_changes() -> None:
    same = Judged("1" * 64, "same", False, False, GOOD, Seen(1.9, 0.45, False))
    changed = Judged("2" * 64, "changed", False, False, Seen(1.9, 0.49, False), Seen(2.1, 0.51, True))
    assert [one["name"] for one in decide([same, changed])["changes"]] == ["changed", "same"]
