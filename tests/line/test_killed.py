"""Killed at any moment, a station has lost no answer that was sent, and whatever is sent twice says so."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddlex.line.outbox import FILE
from paddlex.utils.child_process import environment_of_child
from tests.line.conftest import until

#: Forks, for each line that it is told, a station that listens on the port, until it is killed.
STATIONS = """
import os, sys
from pathlib import Path
from paddlex.line.config import LineConfig, LineSection
from paddlex.line.judge import Verdict
from paddlex.line.outbox import Outbox
from paddlex.line.ports.tcp import TcpOptions, TcpPort
from paddlex.line.sources.nothing import NoOptions, NoSource
from paddlex.line.station import Station

class Judge:
    def judge(self, picture, product):
        return Verdict(True, 1.0, 2.0, "digest", None)

class Source(NoSource):
    def capture(self, seconds):
        return b"picture"

def work(number):
    outbox = Outbox(Path(sys.argv[1]), ["plc"], 10**9)
    port = TcpPort("plc", TcpOptions(port=number, acknowledge_s=60))
    line = LineSection(outbox=sys.argv[1], deadline_s=600, queue=100, heartbeat_s=0.05)
    Station(LineConfig(line, Source(NoOptions()), {"plc": port}), Judge(), outbox).start()
    __import__("time").sleep(3600)

for line in sys.stdin:
    process = os.fork()
    if not process:
        work(int(line))
    os.write(1, f"{process}\\n".encode())
    os.waitpid(process, 0)
    os.write(1, b"dead\\n")
"""

OUTSTANDING = 4


class Plc:
    """Triggers without end, and again what was not answered when the connection breaks; acknowledges all, and counts."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.received: dict[int, list[tuple[str, bool]]] = defaultdict(list)  # sequence -> id and mark of each time
        self.waiting: list[str] = []
        self.count = self.sent = 0
        self.goes_on = True
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self) -> None:
        while self.goes_on or self.waiting:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
                    self.talk(connection)
            except OSError:
                time.sleep(0.01)

    def talk(self, connection: socket.socket) -> None:
        for id in self.waiting:
            connection.sendall(f"TRIGGER {id}\n".encode())
        lines = connection.makefile("rb")
        while self.goes_on or self.waiting:
            while self.goes_on and len(self.waiting) < OUTSTANDING:
                self.sent += 1
                self.waiting.append(str(self.sent))
                connection.sendall(f"TRIGGER {self.sent}\n".encode())
            line = lines.readline()
            if not line.endswith(b"\n"):
                return
            if line.startswith(b"ANSWER"):
                _, sequence, id, *_, repeated = line.decode().split()
                self.received[int(sequence)].append((id, repeated == "1"))
                self.waiting = [other for other in self.waiting if other != id]
                self.count += 1
                connection.sendall(f"ACK {sequence}\n".encode())


class Stations:
    """The processes."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port, self.pid = port, 0
        command = [sys.executable, "-c", STATIONS, str(folder)]
        self.zygote = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment_of_child()
        )

    def start(self) -> None:
        assert self.zygote.stdin is not None
        assert self.zygote.stdout is not None
        self.zygote.stdin.write(f"{self.port}\n")
        self.zygote.stdin.flush()
        self.pid = int(self.zygote.stdout.readline())

    def kill(self) -> None:
        assert self.zygote.stdout is not None
        os.kill(self.pid, signal.SIGKILL)
        assert self.zygote.stdout.readline() == "dead\n"


@pytest.fixture
def stations(tmp_path: Path) -> Iterator[Stations]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    stations = Stations(tmp_path / "outbox", port)
    yield stations
    with contextlib.suppress(ProcessLookupError):
        os.kill(stations.pid, signal.SIGKILL)
    stations.zygote.communicate()  # it ends with its input


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.endurance])])
def test_killed_in_the_middle_of_triggers(stations: Stations, tmp_path: Path, kills: int) -> None:
    rng = random.Random(0)
    stations.start()
    plc = Plc(stations.port)
    for _ in range(kills):
        enough = plc.count + rng.randrange(1, 60)
        until(lambda enough=enough: plc.count >= enough, 300)  # type: ignore[misc]
        time.sleep(rng.random() / 100)
        stations.kill()
        stations.start()
    plc.goes_on = False
    plc.thread.join(300)

    def undelivered() -> int:
        with sqlite3.connect(tmp_path / "outbox" / FILE) as database:
            return database.execute("SELECT (SELECT max(sequence) FROM answers) - delivered FROM ports").fetchone()[0]

    until(lambda: undelivered() == 0)
    stations.kill()
    with sqlite3.connect(tmp_path / "outbox" / FILE) as database:
        stored = dict(database.execute("SELECT sequence, id FROM answers ORDER BY sequence"))
    assert list(stored) == list(range(1, plc.sent + 1))  # each trigger was judged once
    assert sorted(map(int, stored.values())) == list(range(1, plc.sent + 1))
    assert {sequence: {id for id, _ in times} for sequence, times in plc.received.items()} == {
        sequence: {id} for sequence, id in stored.items()
    }  # nothing that is stored was not delivered, and nothing was delivered that is not stored
    again = [times[1:] for times in plc.received.values() if len(times) > 1]
    assert all(mark for times in again for _, mark in times)
    marked = sum(mark for times in plc.received.values() for _, mark in times)
    assert marked < plc.sent  # and not simply all are marked
