"""How long a station takes from a trigger to its answer, whether it grows, and how soon it is back after each fault.

    python benchmarks/line.py output/demo/best_model/inference PICTURE --triggers 10000 --soak 100000

A real station (``paddlex --line``) in a process of its own; it is timed at the other side of a TCP connection on this machine,
from the first byte of TRIGGER to the last of ANSWER, one trigger after the other. What the camera shows is one file, which is
read and decoded for each trigger. ``--nothing`` judges with a stand-in for the model, so that what is left is the station's own
time: queue, outbox on the disk, delivery. The other protocols: line_protocols.py.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import psutil

#: Answers that wait for a receiver that is away.
_QUEUED = 1000


class Plc:
    """The other side of the connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connect()

    def connect(self) -> None:
        until = time.monotonic() + 120
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=120)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.001)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.socket.makefile("rb")

    def ask(self, id: str) -> tuple[float, list[str]]:
        """Seconds until the answer, and its words."""
        start = time.perf_counter()
        self.socket.sendall(f"TRIGGER {id}\n".encode())
        while True:
            line = self.lines.readline()
            if not line:
                raise ConnectionError
            if line.startswith(b"ANSWER"):
                words = line.decode().split()
                seconds = time.perf_counter() - start
                self.socket.sendall(f"ACK {words[1]}\n".encode())
                if words[2] == id:
                    return seconds, words


STATION = """
import sys, time
import numpy as np
import paddlex.line.judge
from paddlex.line.judge import Verdict

class Nothing:
    def __init__(self, line): pass
    def judge(self, picture, product): return Verdict(True, 1.0, 2.0, "nothing", None)

if sys.argv[2] == "nothing":
    paddlex.line.judge.Judge = Nothing
if sys.argv[3]:  # a picture that each trigger without one is taken to have brought
    from paddlex.line.sources import nothing
    nothing.NoSource.capture = lambda self, seconds: open(sys.argv[3], "rb").read()
from paddlex.cli import main
sys.exit(main(["--line", sys.argv[1]]))
"""


class Station:
    """The process."""

    def __init__(self, folder: Path, model: str, picture: str, judge: str, **ports: dict) -> None:
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            self.port, self.web = one.getsockname()[1], other.getsockname()[1]
        config = {
            "Line": {"model_dir": model, "outbox": str(folder / "outbox"), "deadline_s": 1.0, "heartbeat_s": 0.1},
            "Ports": {"plc": {"type": "tcp", "port": self.port}, "web": {"type": "http", "port": self.web}, **ports},
        }
        (folder / "line.yaml").write_text(json.dumps(config), encoding="utf-8")
        self.command = [sys.executable, "-c", STATION, str(folder / "line.yaml"), judge, picture]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)

    def ready(self) -> None:
        """Wait until it says so."""
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.web}/readyz", timeout=10).close()
                return
            except OSError:
                time.sleep(0.005)

    @property
    def megabytes(self) -> float:
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def stop(self) -> float:
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        return time.monotonic() - start


def percentiles(seconds: list[float]) -> str:
    p50, p99, p999 = np.percentile(np.array(seconds) * 1000, [50, 99, 99.9])
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, p99.9 {p999:.2f} ms, longest {1000 * max(seconds):.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the inference folder of a model")
    parser.add_argument("picture", help="that each trigger shows")
    parser.add_argument("--triggers", type=int, default=10_000)
    parser.add_argument("--soak", type=int, default=0, help="so many triggers more, with memory at start and end")
    parser.add_argument("--nothing", action="store_true", help="a stand-in for the model, which says OK at once")
    parser.add_argument("--folder", help="where the outbox is (default: the system's temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        judge = "nothing" if arguments.nothing else "model"
        station = Station(Path(folder), arguments.model, arguments.picture, judge)
        station.ready()
        plc = Plc(station.port)
        numbers = iter(range(10**9))
        for _ in range(20):
            plc.ask(f"warm-{next(numbers)}")
        asked = [plc.ask(str(next(numbers))) for _ in range(arguments.triggers)]
        late = sum(words[6] != "-" for _, words in asked)
        print(f"{arguments.triggers} triggers: {percentiles([seconds for seconds, _ in asked])}; fail-safe: {late}")
        if arguments.soak:
            before, start = station.megabytes, time.monotonic()
            asked = [plc.ask(str(next(numbers))) for _ in range(arguments.soak)]
            seconds = time.monotonic() - start
            late = sum(words[6] != "-" for _, words in asked)
            print(
                f"soak of {arguments.soak}: {seconds:.0f} s, {percentiles([each for each, _ in asked])}; fail-safe: {late}"
            )
            print(f"memory: {before:.0f} MB at its start, {station.megabytes:.0f} MB at its end")
        recoveries(station, plc, numbers)
        print(f"stop by SIGTERM: {station.stop():.2f} s")


def recoveries(station: Station, plc: Plc, numbers) -> None:
    """Seconds from the end of each fault to the first verdict that stands."""

    def verdict() -> float:
        start = time.monotonic()
        while True:
            try:
                if plc.ask(f"after-{next(numbers)}")[1][6] == "-":
                    return time.monotonic() - start
            except OSError:
                plc.connect()

    plc.socket.close()
    plc.connect()
    print(f"back after a connection that broke: {verdict():.3f} s")
    plc.socket.close()
    for _ in range(_QUEUED):
        urllib.request.urlopen(f"http://127.0.0.1:{station.web}/trigger", b"", timeout=60).close()
    plc.connect()
    seconds = verdict()
    print(f"back after an outage in which {_QUEUED} answers waited, all of them delivered: {seconds:.2f} s")
    os.kill(station.process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(station.process.pid, signal.SIGCONT)
    print(f"back after 3 s in which the process stood still: {verdict():.3f} s")
    station.process.kill()
    station.process.wait()
    start = time.monotonic()
    station.start()
    plc.connect()
    verdict()
    print(
        f"back after kill -9, with the start of Python and the loading of the model: {time.monotonic() - start:.2f} s"
    )


if __name__ == "__main__":
    main()
