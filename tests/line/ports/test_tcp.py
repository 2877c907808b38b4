"""The lines between a station and a PLC, byte by byte."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from paddlex.errors import LineError
from paddlex.line.contract import Answer, DeliveryError, State, Trigger
from paddlex.line.ports.tcp import TcpOptions, TcpPort
from tests.line.conftest import made_answer, until


class Plc:
    """The other side of a connection."""

    def __init__(self, port: TcpPort) -> None:
        self.socket = socket.create_connection(port.address, timeout=60)
        self.lines = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> bytes:
        return self.lines.readline()

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def triggers() -> list[Trigger]:
    return []


@pytest.fixture
def make_port(triggers: list[Trigger]) -> Iterator[Callable[..., TcpPort]]:
    ports = []

    def make(**options: object) -> TcpPort:
        port = TcpPort("plc", TcpOptions(port=0, **{"acknowledge_s": 60, **options}))
        port.start(triggers.append)
        ports.append(port)
        return port

    yield make
    for port in ports:
        port.close()


@pytest.fixture
def port(make_port: Callable[..., TcpPort]) -> TcpPort:
    return make_port()


@pytest.fixture
def plc(port: TcpPort) -> Iterator[Plc]:
    plc = Plc(port)
    until(lambda: port._client is not None)
    yield plc
    plc.socket.close()


def in_background(port: TcpPort, answer: Answer) -> tuple[threading.Thread, list[Exception | None]]:
    ended: list[Exception | None] = []

    def deliver() -> None:
        try:
            port.deliver(answer)
            ended.append(None)
        except DeliveryError as error:
            ended.append(error)

    thread = threading.Thread(target=deliver)
    thread.start()
    return thread, ended


def test_triggers_come_with_and_without_an_id_and_a_product(plc: Plc, triggers: list[Trigger]) -> None:
    before = time.monotonic()
    plc.send(b"TRIGGER 17 lid\nTRIGGER A.b:c-d_e\r\nTRIG")
    plc.send(b"GER\n")
    until(lambda: len(triggers) == 3)
    first, second, third = triggers
    assert (first.id, first.product, first.port, first.picture) == ("17", "lid", "plc", None)
    assert before <= first.received <= time.monotonic()
    assert (second.id, second.product) == ("A.b:c-d_e", None)
    assert len(third.id) == 32


@pytest.mark.parametrize(
    "line", [b"", b"trigger 1", b"TRIGGER 1 2 3", b"TRIGGER  1", b"TRIGGER \xff", b"TRIGGER " + b"1" * 65, b"ACK x", b"GET /"]
)  # fmt: skip
def test_anything_else_is_refused_and_the_connection_goes_on(plc: Plc, triggers: list[Trigger], line: bytes) -> None:
    plc.send(line + b"\n")
    assert plc.line() == b"ERROR the line is no TRIGGER [ID [PRODUCT]] and no ACK NUMBER\n"
    plc.send(b"TRIGGER 1\n")
    until(lambda: triggers)


def test_a_line_without_end_ends_the_connection(plc: Plc) -> None:
    plc.send(b"x" * 300)
    assert plc.line() == b"ERROR the line is too long\n"
    assert plc.line() == b""


def test_an_answer_is_delivered_when_it_is_acknowledged(port: TcpPort, plc: Plc) -> None:
    thread, ended = in_background(port, made_answer("17", sequence=5, score=0.123456789, threshold=2))
    assert plc.line() == b"ANSWER 5 17 OK 0.123457 2 - 0\n"
    plc.send(b"ACK 4\n")
    assert not ended
    plc.send(b"ACK 5\n")
    thread.join()
    assert ended == [None]


def test_a_fail_safe_says_why_and_any_id_is_ascii(make_port: Callable[..., TcpPort]) -> None:
    port = make_port(acknowledge=False)
    plc = Plc(port)
    answer = made_answer(
        "a b/ä.png@1", sequence=1, is_ok=False, fail_safe="unlike the product", score=None, threshold=None, repeated=True
    )  # fmt: skip
    port.deliver(answer)
    assert plc.line() == b"ANSWER 1 a%20b%2F%C3%A4.png%401 NG - - unlike_the_product 1\n"


def test_what_is_not_stored_needs_no_acknowledgement(port: TcpPort, plc: Plc) -> None:
    port.deliver(made_answer(sequence=0, is_ok=False, fail_safe="disk full", score=None, threshold=None))
    assert plc.line() == b"ANSWER 0 a NG - - disk_full 0\n"


def test_a_plc_that_is_silent_or_goes_has_not_taken_the_answer(make_port: Callable[..., TcpPort]) -> None:
    port = make_port(acknowledge_s=0.1)
    plc = Plc(port)
    with pytest.raises(DeliveryError, match=r"no ACK 1 within 0\.1 s") as caught:
        port.deliver(made_answer(sequence=1))
    assert caught.value.may_have_arrived
    port._options.acknowledge_s = 60
    thread, ended = in_background(port, made_answer(sequence=1))
    assert plc.line() == plc.line()
    plc.close()
    thread.join()
    assert isinstance(ended[0], DeliveryError)
    assert ended[0].may_have_arrived


def test_without_a_plc_nothing_was_sent_and_one_that_comes_gets_the_answer(
    port: TcpPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, ended = in_background(port, made_answer(sequence=1))
    plc = Plc(port)
    plc.send(b"ACK 1\n" if plc.line() == b"ANSWER 1 a OK 1.5 2 - 0\n" else b"")
    thread.join()
    assert ended == [None]
    plc.close()
    until(lambda: port._client is None)
    monkeypatch.setattr("paddlex.line.ports.tcp._WAIT", 0.05)
    with pytest.raises(DeliveryError, match="nobody is connected") as caught:
        port.deliver(made_answer(sequence=2))
    assert (caught.value.may_have_arrived, caught.value.has_waited) == (False, True)


def test_who_connects_takes_the_place_of_who_was_connected(port: TcpPort, plc: Plc, triggers: list[Trigger]) -> None:
    other = Plc(port)
    assert plc.line() == b""
    other.send(b"TRIGGER 1\n")
    until(lambda: triggers)


def test_a_heartbeat_tells_the_state(port: TcpPort, plc: Plc) -> None:
    port.beat(State("ready", 7, "", 0, {}))
    assert plc.line() == b"STATE ready 7\n"
    plc.close()
    until(lambda: port._client is None)
    port.beat(State("ready", 8, "", 0, {}))


def test_closing_ends_a_delivery_that_waits(port: TcpPort, plc: Plc) -> None:
    thread, ended = in_background(port, made_answer(sequence=1))
    assert plc.line()
    port.close()
    thread.join()
    assert isinstance(ended[0], DeliveryError)


def test_a_port_that_is_taken_is_an_error_in_a_line(port: TcpPort) -> None:
    taken = TcpPort("plc", TcpOptions(port=port.address[1]))
    for open_it in (lambda: taken.start(print), taken.check):
        with pytest.raises(LineError, match=r"port plc cannot listen.*127\.0\.0\.1:\d+"):
            open_it()
