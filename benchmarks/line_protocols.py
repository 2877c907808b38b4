"""How long a station takes from a trigger to its answer, over each protocol of the plant.

    python benchmarks/line_protocols.py output/demo/best_model/inference PICTURE --triggers 1000 --nothing

As line.py does: a real station in a process of its own, timed at the other side on this machine, one trigger after the other.
The other side is made of the same libraries as the port; MQTT needs mosquitto. The PLC of Modbus reads without a pause, that of
the OPC UA client looks at its own node every millisecond; a real one has a cycle of some milliseconds, which comes on top.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import queue
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from line import Station, percentiles

#: Asks for one part, given its number, and returns when the answer is there.
Ask = Callable[[int], Awaitable[None]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@asynccontextmanager
async def mqtt(start: Callable[[dict], None], folder: Path) -> AsyncIterator[Ask]:
    import paho.mqtt.client as paho

    port = free_port()
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    broker = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL)
    await asyncio.sleep(1)
    start({"type": "mqtt", "host": "127.0.0.1", "port": port, "topic": "line"})
    answers: queue.Queue[bytes] = queue.Queue()
    plc = paho.Client(paho.CallbackAPIVersion.VERSION2, "plc", protocol=paho.MQTTv5)
    plc.on_message = lambda client, data, message: answers.put(message.payload)
    plc.on_socket_open = lambda client, data, opened: opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    plc.connect("127.0.0.1", port)
    plc.loop_start()
    plc.subscribe("line/answer", 1)

    async def ask(number: int) -> None:
        plc.publish("line/trigger", json.dumps({"id": number}), 1)
        while json.loads(answers.get(timeout=60))["id"] != str(number):
            pass

    try:
        yield ask
    finally:
        plc.loop_stop()
        broker.terminate()


@asynccontextmanager
async def modbus(start: Callable[[dict], None], folder: Path) -> AsyncIterator[Ask]:
    from pymodbus.client import AsyncModbusTcpClient

    port = free_port()
    start({"type": "modbus", "port": port})
    plc = AsyncModbusTcpClient("127.0.0.1", port=port)
    while not await plc.connect():
        await asyncio.sleep(0.1)

    async def until(bit: int) -> None:
        while not (await plc.read_input_registers(0, count=16)).registers[0] & bit:
            pass

    async def ask(number: int) -> None:
        await plc.write_coil(0, True)
        await until(4)  # done
        await plc.write_coil(0, False)

    yield ask
    plc.close()


@asynccontextmanager
async def opcua(start: Callable[[dict], None], folder: Path) -> AsyncIterator[Ask]:
    from asyncua import Client, ua

    port = free_port()
    start({"type": "opcua", "port": port})
    while True:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            break
        await asyncio.sleep(0.1)
    results: asyncio.Queue = asyncio.Queue()

    class Events:
        def event_notification(self, event) -> None:
            results.put_nowait(event)

    async with Client(f"opc.tcp://127.0.0.1:{port}", timeout=60) as plc:
        await plc.load_data_type_definitions()
        vision = await plc.get_namespace_index("http://opcfoundation.org/UA/MachineVision")
        own = await plc.get_namespace_index("urn:paddlex:line")
        system = await plc.nodes.objects.get_child(f"{own}:protocol")
        machine = await system.get_child([f"{vision}:VisionStateMachine", f"{vision}:AutomaticModeStateMachine"])
        subscription = await plc.create_subscription(10, Events())
        await subscription.subscribe_events(system, plc.get_node(ua.NodeId(1024, vision)))
        nothing = [ua.Variant(None, ua.VariantType.Null)] * 5

        async def ask(number: int) -> None:
            while (await machine.call_method(f"{vision}:StartSingleJob", *nothing))[1]:
                await asyncio.sleep(0)  # the machine is not ready again
            await asyncio.wait_for(results.get(), 60)

        yield ask


@asynccontextmanager
async def opcua_client(start: Callable[[dict], None], folder: Path) -> AsyncIterator[Ask]:
    from asyncua import Server, ua

    plc = Server()
    await plc.init()
    address = f"opc.tcp://127.0.0.1:{free_port()}"
    plc.set_endpoint(address)
    plc.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    nodes = {}
    for name, value in (("trigger", 0), ("done", 0), ("ok", False)):
        kind = ua.VariantType.Boolean if name == "ok" else ua.VariantType.UInt32
        nodes[name] = await plc.nodes.objects.add_variable(ua.NodeId(name, 1), f"1:{name}", value, kind)
        await nodes[name].set_writable()
    async with plc:
        start({"type": "opcua_client", "address": address, "nodes": {name: f"ns=1;s={name}" for name in nodes}})

        async def ask(number: int) -> None:
            await nodes["trigger"].write_value(ua.Variant(number, ua.VariantType.UInt32))
            while await nodes["done"].read_value() != number:
                await asyncio.sleep(0.001)

        await asyncio.sleep(5)  # until the station has seen the trigger
        yield ask


PROTOCOLS = {one.__name__: one for one in (mqtt, modbus, opcua, opcua_client)}


async def measured(protocol: str, arguments: argparse.Namespace, folder: Path) -> list[float]:
    """Seconds of each trigger."""
    stations: list[Station] = []

    def start(port: dict) -> None:
        judge = "nothing" if arguments.nothing else "model"
        stations.append(Station(folder, arguments.model, arguments.picture, judge, protocol=port))

    seconds = []
    try:
        async with PROTOCOLS[protocol](start, folder) as ask:
            await asyncio.to_thread(stations[0].ready)
            await asyncio.sleep(1)
            for number in range(1, arguments.triggers + 21):
                begun = time.perf_counter()
                await ask(number)
                seconds.append(time.perf_counter() - begun)
    finally:
        for station in stations:
            station.stop()
    return seconds[20:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the inference folder of a model")
    parser.add_argument("picture", help="that each trigger shows")
    parser.add_argument("--triggers", type=int, default=1000)
    parser.add_argument("--nothing", action="store_true", help="a stand-in for the model, which says OK at once")
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    arguments = parser.parse_args()
    for protocol in arguments.protocols:
        with tempfile.TemporaryDirectory() as folder:
            seconds = asyncio.run(measured(protocol, arguments, Path(folder)))
        print(f"{protocol}: {len(seconds)} triggers, {percentiles(seconds)}", flush=True)


if __name__ == "__main__":
    main()
