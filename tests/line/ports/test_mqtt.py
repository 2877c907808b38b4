"""MQTT 5 against a real mosquitto, which each test starts for itself."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from paddlex.errors import ConfigError, LineError
from paddlex.line.contract import Answer, DeliveryError, State, Trigger

paho = pytest.importorskip("paho.mqtt.client", reason='pip install ".[mqtt]"')
from paho.mqtt.packettypes import PacketTypes  # noqa: E402
from paho.mqtt.properties import Properties  # noqa: E402

from paddlex.line.ports.mqtt import MqttOptions, MqttPort  # noqa: E402

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed: apt-get install mosquitto")

ANSWER = Answer(1, "7", "port", True, None, 0.25, 1.0, "digest", "bolt", "2026-01-02T03:04:05.678+00:00", 0.05)


class Broker:
    """A mosquitto on a port of its own, which remembers sessions over a restart."""

    def __init__(self, folder: Path, port: int, *lines: str) -> None:
        self.port, self._folder = port, folder
        self._process: subprocess.Popen | None = None
        config = [
            f"listener {port} 127.0.0.1", "persistence true", f"persistence_location {folder}/", "user root",
            f"log_dest file {folder}/log", *(lines or ["allow_anonymous true"]),
        ]  # fmt: skip
        (folder / "mosquitto.conf").write_text("\n".join(config), encoding="utf-8")

    def start(self) -> Broker:
        self._process = subprocess.Popen([str(MOSQUITTO), "-c", str(self._folder / "mosquitto.conf")])
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self._folder / "log").read_text(encoding="utf-8"))

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


class Plc:
    """The other side: another client, with all that it is sent."""

    def __init__(self, port: int, *topics: str) -> None:
        self.messages: queue.Queue[Any] = queue.Queue()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, f"plc-{os.urandom(4).hex()}", protocol=paho.MQTTv5)
        self._client.on_message = lambda client, data, message: self.messages.put(message)
        ready: queue.Queue[bool] = queue.Queue()
        self._client.on_subscribe = lambda *arguments: ready.put(True)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        for topic in topics:
            self._client.subscribe(topic, qos=1)
            ready.get(timeout=60)

    def send(self, topic: str, payload: bytes | str | dict, retain: bool = False, **properties: Any) -> None:
        given = Properties(PacketTypes.PUBLISH)
        for key, value in properties.items():
            setattr(given, key, value)
        data = json.dumps(payload) if isinstance(payload, dict) else payload
        self._client.publish(topic, data, 1, retain, given).wait_for_publish(60)

    def next(self, seconds: float = 60) -> Any:
        return self.messages.get(timeout=seconds)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path, free_port: int) -> Iterator[Broker]:
    made = Broker(tmp_path, free_port).start()
    yield made
    made.stop()


@pytest.fixture
def plc(broker: Broker) -> Iterator[Plc]:
    made = Plc(broker.port, "line/1/answer", "line/1/state", "plc/#")
    yield made
    made.close()


def port_to(broker: Broker, **options: Any) -> MqttPort:
    return MqttPort("port", MqttOptions(host="127.0.0.1", port=broker.port, topic="line/1", **options))


def when_up(port: MqttPort) -> None:
    """Wait until the port has connected."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            return port.deliver(ANSWER)
        except DeliveryError:
            time.sleep(0.02)
    raise AssertionError("the port has not connected")


def test_a_trigger_is_answered_with_its_id(broker, plc, station):
    line = station(port_to(broker))
    when_up(line.port)
    plc.next()
    plc.send("line/1/trigger", {"id": "part 7", "product": "bolt"})
    (trigger,) = line.wait_for(1)
    assert (trigger.id, trigger.product, trigger.picture, trigger.port) == ("part 7", "bolt", None, "port")
    message = plc.next()
    assert (message.topic, message.qos, message.retain) == ("line/1/answer", 1, False)
    assert json.loads(message.payload) == line.answers[0].to_json()
    assert message.properties.ContentType == "application/json"


def test_an_answer_does_not_wait_in_the_socket(broker, station):
    port = station(port_to(broker)).port
    when_up(port)
    assert port._link.client.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_empty_trigger_gets_an_id_and_a_picture_comes_as_it_is(broker, plc, station):
    line = station(port_to(broker))
    when_up(line.port)
    plc.send("line/1/trigger", b"")
    plc.send("line/1/trigger", b"")
    plc.send("line/1/trigger", b"\x89PNG...", UserProperty=[("id", "9"), ("product", "nut")])
    first, second, third = line.wait_for(3)
    assert first.id and second.id and first.id != second.id
    assert first.picture is None
    assert (third.id, third.product, third.picture) == ("9", "nut", b"\x89PNG...")


