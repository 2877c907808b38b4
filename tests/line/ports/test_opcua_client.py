"""The OPC UA client, with asyncua's server as the PLC's in a process of its own."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from paddlex.errors import LineError
from paddlex.line.contract import Answer, DeliveryError, State

pytest.importorskip("asyncua", reason='pip install ".[opcua]"')

from paddlex.line.ports.opcua_client import OpcuaClientOptions, OpcuaClientPort

ANSWER = Answer(1, "7", "other", True, None, 0.25, 1.0, "digest", "bolt", "2026-01-02T03:04:05.678+00:00", 0.05)

#: A PLC: a server with nodes of the types that PLCs have. Commands and answers are lines of JSON.
PLC = """
import asyncio, json, logging, sys
from asyncua import Server, ua
logging.disable(logging.CRITICAL)
KINDS = ua.VariantType
NODES = {
    "trigger": (False, KINDS.Boolean), "count": (0, KINDS.UInt16), "id": ("", KINDS.String), "product": ("", KINDS.String),
    "done": (True, KINDS.Boolean), "done_count": (7, KINDS.UInt16), "ok": (True, KINDS.Boolean), "score": (0.0, KINDS.Float),
    "threshold": (0.0, KINDS.Double), "sequence": (0, KINDS.Int16), "verdict": ("", KINDS.String),
    "fail_safe": ("", KINDS.String), "answered_id": ("", KINDS.String), "repeated": (False, KINDS.Boolean),
    "heartbeat": (0, KINDS.Int16), "state": ("", KINDS.String),
}

