"""Whatever happens, a trigger has one answer, in time, and in any doubt it is NG."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from paddlex.errors import ImageReadError, PartNotFoundError, UnknownProductError
from paddlex.line.contract import CameraError, Trigger
from tests.line.conftest import Line, until
from tests.line.test_outbox import files_of_at_most


def test_a_trigger_is_answered_with_the_models_verdict(line: Line) -> None:
    answer = line.ask(b"good", product="lid")
    assert (answer.sequence, answer.verdict, answer.fail_safe, answer.product) == (1, "OK", None, "lid")
    assert (answer.score, answer.threshold, answer.model) == (1.0, 2.0, "digest")
    line.judge.does = lambda picture: False
    assert line.ask().to_json()["verdict"] == "NG"
    assert line.judge.judged == [b"good", b"picture"]


def test_a_trigger_without_a_picture_asks_the_camera(line: Line) -> None:
    assert line.ask(None).is_ok
    assert line.judge.judged[0].shape == (4, 4, 3)


@pytest.mark.parametrize("what", ["model", "camera"])
def test_what_hangs_is_answered_by_the_deadline_and_its_verdict_is_no_second_answer(
    make_line: Callable[..., Line], go_on: threading.Event, what: str
) -> None:
    line = make_line(deadline_s=0.2)

    def hang(_: object) -> object:
        go_on.wait()
        return np.zeros((4, 4, 3), np.uint8)

    if what == "model":
        line.judge.does = hang  # type: ignore[assignment]
    else:
        line.camera.does = hang  # type: ignore[assignment]
    first, second = line.trigger(picture=None), line.trigger(picture=None)
    answers = [line.port.answer_to(id) for id in (first, second)]
    assert [(answer.verdict, answer.fail_safe, answer.score) for answer in answers] == [("NG", "deadline", None)] * 2
    assert all(answer.seconds >= 0.2 for answer in answers)
    go_on.set()
    line.judge.does = lambda picture: True
    until(lambda: line.ask(None).is_ok)  # it goes on
    assert [answer.id for answer in line.port.answers].count(first) == 1
    assert b"paddlex_line_late_verdicts_total 0.0" not in line.station.state().metrics


def test_who_finds_the_queue_full_is_answered_at_once(make_line: Callable[..., Line], go_on: threading.Event) -> None:
    line = make_line(queue=2)
    line.judge.does = lambda picture: go_on.wait()
    working = line.trigger()
    until(lambda: line.judge.judged)
    waiting = [line.trigger() for _ in range(2)]
    rejected = line.ask()
    assert (rejected.verdict, rejected.fail_safe) == ("NG", "queue full")
    go_on.set()
    assert all(line.port.answer_to(id).is_ok for id in (working, *waiting))


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ImageReadError("it is damaged"), "picture"),
        (PartNotFoundError("not found"), "unlike the product"),
        (UnknownProductError("it may be two"), "unlike the product"),
        (MemoryError(), "model"),
        (ZeroDivisionError(), "model"),
        (CameraError("it is away"), "camera"),
    ],
)
def test_what_cannot_be_judged_is_ng_and_says_why(line: Line, error: Exception, word: str) -> None:
    def fail(_: object) -> bool:
        raise error

    line.judge.does = fail
    answer = line.ask()
    assert (answer.verdict, answer.fail_safe, answer.score, answer.model) == ("NG", word, None, None)
    line.judge.does = lambda picture: True
    assert line.ask().is_ok


def test_a_trigger_that_comes_again_is_not_judged_again(line: Line, go_on: threading.Event) -> None:
    line.judge.does = lambda picture: go_on.wait()
    line.trigger("7")
    line.trigger("7")  # while it is being judged
    go_on.set()
    line.port.answer_to("7")
    until(lambda: line.station.state().word == "ready")
    line.trigger("7")
    until(lambda: len(line.port.answers) == 2)
    assert [(answer.sequence, answer.repeated) for answer in line.port.answers] == [(1, False), (1, True)]
    assert len(line.judge.judged) == 1


def test_a_full_disk_is_answered_with_ng_told_by_the_state_and_over_when_there_is_space(line: Line) -> None:
    line.ask()
    with files_of_at_most(line.outbox.path.stat().st_size // 4):
        answer = line.ask()
        assert (answer.sequence, answer.verdict, answer.fail_safe, answer.score) == (0, "NG", "disk full", None)
        until(lambda: line.port.states and line.port.states[-1].word == "fault")
        assert "outbox" in line.port.states[-1].reason
    until(lambda: line.port.states[-1].word == "ready")
    assert (line.ask().sequence, line.judge.judged) == (2, [b"picture"] * 3)


def test_the_state_tells_what_is_wrong_before_a_part_is_there(line: Line, go_on: threading.Event) -> None:
    until(lambda: line.port.states)
    assert line.port.states[-1].word == "ready"
    line.camera.why = "the camera has been lost"
    until(lambda: line.port.states and line.port.states[-1].word == "fault")
    assert line.port.states[-1].reason == "the camera has been lost"
    line.camera.why = ""
    until(lambda: line.port.states[-1].word == "ready")
    line.judge.does = lambda picture: go_on.wait()
    line.trigger()
    until(lambda: line.port.states[-1].word == "busy")
    counters = [state.counter for state in line.port.states]
    assert counters == list(range(1, len(counters) + 1))


def test_a_model_that_hangs_too_long_is_noticed(make_line: Callable[..., Line], go_on: threading.Event) -> None:
    line = make_line(deadline_s=0.1, restart_after_s=0.3)
    line.ask()
    assert line.station.is_alive()
    line.judge.does = lambda picture: go_on.wait()
    line.trigger()
    until(lambda: not line.station.is_alive())


def test_a_stop_answers_all_that_have_come_and_who_comes_then(line: Line, go_on: threading.Event) -> None:
    line.judge.does = lambda picture: go_on.wait()
    before = [line.trigger() for _ in range(3)]
    stopping = threading.Thread(target=line.station.stop)
    stopping.start()
    until(lambda: line.station.state().reason == "the station is being stopped")
    late = line.port.answer_to(line.trigger())
    assert (late.verdict, late.fail_safe) == ("NG", "stopping")
    line.station.trigger(
        Trigger("own", time.monotonic(), picture=b"1")
    )  # of a hot folder: the file is there tomorrow too
    go_on.set()
    stopping.join()
    assert all(line.port.answer_to(id).is_ok for id in before)
    assert line.outbox.find("own") is None
    assert line.port.is_closed


def test_a_clock_that_is_set_changes_times_and_no_deadline(line: Line) -> None:
    line.station._utc = lambda: datetime(2030, 1, 1, 12, 0, 0, 1500, timezone.utc)
    assert line.ask().at == "2030-01-01T12:00:00.001+00:00"
    line.station._utc = lambda: datetime(2030, 1, 1, tzinfo=timezone.utc) - timedelta(days=9000)
    answer = line.ask()
    assert (answer.is_ok, answer.at) == (True, "2005-05-12T00:00:00.000+00:00")
    assert 0 <= answer.seconds < 60


def test_times_are_of_now_in_utc_whatever_the_time_zone(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        before = datetime.now(timezone.utc)
        at = datetime.fromisoformat(line.ask().at)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert at.utcoffset() == timedelta(0)
    assert abs(at - before) < timedelta(minutes=5)


def test_a_trigger_of_the_source_is_told_to_the_source(line: Line) -> None:
    told = []
    line.camera.answered = lambda trigger, answer: told.append((trigger.id, answer.is_ok))  # type: ignore[method-assign]
    line.station.trigger(Trigger("own", time.monotonic(), picture=b"1"))
    line.port.answer_to("own")
    until(lambda: told)
    line.station.trigger(Trigger("own", time.monotonic(), picture=b"1"))
    assert told == [("own", True)] * 2
    assert len(line.judge.judged) == 1


def test_a_picture_is_forgotten_with_its_answer_and_not_with_its_deadline(line: Line) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    forgotten = weakref.ref(picture)
    line.judge.judged = deque(maxlen=0)  # type: ignore[assignment]
    line.ask(picture)
    del picture
    line.ask()
    gc.collect()
    assert forgotten() is None
