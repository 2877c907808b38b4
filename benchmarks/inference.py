"""How fast is inference here, from JPEG file to decision, with each backend, side by side; and beside upstream PaddleX?

    python benchmarks/inference.py output/inference dataset/metal_grid/images/val --plot inference.png

``--upstream PYTHON`` names the Python of an environment with upstream PaddleX, see benchmarks/upstream_paddlex.py: then the
same weights run there too, image by image in turn with ours. Every way gets each image once before the next image is taken, so
that a change in the machine's speed touches all alike; quote the ratios. Where there is an inference_complete.onnx it is
measured as well.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from paddlex import create_model
from paddlex.errors import PaddleXError
from paddlex.inference.backends import RUN_MODES
from paddlex.inference.complete_check import CompleteGraph
from paddlex.inference.inputs import list_images, read_image
from paddlex.inference.model_folder import COMPLETE_NAME, open_model_folder
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.utils.private_imports import import_onnxruntime, import_openvino

#: Threads of a runtime wait in a busy loop for a while (Paddle's for 0.2 s); they shall not slow down what is measured next.
PAUSE_S = 0.25

UPSTREAM = """
import json, sys, time
from paddlex import create_model
model = create_model("STFPM", model_dir=sys.argv[1], device="cpu")
for line in sys.stdin:
    start = time.perf_counter()
    next(iter(model.predict(line.strip())))
    print(json.dumps(time.perf_counter() - start), flush=True)
"""

START = """
import sys
from paddlex import create_model
next(iter(create_model(model_dir=sys.argv[1], {options}).predict(sys.argv[2])))
"""


class Upstream:
    """Upstream PaddleX in a process of its own, which judges one image for each line that it is given."""

    def __init__(self, python: str, model_dir: str) -> None:
        self._folder = tempfile.TemporaryDirectory()  # an empty one, so that it does not import this project
        self._process = subprocess.Popen(
            [python, "-c", UPSTREAM, str(Path(model_dir).resolve())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=self._folder.name, env=without_this_project(),
        )  # fmt: skip

    def seconds(self, path: str) -> float:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(Path(path).resolve(), file=self._process.stdin, flush=True)
        for line in self._process.stdout:  # it may say other things first
            try:
                return float(json.loads(line))
            except ValueError:
                continue
        raise SystemExit("upstream PaddleX has stopped")


def bare_network(model_dir: str, engine: str) -> Callable[[np.ndarray], object]:
    """The same float32 graph in the engine alone, with the engine's own default settings for one image at a time."""
    graph = open_model_folder(model_dir).path / "inference.onnx"
    if engine == "onnx":
        session = import_onnxruntime().InferenceSession(graph, providers=["CPUExecutionProvider"])
        return lambda batch: session.run(None, {"x": batch})
    core = import_openvino().Core()
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(graph), "CPU", settings).create_infer_request()
    return lambda batch: request.infer([batch])