def test_the_answer_goes_to_the_response_topic_as_well(broker, plc, station):
    line = station(port_to(broker))
    when_up(line.port)
    plc.next()
    plc.send("line/1/trigger", {"id": 5}, ResponseTopic="plc/5/reply", CorrelationData=b"\x00\x01")
    reply, answer = plc.next(), plc.next()
    assert (reply.topic, reply.properties.CorrelationData) == ("plc/5/reply", b"\x00\x01")
    assert json.loads(reply.payload)["id"] == "5"
    assert (answer.topic, answer.payload) == ("line/1/answer", reply.payload)


@pytest.mark.parametrize("topic", ["line/1/trigger", "line/1/state"])
def test_no_answer_is_sent_to_where_it_would_be_taken_for_something_else(broker, plc, station, topic):
    line = station(port_to(broker))
    when_up(line.port)
    plc.next()
    plc.send("line/1/trigger", {"id": "1"}, ResponseTopic=topic)
    plc.send("line/1/trigger", {"id": "2"})
    assert [json.loads(plc.next().payload)["id"] for _ in range(2)] == ["1", "2"]
    assert len(line.triggers) == 2


@pytest.mark.parametrize(
    ("payload", "told", "identity"),
    [
        (b"{not json", "is not valid JSON", None),
        (b'{"id": "1", "prodcut": "bolt"}', "has the key 'prodcut', and may have id and product", "1"),
        (b'{"product": ["bolt"], "id": "1"}', "has no text of up to 128 characters at product", "1"),
        (b"\xff" * 300_000, "has a picture of more than 0.25 MB", None),
    ],
)
def test_what_is_no_trigger_is_a_picture_that_cannot_be_read(broker, plc, station, caplog, payload, told, identity):
    line = station(port_to(broker, picture_mb=0.25))
    when_up(line.port)
    plc.send("line/1/trigger", payload)
    (trigger,) = line.wait_for(1)
    assert trigger.picture == b""
    assert identity in (None, trigger.id)
    assert f"port: a trigger {told}" in caplog.text


def test_a_retained_trigger_is_from_the_past_and_ignored(broker, plc, station):
    plc.send("line/1/trigger", {"id": "old"}, retain=True)
    line = station(port_to(broker))
    when_up(line.port)
    plc.send("line/1/trigger", {"id": "new"})
    assert [one.id for one in line.wait_for(1)] == ["new"]


def test_the_same_trigger_twice_is_judged_once(broker, plc, station):
    line = station(port_to(broker))
    when_up(line.port)
    plc.next()
    line.judge = lambda trigger: None
    plc.send("line/1/trigger", {"id": "1"}, ResponseTopic="plc/a")
    plc.send("line/1/trigger", {"id": "1"}, ResponseTopic="plc/b")
    plc.send("line/1/trigger", {"id": "2"})
    assert [one.id for one in line.wait_for(2)] == ["1", "2"]
    line.answer("1")
    assert [plc.next().topic for _ in range(3)] == ["plc/a", "plc/b", "line/1/answer"]


def test_deliver_returns_when_the_broker_has_acknowledged(broker, station):
    port = station(port_to(broker)).port
    when_up(port)
    broker.signal(signal.SIGSTOP)
    done: queue.Queue[float] = queue.Queue()
    threading.Thread(target=lambda: (port.deliver(ANSWER), done.put(time.monotonic()))).start()
    with pytest.raises(queue.Empty):
        done.get(timeout=0.5)
    broker.signal(signal.SIGCONT)
    done.get(timeout=60)


def test_nothing_is_lost_and_the_order_is_kept_over_an_outage(broker, station):
    line = station(port_to(broker))
    when_up(line.port)
    line.answer("before")
    plc = Plc(broker.port, "line/1/answer")
    broker.stop()
    for number in range(20):
        line.answer(str(number))
    with pytest.raises(DeliveryError) as caught:
        line.port.deliver(ANSWER)
    assert not caught.value.may_have_arrived
    time.sleep(0.5)
    plc.close()
    broker.start()
    plc = Plc(broker.port, "line/1/answer")  # may miss the first ones, which were acknowledged all the same
    line.answer("after")
    received = []
    while not received or received[-1]["id"] != "after":
        received.append(json.loads(plc.next().payload))
    numbers = [one["sequence"] for one in received]
    assert numbers == list(range(numbers[0], 23))
    plc.close()


