"""Each answer is delivered in its order, until it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paddlex.line.contract import Answer
from paddlex.line.delivery import Deliverer
from paddlex.line.outbox import Outbox
from tests.line.conftest import Remembers, made_answer, refused


class Away(Remembers):
    """Takes nothing until an hour has passed, on a clock that only the pauses move."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.pauses, self.attempts = 0.0, list[float](), 0

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    def deliver(self, answer: Answer) -> None:
        self.attempts += 1
        if self.now < 3600:
            raise self.error or refused()
        self.answers.append(answer)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path, ["plc"], 10**9)
    yield outbox
    outbox.close()


def deliver_all(deliverer: Deliverer) -> None:
    while deliverer.deliver_next():
        pass


def test_after_an_outage_of_an_hour_each_answer_is_delivered_once_and_in_order(outbox: Outbox) -> None:
    port = Away()
    deliverer = Deliverer("plc", port, outbox, False, port.wait)
    for number in range(3):
        outbox.put(made_answer(str(number)))
    while port.now < 3600:  # a part every 30 s or so comes meanwhile
        outbox.put(made_answer(f"at {port.now}"))
        deliverer.deliver_next()
    assert port.answers == []
    assert deliverer.is_failing
    deliver_all(deliverer)
    count = outbox.put(made_answer("last")).sequence - 1
    assert [answer.sequence for answer in port.answers] == list(range(1, count + 1))
    assert [answer.sequence for answer in port.answers if answer.repeated] == [1]  # the only one that was tried before
    assert not deliverer.is_failing


def test_the_pauses_grow_to_half_a_minute(outbox: Outbox) -> None:
    port = Away()
    outbox.put(made_answer())
    deliver_all(Deliverer("plc", port, outbox, False, port.wait))
    assert port.pauses[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert set(port.pauses[6:]) == {30}


@pytest.mark.parametrize(("error", "is_repeated"), [(refused(False), False), (refused(), True), (KeyError(1), True)])
def test_only_what_may_have_arrived_is_marked(outbox: Outbox, error: Exception, is_repeated: bool) -> None:
    port = Away()
    port.error = error
    outbox.put(made_answer())
    deliver_all(Deliverer("plc", port, outbox, False, port.wait))
    assert [answer.repeated for answer in port.answers] == [is_repeated]


def test_what_is_asked_for_again_comes_first_is_tried_once_and_changes_no_order(outbox: Outbox) -> None:
    port = Away()
    deliverer = Deliverer("plc", port, outbox, False, port.wait)
    outbox.put(made_answer("waits"))
    deliverer.deliver_next()
    deliverer.beside(made_answer("again", sequence=7, repeated=True))
    deliverer.deliver_next()
    port.now = 3600
    deliver_all(deliverer)
    assert [(answer.id, answer.repeated) for answer in port.answers] == [("waits", True)]
    deliverer.beside(made_answer("again", sequence=7, repeated=True))
    outbox.put(made_answer("next"))
    deliver_all(deliverer)
    assert [answer.id for answer in port.answers] == ["waits", "again", "next"]


def test_a_port_may_have_its_own_answers_alone(outbox: Outbox) -> None:
    port = Remembers()
    deliverer = Deliverer("plc", port, outbox, True)
    outbox.put(made_answer("other's", port="mes"))
    outbox.put(made_answer("own", port="plc"))
    deliverer.beside(made_answer("other's again", port="mes"))
    deliver_all(deliverer)
    assert [answer.id for answer in port.answers] == ["own"]
    assert outbox.undelivered() == {"plc": 0}


def test_what_is_asked_for_again_before_it_was_delivered_comes_once(outbox: Outbox) -> None:
    port = Remembers()
    deliverer = Deliverer("plc", port, outbox, False)
    outbox.put(made_answer("a"))
    answer = outbox.find("a")
    assert answer is not None
    deliverer.again(answer)
    deliver_all(deliverer)
    assert [answer.repeated for answer in port.answers] == [False]
    deliverer.again(answer)
    deliver_all(deliverer)
    assert [answer.repeated for answer in port.answers] == [False, True]
