"""The service under load: requests a second, latency, memory, and its throughput against the bare predictor's.

python benchmarks/serving.py output/best_model/inference dataset/metal_grid/images/val
python benchmarks/serving.py output/best_model/inference dataset/metal_grid/images/val --soak 10000

The server and the clients are processes of their own on this machine, and share its cores. The bare predictor decodes and
judges the same files in batches of the same size; the two take turns. On a machine that has other work to do, only the
processor time is worth reading. The soak mixes good requests with hostile ones, and counts what was answered otherwise than
it should be, or not at all.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import multiprocessing
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import psutil

from paddlex.inference.inputs import list_images

if TYPE_CHECKING:
    from paddlex.inference.predictor import AnomalyPredictor

BATCH = 8
BOUNDARY = "benchmark"

#: method, path, headers, body
Request = tuple[str, str, dict[str, str], bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_dir")
    parser.add_argument("images")
    parser.add_argument("--clients", type=int, default=16, help="connections at once")
    parser.add_argument("--seconds", type=float, default=8, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=int, metavar="N", help="send N mixed requests instead")
    parser.add_argument("--size", type=int, default=0, help="scale the images to this side first; 0 leaves them")
    arguments = parser.parse_args()
    photos = read_photos(arguments.images, arguments.size)
    with running_server(arguments.model_dir) as (address, process):
        if arguments.soak:
            soak(address, process, photos, arguments.soak, arguments.clients)
        else:
            compare(address, process, photos, arguments)


def read_photos(folder: str, size: int) -> list[bytes]:
    photos = [Path(path).read_bytes() for path in list_images(folder)][:64]
    if not size:
        return photos
    scaled = [
        cv2.resize(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), (size, size)) for data in photos
    ]
    return [cv2.imencode(".jpg", image)[1].tobytes() for image in scaled]


@contextmanager
def running_server(model_dir: str) -> Iterator[tuple[str, psutil.Process]]:
    """``host:port`` and the process of a server that is ready."""
    with tempfile.NamedTemporaryFile("w+") as log:
        command = [sys.executable, "-m", "paddlex", "--serve", "--pipeline", f"bench={model_dir}", "--port", "0"]
        server = subprocess.Popen([*command, "--device", "cpu", "--max_batch", str(BATCH)], stderr=log)
        try:
            while not (found := re.search(r"Serving on http://(\S+)", Path(log.name).read_text())):
                time.sleep(0.1)
            while send(http.client.HTTPConnection(found[1]), ("GET", "/readyz", {}, b"")) != 200:
                time.sleep(0.1)
            yield found[1], psutil.Process(server.pid)
            server.send_signal(signal.SIGTERM)
            print(f"\nexit status after SIGTERM: {server.wait(60)}")
        finally:
            server.kill()


def send(connection: http.client.HTTPConnection, request: Request) -> int:
    connection.request(request[0], request[1], request[3], request[2])
    response = connection.getresponse()
    response.read()
    return response.status


def upload(photos: list[bytes]) -> Request:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="part.jpg"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for data in photos
    ]
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return "POST", "/judge", {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}, body


def detection(photo: bytes, **more: object) -> Request:
    body = json.dumps({"image": base64.b64encode(photo).decode(), **more}).encode()
    return "POST", "/image-anomaly-detection", {"Content-Type": "application/json"}, body


def load(address: str, requests: list[Request], clients: int, seconds: float, answers) -> None:  # type: ignore[no-untyped-def]
    """Runs in a process of its own: ``clients`` connections that ask one request after the other."""
    stop_at = time.perf_counter() + seconds
    found: list[tuple[int, float]] = []

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(address)
        chosen = random.Random(number)
        while time.perf_counter() < stop_at:
            start = time.perf_counter()
            status = send(connection, chosen.choice(requests))
            found.append((status, time.perf_counter() - start))

    answers.put((seconds_of(client, clients), found))


def seconds_of(client: Callable[[int], None], clients: int) -> float:
    """Let so many clients work at once, each with its number; returns how long the last one took."""
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start


def run_load(
    address: str, requests: list[Request], clients: int, seconds: float
) -> tuple[float, list[tuple[int, float]]]:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=load, args=(address, requests, clients, seconds, answers))
    process.start()
    result = answers.get()
    process.join()
    return result


def compare(address: str, process: psutil.Process, photos: list[bytes], arguments: argparse.Namespace) -> None:
    from paddlex.inference.predictor import AnomalyPredictor  # not needed, and heavy, in the clients' process

    predictor = AnomalyPredictor(arguments.model_dir, device="cpu", quiet=True)
    kinds = {
        "POST /judge, 1 image": ([upload([photo]) for photo in photos], 1),
        f"POST /judge, {BATCH} images": ([upload(random.Random(i).sample(photos, BATCH)) for i in range(16)], BATCH),
        "POST /image-anomaly-detection, no picture": ([detection(photo, visualize=False) for photo in photos], 1),
        "POST /image-anomaly-detection, with picture": ([detection(photo) for photo in photos], 1),
    }
    bare(predictor, photos, 2)
    start_memory = None
    print(
        "| | requests/s | p50 ms | p99 ms | errors | images/s against the bare predictor | processor time an image against it |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, (requests, images) in kinds.items():
        run_load(address, requests, arguments.clients, 2)
        start_memory = start_memory or process.memory_info().rss
        ratios, costs, rates, found = [], [], [], []
        for _ in range(arguments.rounds):  # taking turns, so that a change in the machine's speed touches both
            alone, cost_alone = bare(predictor, photos, arguments.seconds)
            before = sum(process.cpu_times()[:2])
            seconds, answers = run_load(address, requests, arguments.clients, arguments.seconds)
            good = sum(status == 200 for status, _ in answers)
            rates.append(good / seconds)
            ratios.append(images * good / seconds / alone)
            costs.append((sum(process.cpu_times()[:2]) - before) / (images * good) / cost_alone)
            found += answers
        p50, p99 = np.percentile([1e3 * duration for _, duration in found], [50, 99])
        errors = sum(status != 200 for status, _ in found)
        print(f"| {name} | {np.median(rates):.1f} | {p50:.0f} | {p99:.0f} | {errors} of {len(found)} | "
              f"{np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {np.median(costs):.2f} |",
              flush=True)  # fmt: skip
    end_memory = process.memory_info().rss
    print(
        f"\nmemory of the server: {start_memory / 2**20:.0f} MiB at the start, {end_memory / 2**20:.0f} MiB at the end"
    )


def bare(predictor: AnomalyPredictor, photos: list[bytes], seconds: float) -> tuple[float, float]:
    """Images a second from encoded bytes to results, and seconds of processor time an image."""
    start, cost, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < seconds:
        count += len(list(predictor.predict(photos[: 2 * BATCH], batch_size=BATCH)))
    return count / (time.perf_counter() - start), (time.process_time() - cost) / count


def hostile(photos: list[bytes]) -> list[tuple[str, Request, set[int]]]:
    """What a server meets: the name of each kind, the request, and which answers are right."""
    bomb = bytearray(cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    form = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    text = base64.b64encode(photos[0]).decode()
    post = "/image-anomaly-detection"
    return [
        ("truncated image", upload([photos[0][: len(photos[0]) // 2]]), {415}),
        ("no image", upload([b"no image"]), {415}),
        ("decompression bomb", detection(bytes(bomb)), {413, 415}),
        ("one bad among good", upload([photos[0], b"x", photos[1]]), {200}),
        ("a path", ("POST", post, {}, b'{"image": "/etc/passwd"}'), {400, 415}),
        ("a file URL", ("POST", post, {}, b'{"image": "file:///etc/passwd"}'), {400}),
        ("a loopback URL", ("POST", post, {}, b'{"image": "http://127.0.0.1/"}'), {403}),
        ("deep JSON", ("POST", post, {}, b'{"image":' + b"[" * 50_000), {422}),
        ("no JSON", ("POST", post, {}, b"\x00\xff" * 500), {422}),
        ("an unknown key", ("POST", post, {}, b'{"image": "QUJD", "x": 1}'), {422}),
        ("an unknown model", ("POST", "/judge?model=x", form, b"--" + BOUNDARY.encode()), {404}),
        ("half a form", ("POST", "/judge", form, upload([photos[0]])[3][:500]), {400, 422}),
        ("another site", ("POST", "/judge", {"Origin": "http://evil.example", **form}, b""), {403}),
        ("another name", ("GET", "/models", {"Host": "evil.example"}, b""), {421}),
        ("no such path", ("GET", "/../../etc/passwd", {}, b""), {404}),
        ("a JSON batch", ("POST", post + "/batch", {}, json.dumps({"images": [text, "x", text]}).encode()), {200}),
        ("metrics", ("GET", "/metrics", {}, b""), {200}),
    ]


def soak(address: str, process: psutil.Process, photos: list[bytes], count: int, clients: int) -> None:
    kinds: list[tuple[str, Request, set[int]]] = []
    for photo in photos[:17]:
        kinds.append(("good upload", upload([photo]), {200}))
        kinds.append(("good detection", detection(photo, visualize=False), {200}))
    kinds += hostile(photos)
    sent: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    statuses: Counter[int] = Counter()
    durations: list[float] = []
    lock = threading.Lock()
    left = iter(range(count))
    memory: list[int] = []

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(address, timeout=120)
        chosen = random.Random(number)
        while True:
            with lock:
                index = next(left, None)
                if index is None:
                    return
                if index % max(count // 10, 1) == 0:
                    memory.append(process.memory_info().rss)
            if index % 50 == 0:
                vanish(address, photos[0])
            name, request, right = chosen.choice(kinds)
            start = time.perf_counter()
            try:
                status = send(connection, request)
            except (OSError, http.client.HTTPException) as error:
                connection = http.client.HTTPConnection(address, timeout=120)
                status = 0
                print(f"lost: {name}: {error!r}", flush=True)
            with lock:
                sent[name] += 1
                statuses[status] += 1
                durations.append(time.perf_counter() - start)
                if status not in right:
                    wrong[f"{name}: {status}"] += 1

    seconds = seconds_of(client, clients)
    memory.append(process.memory_info().rss)
    p50, p99 = np.percentile([1e3 * duration for duration in durations], [50, 99])
    print(f"{sum(sent.values())} requests of {len(sent)} kinds in {seconds:.0f} s, and {-(-count // 50)} clients that left "
          f"in the middle; p50 {p50:.0f} ms, p99 {p99:.0f} ms")  # fmt: skip
    print(f"answers: {dict(sorted(statuses.items()))}; lost: {statuses[0]}; not as expected: {dict(wrong) or 'none'}")
    print("memory of the server, MiB:", ", ".join(f"{size / 2**20:.0f}" for size in memory))


def vanish(address: str, photo: bytes) -> None:
    """Begin an upload, and leave."""
    connection = http.client.HTTPConnection(address)
    connection.putrequest("POST", "/judge")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.putheader("Content-Length", "100000")
    connection.endheaders(photo[:1000])
    connection.close()


if __name__ == "__main__":
    main()
