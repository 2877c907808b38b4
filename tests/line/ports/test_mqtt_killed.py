"""Killed at any moment, a station at a broker answers each trigger all the same: the broker keeps it until it is answered."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddlex.utils.child_process import environment_of_child

paho = pytest.importorskip("paho.mqtt.client", reason='pip install ".[mqtt]"')
from paho.mqtt.packettypes import PacketTypes  # noqa: E402
from paho.mqtt.properties import Properties  # noqa: E402

from tests.line.ports.test_mqtt import MOSQUITTO, Broker  # noqa: E402

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed: apt-get install mosquitto")

#: Forks, for each line that it is told, a station, which lives until it is killed.
STATIONS = """
import os, sys
from pathlib import Path
from paddlex.line.config import LineConfig, LineSection
from paddlex.line.judge import Verdict
from paddlex.line.outbox import Outbox
from paddlex.line.ports.mqtt import MqttOptions, MqttPort
from paddlex.line.sources.nothing import NoOptions, NoSource
from paddlex.line.station import Station

class Judge:
    def judge(self, picture, product):
        return Verdict(picture == b"good", 1.0, 2.0, "digest", None)

def work():
    outbox = Outbox(Path(sys.argv[1]), ["broker"], 10**9)
    port = MqttPort("broker", MqttOptions(host="127.0.0.1", port=int(sys.argv[2]), topic="line/1", session_expiry_s=600))
    line = LineSection(outbox=sys.argv[1], deadline_s=600, queue=1000, heartbeat_s=1)
    Station(LineConfig(line, NoSource(NoOptions()), {"broker": port}), Judge(), outbox).start()
    __import__("time").sleep(3600)

for _ in sys.stdin:
    process = os.fork()
    if not process:
        work()
    os.write(1, f"{process}\\n".encode())
    os.waitpid(process, 0)
    os.write(1, b"dead\\n")
"""

PARTS = 200


class Stations:
    """The processes, one after another."""

    def __init__(self, folder: Path, port: int) -> None:
        command = [sys.executable, "-c", STATIONS, str(folder / "outbox"), str(port)]
        self.pid = 0
        self.zygote = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment_of_child()
        )

    def start(self) -> None:
        assert self.zygote.stdin is not None and self.zygote.stdout is not None
        self.zygote.stdin.write("\n")
        self.zygote.stdin.flush()
        self.pid = int(self.zygote.stdout.readline())

    def kill(self) -> None:
        assert self.zygote.stdout is not None
        os.kill(self.pid, signal.SIGKILL)
        assert self.zygote.stdout.readline() == "dead\n"


@pytest.fixture
def broker(tmp_path: Path, free_port: int) -> Iterator[Broker]:
    made = Broker(tmp_path, free_port, "allow_anonymous true", "set_tcp_nodelay true").start()
    yield made
    made.stop()


@pytest.fixture
def stations(tmp_path: Path, broker: Broker) -> Iterator[Stations]:
    made = Stations(tmp_path, broker.port)
    yield made
    with contextlib.suppress(ProcessLookupError):
        os.kill(made.pid, signal.SIGKILL)
    made.zygote.communicate()


def test_every_trigger_is_answered_whenever_the_station_is_killed(stations: Stations, broker: Broker) -> None:
    rng = random.Random(0)
    answers: queue.Queue[dict] = queue.Queue()
    plc = paho.Client(paho.CallbackAPIVersion.VERSION2, "plc", protocol=paho.MQTTv5)
    plc.on_message = lambda client, data, message: answers.put(json.loads(message.payload))
    subscribed: queue.Queue[bool] = queue.Queue()
    plc.on_subscribe = lambda *arguments: subscribed.put(True)
    plc.connect("127.0.0.1", broker.port)
    plc.loop_start()
    plc.subscribe("line/1/answer", 1)
    subscribed.get(timeout=60)
    stations.start()
    received: dict[int, list[dict]] = defaultdict(list)  # sequence -> each time
    answered: set[str] = set()

    def take() -> None:
        answer = answers.get(timeout=60)
        received[answer["sequence"]].append(answer)
        answered.add(answer["id"])

    given = Properties(PacketTypes.PUBLISH)
    given.UserProperty = [("id", "first")]
    while "first" not in answered:  # the station has subscribed
        plc.publish("line/1/trigger", b"good", 1, properties=given).wait_for_publish(60)
        with contextlib.suppress(queue.Empty):
            answer = answers.get(timeout=0.5)
            received[answer["sequence"]].append(answer)
            answered.add(answer["id"])
    for number in range(PARTS):
        given = Properties(PacketTypes.PUBLISH)
        given.UserProperty = [("id", str(number))]
        plc.publish("line/1/trigger", b"good" if number % 3 else b"bad", 1, properties=given)
    for kill in range(1, 4):
        while len(answered) < kill * PARTS // 4:
            take()
        time.sleep(rng.random() / 100)
        stations.kill()
        stations.start()
    while len(answered) < PARTS + 1:
        take()
    plc.disconnect()
    plc.loop_stop()
    assert sorted(received) == list(range(1, PARTS + 2))  # each was judged once
    for times in received.values():
        assert {one["id"] for one in times} == {times[0]["id"]}
        expected = times[0]["id"] == "first" or int(times[0]["id"]) % 3 != 0
        assert {one["is_ok"] for one in times} == {expected}
        assert all(one["repeated"] for one in times[1:])