def test_a_trigger_is_kept_by_the_broker_until_it_is_answered(broker, plc, station):
    first = station(port_to(broker, session_expiry_s=600))
    first.judge = lambda trigger: None
    when_up(first.port)
    plc.send("line/1/trigger", b"picture", UserProperty=[("id", "with a picture")])
    plc.send("line/1/trigger", {"id": "of the camera"}, MessageExpiryInterval=600)
    first.wait_for(2)
    assert all(one.received > time.monotonic() - 60 for one in first.triggers)
    first.close()
    second = station(port_to(broker, session_expiry_s=600))
    with_picture, without = second.wait_for(2)
    assert (with_picture.id, without.id) == ("with a picture", "of the camera")
    assert with_picture.received > time.monotonic() - 60
    assert without.received < time.monotonic() - 3600  # the camera shows another part by now: its deadline is over
    while second.port._asked:
        time.sleep(0.02)
    second.close()
    third = station(port_to(broker, session_expiry_s=600))
    when_up(third.port)
    plc.send("line/1/trigger", {"id": "next"})
    assert [one.id for one in third.wait_for(1)] == ["next"]


def test_what_the_broker_sends_again_over_a_new_connection_is_judged_once(broker, plc, station):
    line = station(port_to(broker, session_expiry_s=600))
    line.judge = lambda trigger: None
    when_up(line.port)
    plc.next()
    plc.send("line/1/trigger", b"", MessageExpiryInterval=600)
    (trigger,) = line.wait_for(1)
    line.port._link.client.socket().shutdown(socket.SHUT_RDWR)
    plc.send("line/1/trigger", {"id": "last"}, MessageExpiryInterval=600)
    assert [one.id for one in line.wait_for(2)] == [trigger.id, "last"]
    line.answer(trigger.id)
    line.answer("last")
    ids = [json.loads(message.payload).get("id") for message in (plc.next() for _ in range(3))]
    assert ids == [None, trigger.id, "last"]  # the state in between: a fault


def test_a_trigger_that_was_kept_and_says_no_expiry_is_too_late(broker, plc, station):
    line = station(port_to(broker, session_expiry_s=600))
    when_up(line.port)
    plc.send("line/1/trigger", {"id": "1"})
    assert line.wait_for(1)[0].received < time.monotonic() - 3600


CHILD = """
import sys, time
from paddlex.line.ports.mqtt import MqttOptions, MqttPort
from paddlex.line.contract import State
port = MqttPort("port", MqttOptions(host="127.0.0.1", port=int(sys.argv[1]), topic="line/1"))
port.start(lambda trigger: None)
while port._link is None:
    time.sleep(0.02)
port.beat(State("ready", 1, "", 0, {"port": 0}))
print("up", flush=True)
sys.stdin.read()
port.close()
"""


