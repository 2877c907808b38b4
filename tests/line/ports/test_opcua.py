"""The OPC UA server, asked by asyncua's client in a process of its own."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paddlex.errors import LineError
from paddlex.line.contract import Answer, DeliveryError, State

pytest.importorskip("asyncua", reason='pip install ".[opcua]"')

from paddlex.line.ports.opcua import OpcuaOptions, OpcuaPort

ANSWER = Answer(1, "7", "other", True, None, 0.25, 1.0, "digest", "bolt", "2026-01-02T03:04:05.678+00:00", 0.05)
READY = State("ready", 1, "", 0, {})

#: A client that does what it is told, a line of JSON a command, and answers each with a line.
CLIENT = """
import asyncio, json, logging, sys
from asyncua import Client, ua
logging.disable(logging.CRITICAL)
VISION, STATION = "http://opcfoundation.org/UA/MachineVision", "urn:paddlex:line"

def plain(value):
    if isinstance(value, ua.LocalizedText):
        return value.Text
    if isinstance(value, ua.Variant):
        return plain(value.Value)
    if isinstance(value, ua.NodeId):
        return value.Identifier
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)

class Events:
    def __init__(self):
        self.queue = asyncio.Queue()
    def event_notification(self, event):
        self.queue.put_nowait(event.get_event_props_as_fields_dict())

