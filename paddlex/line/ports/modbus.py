"""A Modbus TCP server for a PLC, by pymodbus: a handshake over coils, answers in one block of input registers."""

from __future__ import annotations

import asyncio
import logging
import math
import struct
import threading
import time
import uuid
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from paddlex.line.contract import Answer, DeliveryError, FailSafe, PortOptions, State, Trigger
from paddlex.line.ports.reconnecting import Reconnecting, begin, check_free

#: Coils, which the PLC writes.
TRIGGER, ACKNOWLEDGE = 0, 1

#: Bits of the first input register; discrete inputs by the same numbers.
READY, BUSY, DONE, OK, NG, FAULT, REPEATED = range(7)

#: What input register 10 says of an answer; 0 where a model's verdict stands.
FAIL_SAFE: dict[FailSafe, int] = {
    "deadline": 1, "camera": 2, "picture": 3, "model": 4, "unlike the product": 5, "queue full": 6, "disk full": 7,
    "outbox full": 8, "stopping": 9,
}  # fmt: skip
OTHER, NO_ANSWER = 98, 99

_CONNECTIONS = 32
"""At once."""

_LARGEST = 3.4e38
"""That a float of 32 bits holds."""

_INPUTS, _HOLDING, _PRODUCT = 16, 18, 2
_COILS, _WRITES_HOLDING = (1, 5, 15), (6, 16, 22, 23)


class ModbusOptions(PortOptions):
    """What the config may say.

    Attributes:
        host, port: where the server listens; Modbus has no password.
        words: of 32-bit values which 16 bits come first: ``high`` or ``low``.
    """

    answers: Literal["all", "own"] = "own"
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, strict=True)] = 502
    words: Literal["high", "low"] = "high"