@pytest.mark.parametrize(("end", "state"), [(signal.SIGKILL, "fault"), (None, "stopped")])
def test_the_state_is_retained_and_a_last_will_says_fault(broker, plc, end, state):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(broker.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    assert json.loads(plc.next().payload) == {
        "state": "ready", "reason": "", "counter": 1, "answers": 0, "undelivered": {"port": 0},
    }  # fmt: skip
    late = Plc(broker.port, "line/1/state")
    message = late.next()
    assert (json.loads(message.payload)["state"], message.retain) == ("ready", True)
    if end is None:
        child.communicate("")
    else:
        child.send_signal(end)
        child.communicate()
    assert json.loads(plc.next().payload)["state"] == state
    late.close()
    late = Plc(broker.port, "line/1/state")
    message = late.next()
    assert (json.loads(message.payload)["state"], message.retain) == (state, True)
    late.close()


def authority(folder: Path, name: str) -> tuple[Path, Callable[[str], tuple[Path, Path]]]:
    """A certificate authority: its certificate, and a function: name -> the certificate and the key of a host or a client."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def signed(subject: str, issuer: str, key: Any, issuer_key: Any, is_authority: bool) -> Path:
        now = datetime.now(timezone.utc)
        names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, one)]) for one in (subject, issuer)]
        made = (
            x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
            .sign(issuer_key, hashes.SHA256())
        )  # fmt: skip
        path = folder / f"{issuer} {subject}.pem"
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return path

    authority_key = ec.generate_private_key(ec.SECP256R1())

    def issue(subject: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        path = folder / f"{name} {subject}.key"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return signed(subject, name, key, authority_key, False), path

    return signed(name, name, authority_key, authority_key, True), issue


@pytest.fixture
def secured(tmp_path: Path, free_port: int) -> Iterator[tuple[Callable[..., MqttPort], Path]]:
    """Options -> a port to a broker with TLS and a password, ready to be started; and the folder of certificates."""
    ca, issue = authority(tmp_path, "Plant")
    certificate, key = issue("localhost")
    passwords = tmp_path / "passwords"
    tool = shutil.which("mosquitto_passwd")
    assert tool is not None
    subprocess.run([tool, "-b", "-c", str(passwords), "line", "the password"], check=True)
    broker = Broker(
        tmp_path, free_port, "allow_anonymous false", f"password_file {passwords}", f"cafile {ca}",
        f"certfile {certificate}", f"keyfile {key}",
    ).start()  # fmt: skip
    (tmp_path / "secret").write_text("the password\n", encoding="utf-8")
    usual = {
        "host": "localhost", "port": free_port, "topic": "line/1", "tls": True, "ca_file": str(ca),
        "user": "line", "password_file": str(tmp_path / "secret"),
    }  # fmt: skip
    yield lambda **options: MqttPort("port", MqttOptions(**{**usual, **options})), tmp_path
    broker.stop()


def test_tls_and_a_password_from_a_file_or_the_environment(secured, station, monkeypatch):
    made, _ = secured
    when_up(station(made()).port)
    assert " with TLS as line, subscribed to line/1/trigger" in made().check()
    monkeypatch.setenv("PLANT_PASSWORD", "the password")
    assert " with TLS as line" in made(password_file=None, password_variable="PLANT_PASSWORD").check()


def test_a_broker_whose_certificate_is_not_trusted_is_refused_in_one_clear_line(secured, tmp_path):
    made, folder = secured
    other, _ = authority(tmp_path, "Stranger")
    with pytest.raises(LineError, match=r"certificate is not trusted: .*Set ca_file to the authority") as caught:
        made(ca_file=str(other)).check()
    assert "\n" not in str(caught.value)
    with pytest.raises(LineError, match="certificate is not trusted: IP address mismatch"):
        made(host="127.0.0.1").check()
    with pytest.raises(LineError, match=r"no certificate or key can be read: .* \(port: .*no\.pem\)"):
        made(ca_file=str(folder / "no.pem")).start(lambda trigger: None)


def test_a_wrong_password_is_in_no_message(secured, tmp_path, caplog):
    made, _ = secured
    (tmp_path / "wrong").write_text("Tr0ub4dor&3\n", encoding="utf-8")
    port = made(password_file=str(tmp_path / "wrong"))
    with pytest.raises(LineError, match=r"the broker refuses the connection: not authorized .*Check user, password"):
        port.check()
    port = made(password_file=str(tmp_path / "wrong"))
    port.start(lambda trigger: None)
    end = time.monotonic() + 60
    while "not authorized" not in caplog.text and time.monotonic() < end:
        time.sleep(0.02)
    port.close()
    assert "port: the broker refuses the connection: not authorized" in caplog.text
    assert "Tr0ub4dor" not in caplog.text
    with pytest.raises(ConfigError, match=r"no password is in the environment variable \(NOWHERE\)\. Set it"):
        made(password_file=None, password_variable="NOWHERE").start(lambda trigger: None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"password": "secret"}, "Extra inputs"),
        ({"user": "line"}, "user goes with one of password_file and password_variable"),
        ({"ca_file": "ca.pem"}, "go with tls: true"),
        ({"topic": "line/+"}, "pattern"),
        ({"topic": "/line"}, "pattern"),
    ],
)
def test_a_config_that_cannot_be_meant_is_refused(options, told):
    with pytest.raises(ValueError, match=told):
        MqttOptions(**{"host": "broker", "topic": "line/1", **options})


def test_a_broker_that_is_not_there_keeps_nobody_waiting(station, free_port):
    port = MqttPort("port", MqttOptions(host="127.0.0.1", port=free_port, topic="line/1"))
    line = station(port)
    port.beat(State("ready", 1, "", 0, {}))
    with pytest.raises(DeliveryError, match="the broker is not connected"):
        port.deliver(ANSWER)
    with pytest.raises(LineError, match="the broker does not answer: Connection refused"):
        MqttPort("port", MqttOptions(host="127.0.0.1", port=free_port, topic="line/1")).check()
    assert line.triggers == [] and Trigger("1", 0.0).port == ""
