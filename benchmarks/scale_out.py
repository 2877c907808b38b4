"""Images a second of the built-in path (all cores) and of --engine ray on this machine (one model a core), by turns.

python benchmarks/scale_out.py output/best_model/inference dataset/metal_grid/images/val --images 3000

Both judge the same folder, to the same facts: the built-in path a JSON line an image, Ray a Parquet row. Once with the
start of Python, Paddle and the cluster, as a user waits for it, and once without: from two sizes of folder the time that
an additional image takes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from paddlex.inference.inputs import list_images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_dir")
    parser.add_argument("images", help="a folder; its images are used over and over")
    parser.add_argument("--images", dest="count", type=int, default=3000, help="of the larger folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--run_mode", default="auto")
    arguments = parser.parse_args()
    common = ["--model_dir", arguments.model_dir, "--device", "cpu", "--run_mode", arguments.run_mode]
    common += ["--batch_size", str(arguments.batch_size)]
    ways = {"built-in": ["--json"], "ray": ["--engine", "ray", "--workers", str(arguments.workers)]}
    with tempfile.TemporaryDirectory() as name:
        sizes = (arguments.count // 3, arguments.count)
        folders = [fill(Path(name) / f"{size} images", size, arguments.images) for size in sizes]
        seconds: dict[tuple[str, int], list[float]] = {}
        for _ in range(arguments.rounds):
            for size, folder in zip(sizes, folders, strict=True):
                for way, options in ways.items():
                    seconds.setdefault((way, size), []).append(run([*common, *options], folder, Path(name) / "out"))
    median = {key: statistics.median(values) for key, values in seconds.items()}
    print(f"| way | {sizes[1]} images, s (median of {arguments.rounds}) | images/s | images/s without the start |")
    print("|---|---|---|---|")
    rates = {}
    for way in ways:
        rates[way] = (sizes[1] - sizes[0]) / (median[way, sizes[1]] - median[way, sizes[0]])
        total = median[way, sizes[1]]
        print(f"| {way} | {total:.1f} | {sizes[1] / total:.1f} | {rates[way]:.1f} |")
    ratios = [ray / own for ray, own in zip(seconds["ray", sizes[1]], seconds["built-in", sizes[1]], strict=True)]
    print(
        f"ray / built-in, time of {sizes[1]} images: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )
    print(f"ray / built-in, time of an additional image: {rates['built-in'] / rates['ray']:.2f}")


def fill(folder: Path, count: int, source: str) -> Path:
    """Make a folder with ``count`` copies of the images in another."""
    paths = list(list_images(source))
    folder.mkdir()
    for number in range(count):
        shutil.copy(paths[number % len(paths)], folder / f"{number:06d}{Path(paths[number % len(paths)]).suffix}")
    return folder


def run(options: list[str], folder: Path, output: Path) -> float:
    """Run the command on a folder; returns its wall time in seconds. Fails unless every image was judged."""
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "paddlex", "--pipeline", "anomaly_detection", "--input", str(folder), *options]
    if "ray" in options:
        command += ["--save_path", str(output)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    judged = count_rows(output) if "ray" in options else sum("error" in json.loads(x) for x in done.stdout.splitlines())
    if judged != len(list(folder.iterdir())):
        raise SystemExit(f"{judged} images were judged: {done.stderr}")
    return seconds


def count_rows(folder: Path) -> int:
    import pyarrow.dataset

    return int(pyarrow.dataset.dataset(folder, format="parquet").count_rows())


if __name__ == "__main__":
    main()