async def main():
    client = Client(sys.argv[1], timeout=60)
    async with client:
        await client.load_data_type_definitions()
        vision, own = [await client.get_namespace_index(uri) for uri in (VISION, STATION)]
        system = await client.nodes.objects.get_child(f"{own}:port")
        outer = await system.get_child(f"{vision}:VisionStateMachine")
        inner = await outer.get_child(f"{vision}:AutomaticModeStateMachine")
        results = await system.get_child(f"{vision}:ResultManagement")
        events = Events()
        loop = asyncio.get_running_loop()
        print("connected", flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            name, *given = json.loads(line)
            try:
                if name == "subscribe":
                    subscription = await client.create_subscription(50, events)
                    kind = client.get_node(ua.NodeId(1024, vision))
                    found = plain(await subscription.subscribe_events(system, kind)) and True
                elif name == "event":
                    found = {key: plain(value) for key, value in (await asyncio.wait_for(events.queue.get(), 60)).items()}
                elif name == "state":
                    found = []
                    for machine in (outer, inner):
                        node = await machine.get_child("0:CurrentState")
                        data = await node.read_data_value(raise_on_bad_status=False)
                        found += [data.StatusCode.name if data.StatusCode.is_bad() else plain(data.Value)]
                        if data.StatusCode.is_good():
                            found += [plain(await (await node.get_child("0:Id")).read_value())]
                elif name == "types":
                    found = [plain(await node.read_type_definition()) for node in (system, outer, inner, results)]
                elif name == "start":
                    meas, part, product = given
                    found = plain(await inner.call_method(
                        f"{vision}:StartSingleJob", ua.MeasIdDataType(Id=meas), ua.PartIdDataType(Id=part),
                        ua.RecipeIdExternalDataType(Id=""), ua.ProductIdDataType(Id=product),
                        ua.Variant([], ua.VariantType.Variant)))
                elif name == "start empty":
                    nothing = ua.Variant(None, ua.VariantType.Null)
                    found = plain(await inner.call_method(f"{vision}:StartSingleJob", *[nothing] * 5))
                elif name in ("Stop", "Abort", "Halt", "Reset"):
                    machine = inner if name in ("Stop", "Abort") else outer
                    found = plain(await machine.call_method(f"{vision}:{name}", ua.Variant(1, ua.VariantType.Int32), "why"))
                elif name == "SelectModeAutomatic":
                    found = plain(await outer.call_method(f"{vision}:{name}"))
                elif name == "result":
                    found = plain(await results.call_method(
                        f"{vision}:GetResultById", ua.ResultIdDataType(Id=given[0]), ua.Variant(0, ua.VariantType.Int32)))
                elif name == "station":
                    station = await client.nodes.objects.get_child(f"{own}:Station")
                    nodes = await station.get_variables()
                    values = await client.read_values(nodes)
                    found = {(await node.read_browse_name()).Name: plain(value) for node, value in zip(nodes, values)}
                elif name == "write":
                    await client.get_node(ua.NodeId("Station.IsOk", own)).write_value(True)
                    found = "written"
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
            print(json.dumps(found), flush=True)

try:
    asyncio.run(main())
except BaseException as error:
    print(f"{type(error).__name__}: {error}", flush=True)
"""


#: Tries to sign in, once for each [user, password, security] of a list in JSON, and prints how that went.
SIGNING_IN = """
import asyncio, json, logging, sys
from asyncua import Client
logging.disable(logging.CRITICAL)

async def attempt(user, password, security):
    client = Client(sys.argv[1], timeout=60)
    try:
        if user:
            client.set_user(user)
            client.set_password(password)
        if security:
            await client.set_security_string(security)
        async with client:
            return "connected"
    except Exception as error:
        return f"{type(error).__name__}: {error}"

async def main():
    print(json.dumps([await attempt(*one) for one in json.loads(sys.argv[2])]))

asyncio.run(main())
"""


class Client:
    """The other side."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, "-c", CLIENT, f"opc.tcp://127.0.0.1:{port}"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.greeting = self._process.stdout.readline().strip()

    def __call__(self, *command: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=60)


def when_up(port: OpcuaPort) -> OpcuaPort:
    """Wait until the server runs, then tell it that the station is ready."""
    end = time.monotonic() + 60
    while not port._shown:
        assert time.monotonic() < end
        time.sleep(0.05)
    return port


@pytest.fixture(scope="module")
def started(station_of_module, port_of_module: int) -> Iterator[tuple[Any, Client]]:
    """A station and a client: each takes seconds to start, so all tests share them."""
    line = station_of_module(OpcuaPort("port", OpcuaOptions(port=port_of_module)))
    when_up(line.port)
    client = Client(port_of_module)
    assert client.greeting == "connected"
    assert client("subscribe")
    yield line, client
    client.close()


@pytest.fixture
def line(started) -> Any:
    """The station, as it is when it begins."""
    line, plc = started
    line.judge = lambda trigger: True
    line.triggers.clear()
    plc("Reset")
    line.port.beat(READY)
    plc("SelectModeAutomatic")
    return line


@pytest.fixture
def plc(started) -> Client:
    return started[1]


def test_a_job_from_its_start_to_its_result(line, plc):
    line.judge = lambda trigger: None
    assert plc("types") == [1003, 1017, 1021, 1007]
    assert plc("state") == ["Operational", 5031, "Ready", 5057]
    job, error = plc("start", "measurement 1", "part 1", "bolt")
    assert error == 0
    (trigger,) = line.wait_for(1)
    assert (trigger.id, trigger.product, trigger.picture, trigger.port) == (job["Id"], "bolt", None, "port")
    assert plc("state") == ["Operational", 5031, "SingleExecution", 5058]
    assert plc("start", "", "", "") == [{"Id": ""}, -1]  # one at a time
    line.answer(trigger.id)
    event = plc("event")
    sequence = line.answers[-1].sequence
    assert (event["JobId"], event["ResultId"], event["ResultState"]) == (job, {"Id": str(sequence)}, 1)
    assert (event["MeasId"]["Id"], event["PartId"]["Id"], event["ProductId"]["Id"]) == (
        "measurement 1",
        "part 1",
        "bolt",
    )
    assert event["ResultContent"] == [True, "", 0.25, 1.0, sequence, False, "bolt", "digest"]
    assert event["EventType"] == 1024
    assert plc("state") == ["Operational", 5031, "Ready", 5057]
    handle, result, error = plc("result", str(sequence))
    assert (handle, error, result["JobId"], result["ResultContent"]) == (0, 0, job, event["ResultContent"])
    assert result["InternalRecipeId"]["Id"] == "digest"
    assert result["CreationTime"].startswith("2026-01-02 03:04:05.678")
    assert plc("result", "no")[2] == -2


def test_whoever_gives_no_arguments_gets_an_answer_as_well(line, plc):
    job, error = plc("start empty")
    assert (error, plc("event")["JobId"]) == (0, job)
    assert line.triggers[0].product is None


def test_a_fail_safe_answer_has_failed_and_is_ng(line, plc):
    line.port.deliver(ANSWER)
    found = plc("station")
    assert {key: found[key] for key in ("Id", "IsOk", "Verdict", "FailSafe", "Score", "Threshold", "Product", "Sequence")} == {
        "Id": "7", "IsOk": True, "Verdict": "OK", "FailSafe": "", "Score": 0.25, "Threshold": 1.0, "Product": "bolt",
        "Sequence": 1,
    }  # fmt: skip
    failed = replace(ANSWER, sequence=2, is_ok=False, fail_safe="deadline", score=None, threshold=None, repeated=True)
    line.port.deliver(failed)
    assert [plc("event")["ResultState"] for _ in range(2)] == [1, 4]
    found = plc("station")
    assert (found["IsOk"], found["Verdict"], found["FailSafe"], found["Repeated"]) == (False, "NG", "deadline", True)
    assert math.isnan(found["Score"])
    _, result, _ = plc("result", "2")
    assert (result["ResultState"], result["ResultContent"][:2]) == (4, [False, "deadline"])


def test_a_fault_is_an_error_and_goes_by_itself(line, plc):
    line.port.beat(State("fault", 2, "no camera", 0, {}))
    assert plc("state") == ["Error", 5030, "BadStateNotActive"]
    assert plc("start", "", "", "")[1] == -1
    found = plc("station")
    assert (found["State"], found["Reason"], found["Heartbeat"]) == ("fault", "no camera", 2)
    line.port.beat(State("ready", 3, "", 0, {}))
    assert plc("state") == ["Operational", 5031, "Ready", 5057]
    assert line.triggers == []


def test_halt_stop_reset_and_automatic(line, plc):
    line.judge = lambda trigger: None
    assert plc("Stop") == -1  # nothing is running
    assert plc("start", "", "", "")[1] == 0
    assert plc("Stop") == 0
    assert plc("state")[2] == "Ready"
    assert plc("start", "", "", "")[1] == 0
    assert plc("Abort") == 0
    assert plc("Halt") == 0
    assert plc("state") == ["Halted", 5029, "BadStateNotActive"]
    assert (plc("Halt"), plc("start", "", "", "")[1], plc("SelectModeAutomatic")) == (-1, -1, -1)
    assert plc("Reset") == 0
    assert plc("state") == ["Preoperational", 5028, "BadStateNotActive"]
    assert plc("start", "", "", "")[1] == -1
    assert plc("SelectModeAutomatic") == 0
    assert plc("state") == ["Operational", 5031, "Ready", 5057]
    assert len(line.triggers) == 2


def test_the_answer_of_a_stopped_job_does_not_end_the_next(line, plc):
    line.judge = lambda trigger: None
    plc("start", "first", "", "")
    plc("Stop")
    second = plc("start", "second", "", "")[0]["Id"]
    first_trigger, _ = line.wait_for(2)
    line.port.deliver(replace(ANSWER, id=first_trigger.id, port="port"))
    assert plc("state")[2] == "SingleExecution"
    line.port.deliver(replace(ANSWER, sequence=2, id=second, port="port"))
    assert plc("state")[2] == "Ready"
    assert [plc("event")["MeasId"]["Id"] for _ in range(2)] == ["first", "second"]


def test_nobody_can_write_a_verdict(line, plc):
    assert plc("write").startswith("BadUserAccessDenied")


def test_nonsense_on_the_wire_does_not_end_the_server(line, plc, port_of_module):
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"HELF\xff\xff\xff\x7f" + bytes(200), bytes(300)):
        with socket.create_connection(("127.0.0.1", port_of_module)) as other:
            other.sendall(data)
    assert plc("state")[0] == "Operational"