class ModbusPort:
    """See ``Port``. What is read comes from ``_shown``: an answer from when it is there until the PLC has acknowledged it."""

    options: ClassVar[type[PortOptions]] = ModbusOptions

    def __init__(self, name: str, options: ModbusOptions) -> None:
        self._name, self._options = name, options
        self._trigger: Callable[[Trigger], None] = lambda trigger: None
        self._changed = threading.Condition()
        self._server: ModbusTcpServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False
        self._coils = [False] * 16
        self._holding = [0] * _HOLDING
        self._asked = ""  # the id of the trigger that waits for its answer
        self._shown: Answer | None = None
        self._number = 0  # that the PLC gave to the trigger of the answer that is shown, or is asked for
        self._beats, self._is_fault = 0, True
        self._service = Reconnecting(name, lambda: asyncio.run(self._serve()))

    def start(self, trigger: Callable[[Trigger], None]) -> None:
        check_free(self._name, self._options.host, self._options.port)
        self._trigger = trigger
        logging.getLogger("pymodbus").setLevel(
            logging.CRITICAL
        )  # it tells of whatever a client sends that it cannot read
        self._service.start()

    def deliver(self, answer: Answer) -> None:
        is_own = answer.port == self._name
        with self._changed:
            if is_own and answer.id != self._asked:
                return  # the PLC has taken its trigger back, or another run had it
            self._changed.wait_for(lambda: self._shown is None or self._is_closed)
            if self._is_closed:
                raise DeliveryError("the port is closed", where=self._name, may_have_arrived=False)
            if is_own and answer.id != self._asked:
                return
            self._shown = answer
            if is_own:
                self._asked = ""
                return
            self._changed.wait_for(lambda: self._shown is not answer or self._is_closed)
            if self._is_closed:
                raise DeliveryError("the PLC has not acknowledged it", where=self._name)

    def beat(self, state: State) -> None:
        with self._changed:
            self._beats, self._is_fault = state.counter, state.word == "fault"

    def check(self) -> str:
        check_free(self._name, self._options.host, self._options.port)
        return f"{self._options.host}:{self._options.port} is free to listen on"

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._service.closing.set()
        if self._loop is not None and self._server is not None:
            begin(self._server.shutdown(), self._loop)
        self._service.close()

    async def _serve(self) -> None:
        device = SimDevice(
            id=0,  # whatever the PLC calls us
            simdata=(
                [SimData(0, values=[False] * 16, datatype=DataType.BITS)],
                [SimData(0, values=[False] * 16, datatype=DataType.BITS, readonly=True)],
                [SimData(0, count=_HOLDING, datatype=DataType.REGISTERS)],
                [SimData(0, count=_INPUTS, datatype=DataType.REGISTERS, readonly=True)],
            ),
            action=self._asked_for,
        )
        address = (self._options.host, self._options.port)
        self._server = ModbusTcpServer(device, address=address, trace_connect=self._make_room)
        self._loop = asyncio.get_running_loop()
        if not self._is_closed:
            await self._server.serve_forever()

    def _make_room(self, is_connected: bool) -> None:
        """Called by pymodbus when a client comes or goes: the oldest goes when there are too many, so that a PLC gets in."""
        if is_connected and self._server is not None:
            opened = [one for one in self._server.active_connections.values() if one.transport]
            for one in opened[: max(0, len(opened) - _CONNECTIONS)]:
                one.close()

    async def _asked_for(
        self,
        code: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> None:
        """Called by pymodbus before each request is answered: ``registers`` are what is read, ``values`` what is written."""
        with self._changed:
            if code == 2:
                registers[0] = self._status()
            elif code == 4:
                registers[:_INPUTS] = self._inputs()
            elif code in _COILS and values is not None:
                for place, value in enumerate(values, address):
                    self._written(place, bool(value))
                values[:] = self._coils[address : address + len(values)]
            elif code in _WRITES_HOLDING and values is not None:
                self._holding[address : address + len(values)] = map(int, values)

    def _written(self, coil: int, value: bool) -> None:
        was, self._coils[coil] = self._coils[coil], value
        if coil == TRIGGER and value and not was:
            self._ask()
        elif coil == TRIGGER and was and not value:
            self._asked, self._number = "", 0
            if self._shown is not None and self._shown.port == self._name:
                self._shown = None
                self._changed.notify_all()
        elif coil == ACKNOWLEDGE and value:
            self._coils[coil] = False
            if self._shown is not None and self._shown.port != self._name:
                self._shown = None
                self._changed.notify_all()

    def _ask(self) -> None:
        received = time.monotonic()
        text = struct.pack(f">{_HOLDING - _PRODUCT}H", *self._holding[_PRODUCT:]).split(b"\0")[0]
        product = text.decode("ascii", "replace").strip() or None
        self._asked, self._number = uuid.uuid4().hex, self._joined(self._holding[:2])
        self._trigger(Trigger(self._asked, received, product, port=self._name))

    def _status(self) -> int:
        shown = self._shown
        is_ok = shown is not None and shown.is_ok
        bits = {
            READY: shown is None and not self._coils[TRIGGER], BUSY: bool(self._asked), DONE: shown is not None, OK: is_ok,
            NG: not is_ok, FAULT: self._is_fault, REPEATED: shown is not None and shown.repeated,
        }  # fmt: skip
        return sum(value << bit for bit, value in bits.items())

    def _inputs(self) -> list[int]:
        """All input registers, at one moment."""
        shown = self._shown
        nothing = [
            self._status(),
            2,
            0,
            0,
            0,
            0,
            *self._float(None),
            *self._float(None),
            NO_ANSWER,
            self._beats & 0xFFFF,
        ]
        if shown is None:
            return [*nothing, *[0] * (_INPUTS - len(nothing))]
        number = self._number if shown.port == self._name else 0
        reason = 0 if shown.fail_safe is None else FAIL_SAFE.get(shown.fail_safe, OTHER)
        return [
            self._status(), 1 if shown.is_ok else 2, *self._words(struct.pack(">I", shown.sequence & 0xFFFFFFFF)),
            *self._words(struct.pack(">I", number)), *self._float(shown.score), *self._float(shown.threshold), reason,
            self._beats & 0xFFFF, min(65535, max(0, round(1000 * shown.seconds))), 0, 0, 0,
        ]  # fmt: skip

    def _float(self, value: float | None) -> list[int]:
        return self._words(struct.pack(">f", math.nan if value is None else max(-_LARGEST, min(value, _LARGEST))))

    def _words(self, four: bytes) -> list[int]:
        high, low = struct.unpack(">HH", four)
        return [high, low] if self._options.words == "high" else [low, high]

    def _joined(self, words: list[int]) -> int:
        high, low = words if self._options.words == "high" else reversed(words)
        return high << 16 | low
