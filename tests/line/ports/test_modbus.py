"""The Modbus TCP server, asked by pymodbus' client as a PLC asks it."""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import threading
import time
import typing
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from paddlex.errors import LineError
from paddlex.line.contract import Answer, DeliveryError, FailSafe, State

client_module = pytest.importorskip("pymodbus.client", reason='pip install ".[modbus]"')

from paddlex.line.ports.modbus import FAIL_SAFE, ModbusOptions, ModbusPort  # noqa: E402

READY, BUSY, DONE, OK, NG, FAULT, REPEATED = (1 << bit for bit in range(7))
ANSWER = Answer(1, "7", "other", True, None, 0.25, 1.0, "digest", None, "2026-01-02T03:04:05.678+00:00", 0.05)


class Plc:
    """Reads and writes as docs/line_protocols.md says, by numbers of its own."""

    def __init__(self, port: int) -> None:
        self._client = client_module.ModbusTcpClient("127.0.0.1", port=port, timeout=10)
        end = time.monotonic() + 60
        while not self._client.connect():
            assert time.monotonic() < end
            time.sleep(0.05)

    def coil(self, address: int, value: bool) -> None:
        assert not self._client.write_coil(address, value).isError()

    def coils(self) -> list[bool]:
        return list(self._client.read_coils(0, count=2).bits[:2])

    def holding(self, address: int, *registers: int) -> None:
        assert not self._client.write_registers(address, list(registers)).isError()

    def inputs(self) -> list[int]:
        return list(self._client.read_input_registers(0, count=16).registers)

    def discrete(self) -> list[bool]:
        return list(self._client.read_discrete_inputs(0, count=7).bits[:7])

    def until(self, is_so: Callable[[list[int]], bool], seconds: float = 60) -> list[int]:
        end = time.monotonic() + seconds
        while not is_so(registers := self.inputs()):
            assert time.monotonic() < end, registers
            time.sleep(0.01)
        return registers

    def answer(self) -> list[int]:
        return self.until(lambda registers: bool(registers[0] & DONE))

    def error(self, call: str, *arguments: Any) -> int:
        reply = getattr(self._client, call)(*arguments)
        assert reply.isError()
        return int(reply.exception_code)

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def plc(free_port: int) -> Iterator[Callable[[], Plc]]:
    made: list[Plc] = []

    def connect() -> Plc:
        made.append(Plc(free_port))
        return made[-1]

    yield connect
    for one in made:
        one.close()


@pytest.fixture
def line(station, free_port: int) -> Any:
    return station(ModbusPort("port", ModbusOptions(port=free_port)))


def real(registers: list[int]) -> float:
    return float(struct.unpack(">f", struct.pack(">HH", *registers))[0])


def is_nothing(registers: list[int]) -> bool:
    """What stands there whenever no valid answer does: NG, without numbers."""
    scores = [real(registers[6:8]), real(registers[8:10])]
    return (
        not registers[0] & (DONE | OK)
        and bool(registers[0] & NG)
        and registers[1] == 2
        and registers[2:6] == [0, 0, 0, 0]
        and all(map(math.isnan, scores))
        and registers[10] == 99
    )


def test_a_part_from_its_trigger_to_the_next_one(line, plc):
    line.judge = lambda trigger: None
    side = plc()
    before = side.inputs()
    assert before[0] & READY and is_nothing(before)
    side.holding(0, 0x0001, 0x0002, *struct.unpack(">2H", b"bolt"))
    side.coil(0, True)
    (trigger,) = line.wait_for(1)
    assert (trigger.product, trigger.picture, trigger.port) == ("bolt", None, "port")
    busy = side.inputs()
    assert busy[0] & BUSY and not busy[0] & READY and is_nothing(busy)
    line.answer(trigger.id)
    registers = side.answer()
    assert registers[0] & OK and not registers[0] & (NG | BUSY | READY | REPEATED)
    assert registers[1:6] == [1, 0, 1, 1, 2]  # OK, the sequence 1, the trigger 0x00010002
    assert (real(registers[6:8]), real(registers[8:10]), registers[10], registers[12]) == (0.25, 1.0, 0, 50)
    assert side.discrete() == [False, False, True, True, False, True, False]
    assert side.inputs() == registers  # for as long as the PLC wants
    side.coil(0, False)
    after = side.inputs()
    assert after[0] & READY and is_nothing(after)


def test_a_bad_part_and_a_fail_safe_answer_are_ng(line, plc):
    line.judge = lambda trigger: False
    side = plc()
    side.coil(0, True)
    registers = side.answer()
    assert registers[0] & NG and not registers[0] & OK
    assert (registers[1], real(registers[6:8]), registers[10]) == (2, 1.5, 0)
    side.coil(0, False)
    line.judge = lambda trigger: None
    side.coil(0, True)
    waiting = line.wait_for(2)[1]
    failed = replace(ANSWER, id=waiting.id, port="port", is_ok=False, fail_safe="deadline", score=None, threshold=None)
    line.port.deliver(failed)
    registers = side.answer()
    assert (registers[1], registers[10]) == (2, 1)
    assert math.isnan(real(registers[6:8]))


def test_each_reason_has_a_number_of_its_own():
    assert set(FAIL_SAFE) == set(typing.get_args(FailSafe))
    assert sorted(FAIL_SAFE.values()) == list(range(1, len(FAIL_SAFE) + 1))


def test_a_trigger_that_stays_up_is_one_trigger(line, plc):
    side = plc()
    for _ in range(5):
        side.coil(0, True)
    side.answer()
    side.coil(0, True)
    assert len(line.triggers) == 1
    side.coil(0, False)
    side.coil(0, True)
    line.wait_for(2)