def test_a_user_and_a_certificate(tmp_path, station, free_port):
    (tmp_path / "password").write_text("the password", encoding="utf-8")
    for name in ("server", "plc", "stranger"):
        certificate(tmp_path, name)
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "plc.der").write_bytes((tmp_path / "plc.der").read_bytes())
    options = OpcuaOptions(
        port=free_port, user="plc", password_file=str(tmp_path / "password"), trusted_folder=str(tmp_path / "trusted"),
        certificate_file=str(tmp_path / "server.der"), key_file=str(tmp_path / "server.pem"),
    )  # fmt: skip
    when_up(station(OpcuaPort("port", options)).port)

    def security(name: str) -> str:
        files = [tmp_path / f"{name}.der", tmp_path / f"{name}.pem", tmp_path / "server.der"]
        return ",".join(["Basic256Sha256", "SignAndEncrypt", *map(str, files)])

    attempts = [
        ("plc", "the password", security("plc")), ("plc", "another", security("plc")), ("", "", security("plc")),
        ("plc", "the password", security("stranger")), ("plc", "the password", ""),
    ]  # fmt: skip
    command = [sys.executable, "-c", SIGNING_IN, f"opc.tcp://127.0.0.1:{free_port}", json.dumps(attempts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    right, wrong, nobody, stranger, open_line = json.loads(done.stdout)
    assert right == "connected"
    assert "BadUserAccessDenied" in wrong
    assert "BadIdentityTokenRejected" in nobody
    assert stranger != "connected"
    assert open_line != "connected"


def certificate(folder: Path, name: str) -> None:
    """A certificate that has signed itself, and its key: NAME.der, NAME.pem."""
    from datetime import datetime, timedelta, timezone

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    uri = "urn:paddlex:line" if name == "server" else "urn:example.org:FreeOpcUa:opcua-asyncio"
    usage = x509.KeyUsage(True, True, True, True, False, True, False, False, False)
    purposes = [x509.ExtendedKeyUsageOID.CLIENT_AUTH, x509.ExtendedKeyUsageOID.SERVER_AUTH]
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True).add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / f"{name}.der").write_bytes(made.public_bytes(serialization.Encoding.DER))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.pem").write_bytes(key.private_bytes(*private))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"host": "0.0.0.0"}, "needs a user, or anonymous: true"),
        ({"host": "0.0.0.0", "user": "plc", "password_file": "p"}, "a password needs certificate_file and key_file"),
        ({"certificate_file": "server.der"}, "certificate_file and key_file go together"),
        ({"trusted_folder": "trusted"}, "trusted_folder goes with certificate_file"),
    ],
)
def test_strangers_are_kept_out_unless_the_config_lets_them_in(options, told):
    with pytest.raises(ValueError, match=told):
        OpcuaOptions(**options)


def test_what_cannot_be_is_said_at_once(free_port, tmp_path):
    port = OpcuaPort("port", OpcuaOptions(port=free_port))
    assert port.check() == f"127.0.0.1:{free_port} is free to listen on"
    with pytest.raises(DeliveryError, match="the server does not run"):
        port.deliver(ANSWER)
    port.beat(READY)
    with socket.create_server(("127.0.0.1", free_port)), pytest.raises(LineError, match="port port cannot listen"):
        port.start(lambda trigger: None)
    files = {"certificate_file": str(tmp_path / "no.der"), "key_file": str(tmp_path / "no.pem")}
    with pytest.raises(LineError, match=r"no certificate or key can be read: No such file .*no\.der"):
        OpcuaPort("port", OpcuaOptions(port=free_port, **files)).check()
    port.close()