def timed(call: Callable[[], object]) -> float:
    time.sleep(PAUSE_S)
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def without_this_project() -> dict[str, str]:
    """The environment for a process that must not import this project."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def start_up(python: str, model_dir: str, image: str, options: str, cwd: str | None = None) -> float:
    """Seconds from starting Python to the first result, the median of three."""
    command = [python, "-c", START.format(options=options), str(Path(model_dir).resolve()), str(Path(image).resolve())]
    env = without_this_project() if cwd else None
    runs = [timed(lambda: subprocess.run(command, check=True, capture_output=True, cwd=cwd, env=env)) for _ in range(3)]
    return float(np.median(runs))


def percentiles(seconds: list[float]) -> str:
    return " / ".join(f"{1e3 * value:.1f}" for value in np.percentile(seconds, [50, 90, 99]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_dir")
    parser.add_argument("images")
    parser.add_argument("--count", type=int, default=200, help="images for the latency")
    parser.add_argument("--throughput", type=int, default=400, help="images for the throughput; 0 leaves it out")
    parser.add_argument("--backends", nargs="+", default=[name for name in RUN_MODES if not name.startswith("trt")])
    parser.add_argument("--upstream", metavar="PYTHON")
    parser.add_argument("--plot", metavar="PNG")
    arguments = parser.parse_args()
    paths = list(list_images(arguments.images))
    paths = [paths[number % len(paths)] for number in range(max(arguments.count, arguments.throughput))]
    models = {}
    for name in arguments.backends:
        try:
            models[name] = create_model(model_dir=arguments.model_dir, device="cpu", backend=name)
        except PaddleXError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)

    latency = measure_latency(arguments, models, paths[: arguments.count])
    bare = measure_networks(arguments.model_dir, models, paths[0], arguments.count)
    throughput = {name: measure_throughput(model, paths[: arguments.throughput]) for name, model in models.items()}
    starts = {name: start_up(sys.executable, arguments.model_dir, paths[0], f"backend={name!r}") for name in models}
    if arguments.upstream:
        with tempfile.TemporaryDirectory() as empty:
            its_options = "model_name='STFPM', device='cpu'"  # it needs the name, and has no other
            starts["PaddleX"] = start_up(arguments.upstream, arguments.model_dir, paths[0], its_options, empty)
    print_tables(latency, bare, throughput, starts)
    complete = open_model_folder(arguments.model_dir).path / COMPLETE_NAME
    if complete.is_file() and "onnx" in models:
        print_complete(CompleteGraph(complete), models["onnx"], paths[: arguments.count])
    if arguments.plot:
        draw(latency, arguments.plot)


def measure_latency(arguments: argparse.Namespace, models: dict, paths: list[str]) -> dict[str, list[float]]:
    """Seconds an image, file to decision, one image at a time."""
    upstream = Upstream(arguments.upstream, arguments.model_dir) if arguments.upstream else None
    seconds: dict[str, list[float]] = {name: [] for name in (*(["PaddleX"] if upstream else []), *models)}
    for number, path in enumerate([*paths[:5], *paths]):
        row = {name: timed(lambda model=model, path=path: next(model.predict(path))) for name, model in models.items()}
        if upstream:
            time.sleep(PAUSE_S)
            row["PaddleX"] = upstream.seconds(path)
        if number >= 5:  # the first ones warm up
            for name, value in row.items():
                seconds[name].append(value)
    return seconds


def measure_networks(model_dir: str, models: dict, path: str, count: int) -> dict[str, list[float]]:
    """Seconds a run of the network alone: the engines bare, and the same through our backends."""
    batch = next(iter(models.values())).folder.transform([read_image(path)])
    calls = {f"bare {name}": bare_network(model_dir, name) for name in ("onnx", "openvino") if name in models}
    calls |= {name: model.backend.run for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(count + 5):
        for name, call in calls.items():
            value = timed(lambda call=call: call(batch))
            if number >= 5:
                seconds[name].append(value)
    return seconds


def measure_throughput(model, paths: list[str], rounds: int = 4) -> dict[str, float]:
    """Images a second of a folder, files to decisions, and of the network alone on inputs that are ready, in turn."""
    if not paths:
        return {}
    batch = model.folder.transform([read_image(paths[0])])
    whole, network = [], []
    share = len(paths) // rounds
    list(model.predict(paths[:share]))
    for number in range(rounds):
        part = paths[number * share : (number + 1) * share]
        network.append(timed(lambda: [model.backend.run(batch) for _ in range(share)]) / share)
        whole.append(timed(lambda part=part: list(model.predict(part))) / share)
    ratio = float(np.median(np.array(network) / np.array(whole)))
    return {"whole": 1 / float(np.median(whole)), "network": 1 / float(np.median(network)), "ratio": ratio}


def print_tables(latency: dict, bare: dict, throughput: dict, starts: dict) -> None:
    reference = latency.get("PaddleX")
    print(
        "\n| one image at a time | ms, p50 / p90 / p99 | as fast as PaddleX | start to first result, s |\n|---|---|---|---|"
    )
    for name, seconds in latency.items():
        times = f"{np.median(np.array(reference) / np.array(seconds)):.2f} x" if reference else ""
        print(f"| {name} | {percentiles(seconds)} | {times} | {starts[name]:.2f} |")
    print("\n| network alone | ms, p50 / p90 / p99 | of the faster bare engine in float32 |\n|---|---|---|")
    engines = [np.median(seconds) for name, seconds in bare.items() if name.startswith("bare")]
    for name, seconds in bare.items():
        share = f"{min(engines) / np.median(seconds):.0%}" if engines else ""
        print(f"| {name} | {percentiles(seconds)} | {share} |")
    print("\n| a folder | images/s, files to decisions | network alone, image by image | ratio |\n|---|---|---|---|")
    for name, figures in throughput.items():
        if figures:
            print(f"| {name} | {figures['whole']:.1f} | {figures['network']:.1f} | {figures['ratio']:.2f} |")


def print_complete(graph: CompleteGraph, model: AnomalyPredictor, paths: list[str]) -> None:
    """The complete graph against predict by the same engine, both from pixels to the verdict, one photo at a time."""
    ratios, seconds = [], []
    for number, path in enumerate([*paths[:5], *paths]):
        photo = read_image(path)
        row = [timed(lambda photo=photo: graph.judge(photo)), timed(lambda photo=photo: model.judge([photo]))]
        if number >= 5:
            seconds.append(row[0])
            ratios.append(row[0] / row[1])
    print("\n| from pixels to the verdict | ms, p50 / p90 / p99 | of predict's time, p50 |\n|---|---|---|")
    print(f"| {COMPLETE_NAME} | {percentiles(seconds)} | {np.median(ratios):.2f} |")


def draw(latency: dict[str, list[float]], path: str) -> None:
    """A bar for each way, the median, with a whisker to the 90th percentile."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = sorted(latency, key=lambda name: -np.median(latency[name]))
    medians = [1e3 * float(np.median(latency[name])) for name in names]
    tails = [
        1e3 * float(np.percentile(latency[name], 90)) - median for name, median in zip(names, medians, strict=True)
    ]
    colours = ["#9aa5b1" if name == "PaddleX" else "#2a6f97" for name in names]
    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.42 * len(names)), layout="constrained")
    bars = axes.barh(
        names, medians, xerr=[[0] * len(names), tails], color=colours, error_kw={"ecolor": "#52606d", "capsize": 3}
    )
    axes.bar_label(bars, [f"{median:.1f} ms" for median in medians], padding=14, fontsize=9)
    axes.set_xlabel("ms an image, JPEG file to decision: median, and 90th percentile")
    axes.set_xlim(0, 1.25 * max(np.add(medians, tails)))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