async def main():
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{sys.argv[1]}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    nodes = {}
    for name, (value, kind) in NODES.items():
        nodes[name] = await server.nodes.objects.add_variable(ua.NodeId(name, 1), f"1:{name}", value, kind)
        await nodes[name].set_writable()
    loop = asyncio.get_running_loop()
    async with server:
        print("started", flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            for name, value in json.loads(line).items():
                await nodes[name].write_value(ua.Variant(value, NODES[name][1]))
            print(json.dumps({name: await node.read_value() for name, node in nodes.items()}), flush=True)

asyncio.run(main())
"""


class Plc:
    """The other side."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PLC, str(self.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None and self._process.stdout.readline() == "started\n"

    def __call__(self, **values: Any) -> dict[str, Any]:
        """Set nodes; returns all."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(values) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def until(self, **wanted: Any) -> dict[str, Any]:
        """All nodes, once some have these values."""
        end = time.monotonic() + 60
        while any((found := self())[name] != value for name, value in wanted.items()):
            assert time.monotonic() < end, found
            time.sleep(0.02)
        return found

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def plc_of_module(port_of_module: int) -> Iterator[Plc]:
    made = Plc(port_of_module)
    yield made
    made.kill()


@pytest.fixture
def plc(plc_of_module: Plc) -> Plc:
    plc_of_module(trigger=False, count=0, id="", product="", done=True, ok=True, done_count=7)
    return plc_of_module


def port_to(plc: Plc, trigger: str = "trigger", done: str = "done", **options: Any) -> OpcuaClientPort:
    names = ("ok", "id", "product", "sequence", "verdict", "fail_safe", "score", "threshold", "answered_id", "repeated",
             "heartbeat", "state")  # fmt: skip
    nodes = {name: f"ns=1;s={name}" for name in names}
    nodes |= {"trigger": f"ns=1;s={trigger}", "done": f"ns=1;s={done}"}
    return OpcuaClientPort(
        "port", OpcuaClientOptions(address=f"opc.tcp://127.0.0.1:{plc.port}", nodes=nodes, **options)
    )


def when_up(line: Any) -> Any:
    """Wait until the port has connected and seen the trigger."""
    end = time.monotonic() + 60
    while line.port._link is None or line.port._seen is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    return line


def when_seen(line: Any, value: bool) -> None:
    """Wait until the port has seen a value of the trigger."""
    end = time.monotonic() + 60
    while line.port._seen != value:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_part_from_its_trigger_to_the_next_one(plc, station):
    line = when_up(station(port_to(plc)))
    line.judge = lambda trigger: None
    plc(id="part 1", product="bolt", trigger=True)
    (trigger,) = line.wait_for(1)
    assert (trigger.id, trigger.product, trigger.picture, trigger.port) == ("part 1", "bolt", None, "port")
    busy = plc()
    assert (busy["done"], busy["ok"]) == (False, False)  # what stood there before is no answer
    line.answer("part 1")
    found = plc.until(done=True)
    names = ("ok", "verdict", "fail_safe", "score", "threshold", "sequence", "answered_id", "repeated")
    assert [found[name] for name in names] == [True, "OK", "", 0.25, 1.0, 1, "part 1", False]
    plc(trigger=False)
    assert plc.until(done=False)["ok"] is False
    plc(id="part 2", trigger=True)
    line.wait_for(2)
    line.answer("part 2", is_ok=False)
    found = plc.until(done=True)
    assert (found["ok"], found["verdict"], found["score"]) == (False, "NG", 1.5)


def test_a_trigger_that_counts_has_its_number_back(plc, station):
    line = when_up(station(port_to(plc, "count", "done_count")))
    plc(count=1)
    assert plc.until(done_count=1)["ok"] is True
    line.judge = lambda trigger: False
    plc(count=2)
    assert plc.until(done_count=2)["ok"] is False
    first, second = line.triggers
    assert first.id != second.id  # made here, as the PLC gives none


def test_a_trigger_that_was_up_before_asks_for_nothing(plc, station):
    plc(trigger=True)
    line = when_up(station(port_to(plc)))
    plc(trigger=False)
    when_seen(line, False)
    plc(trigger=True)
    assert len(line.wait_for(1)) == 1


def test_the_answer_to_a_trigger_that_was_taken_back_is_never_that_of_the_next(plc, station):
    line = when_up(station(port_to(plc)))
    line.judge = lambda trigger: None
    plc(trigger=True)
    line.wait_for(1)
    plc(trigger=False)
    when_seen(line, False)
    plc(trigger=True)
    first, second = line.wait_for(2)
    line.answer(first.id, is_ok=True)
    line.answer(second.id, is_ok=False)
    assert plc.until(done=True)["ok"] is False


def test_answers_of_others_are_written_where_the_config_says_so(plc, station):
    line = when_up(station(port_to(plc, answers="all")))
    line.port.deliver(ANSWER)
    assert plc()["answered_id"] == "7"
    failed = Answer(2, "8", "other", False, "deadline", None, None, None, None, ANSWER.at, 1.0, True)
    line.port.deliver(failed)
    found = plc()
    assert (found["ok"], found["verdict"], found["fail_safe"], found["repeated"]) == (False, "NG", "deadline", True)
    assert math.isnan(found["score"])


def test_the_heartbeat(plc, station):
    line = when_up(station(port_to(plc)))
    line.port.beat(State("busy", 70000, "", 0, {}))
    assert plc.until(state="busy")["heartbeat"] == 70000 & 0x7FFF


def test_nothing_is_lost_while_the_plc_is_away(plc, station):
    line = when_up(station(port_to(plc, answers="all")))
    plc.kill()
    try:
        line.answer("1", port="other")
        time.sleep(0.3)
        line.answer("2", port="other", is_ok=False)
    finally:
        plc.start()
    found = plc.until(answered_id="2")
    assert (found["ok"], found["sequence"]) == (False, 2)


def test_what_is_wrong_is_said_in_one_line(plc, free_port, caplog):
    assert port_to(plc).check() == f"connected to opc.tcp://127.0.0.1:{plc.port}, all nodes are there"
    with pytest.raises(LineError, match=r"the node ns=1;s=nowhere \(trigger\) cannot be read: .*BadNodeIdUnknown"):
        port_to(plc, "nowhere").check()
    nobody = OpcuaClientPort(
        "port", OpcuaClientOptions(address=f"opc.tcp://127.0.0.1:{free_port}", nodes=port_to(plc)._options.nodes)
    )
    with pytest.raises(LineError, match=r"no connection to the PLC's server: .*refused|Connect call failed") as caught:
        nobody.check()
    assert "\n" not in str(caught.value)
    with pytest.raises(DeliveryError, match="the PLC's server is not connected"):
        nobody.deliver(ANSWER)
    nobody.beat(State("ready", 1, "", 0, {}))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"address": "http://plc"}, "pattern"),
        ({"address": "opc.tcp://user:password@plc:4840"}, "pattern"),
        ({"user": "line"}, "user goes with one of"),
        ({"certificate_file": "c.der"}, "go together"),
        ({"nodes": {"trigger": "Trigger", "done": "i=1", "ok": "i=2"}}, "pattern"),
    ],
)
def test_a_config_that_cannot_be_meant_is_refused(options, told):
    usual = {"address": "opc.tcp://plc:4840", "nodes": {"trigger": "i=1", "done": "i=2", "ok": "i=3"}}
    with pytest.raises(ValueError, match=told):
        OpcuaClientOptions(**{**usual, **options})