def test_the_answer_to_a_trigger_that_was_taken_back_is_never_that_of_the_next(line, plc):
    line.judge = lambda trigger: None
    side = plc()
    side.holding(0, 0, 1)
    side.coil(0, True)
    side.coil(0, False)
    side.holding(0, 0, 2)
    side.coil(0, True)
    first, second = line.wait_for(2)
    assert first.id != second.id
    line.answer(first.id, is_ok=True)
    line.answer(second.id, is_ok=False)
    registers = side.answer()
    assert (registers[1], registers[4:6]) == (2, [0, 2])


def test_what_another_run_or_another_port_has_asked_is_not_shown(line, plc):
    line.judge = lambda trigger: None
    side = plc()
    side.coil(0, True)
    line.wait_for(1)
    line.port.deliver(replace(ANSWER, id="of another run", port="port"))
    assert is_nothing(side.inputs())


def test_all_answers_are_shown_one_after_another_where_the_config_says_so(station, free_port, plc):
    line = station(ModbusPort("port", ModbusOptions(port=free_port, answers="all")))
    side = plc()
    line.answer("a", port="")
    line.answer("b", port="", is_ok=False)
    registers = side.answer()
    assert registers[1:6] == [1, 0, 1, 0, 0]
    assert side.answer() == registers
    side.coil(1, True)
    assert side.coils() == [False, False]  # taken note of
    registers = side.until(lambda registers: registers[3] == 2)
    assert registers[1] == 2
    side.coil(1, True)
    side.until(is_nothing)


def test_an_answer_that_nobody_acknowledges_is_delivered_again_by_the_next_run(free_port, plc):
    port = ModbusPort("port", ModbusOptions(port=free_port, answers="all"))
    port.start(lambda trigger: None)
    failures: list[DeliveryError] = []

    def deliver() -> None:
        try:
            port.deliver(ANSWER)
        except DeliveryError as error:
            failures.append(error)

    thread = threading.Thread(target=deliver)
    thread.start()
    plc().answer()
    port.close()
    thread.join(20)
    assert failures[0].may_have_arrived


def test_the_heartbeat_counts_and_says_whether_there_is_a_fault(line, plc):
    side = plc()
    assert side.inputs()[0] & FAULT  # nothing is known yet
    line.port.beat(State("ready", 65537, "", 0, {}))
    registers = side.inputs()
    assert (registers[11], registers[0] & FAULT) == (1, 0)
    line.port.beat(State("fault", 65538, "no camera", 0, {}))
    registers = side.inputs()
    assert registers[11] == 2 and registers[0] & FAULT


def test_the_low_word_may_come_first(station, free_port, plc):
    line = station(ModbusPort("port", ModbusOptions(port=free_port, words="low")))
    side = plc()
    side.holding(0, 2, 1)
    side.coil(0, True)
    registers = side.answer()
    assert registers[2:6] == [1, 0, 2, 1]
    assert real(registers[6:8][::-1]) == 0.25
    assert len(line.triggers) == 1


def test_what_is_not_there_cannot_be_read_or_written(line, plc):
    side = plc()
    assert side.error("write_coil", 16, True) == 2
    assert side.error("write_register", 18, 1) == 2
    assert side.error("read_input_registers", 16) == 2
    assert line.triggers == []


def test_whatever_function_a_plc_writes_with(line, plc):
    side = plc()
    client = side._client
    assert not client.mask_write_register(address=1, and_mask=0, or_mask=7).isError()
    assert not client.write_register(0, 1).isError()
    written = client.readwrite_registers(
        read_address=0, read_count=2, write_address=2, values=[*struct.unpack(">2H", b"bolt")]
    )
    assert written.registers == [1, 7]
    assert not client.write_coils(0, [True, False]).isError()
    assert side.answer()[4:6] == [1, 7]
    assert line.triggers[0].product == "bolt"


def test_a_plc_that_comes_back_finds_the_answer(line, plc):
    side = plc()
    side.coil(0, True)
    registers = side.answer()
    side.close()
    assert plc().inputs() == registers


def test_nonsense_on_the_wire_does_not_end_the_server(line, plc, free_port):
    side = plc()
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\x01\x00\x00\xff\xff\x01\x03", bytes(300)):
        with socket.create_connection(("127.0.0.1", free_port)) as other:
            other.sendall(data)
    side.coil(0, True)
    side.answer()


def test_a_plc_gets_in_however_many_connections_are_left_open(line, plc, free_port):
    with contextlib.ExitStack() as opened:
        others = [opened.enter_context(socket.create_connection(("127.0.0.1", free_port), 20)) for _ in range(40)]
        side = plc()
        side.coil(0, True)
        side.answer()
        assert others[0].recv(1) == b""  # the oldest has made place
        others[-1].settimeout(0.1)
        with pytest.raises(TimeoutError):
            others[-1].recv(1)


def test_a_port_that_another_program_holds_is_said_at_once(free_port):
    port = ModbusPort("port", ModbusOptions(port=free_port))
    assert port.check() == f"127.0.0.1:{free_port} is free to listen on"
    with socket.create_server(("127.0.0.1", free_port)):
        with pytest.raises(
            LineError, match=rf"port port cannot listen: Address already in use \(127.0.0.1:{free_port}\)"
        ):
            port.start(lambda trigger: None)
        with pytest.raises(LineError, match="cannot listen"):
            port.check()


def test_another_run_can_listen_at_once(free_port, plc):
    for _ in range(2):
        port = ModbusPort("port", ModbusOptions(port=free_port))
        port.start(lambda trigger: None)
        assert is_nothing(plc().inputs())
        port.close()
