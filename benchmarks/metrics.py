"""How fast are the pixel-level figures, in how much memory? Side by side with scikit-learn on all pixels at once.

python benchmarks/metrics.py --maps 200 --size 1024 --naive-maps 20

Each side runs in a process of its own; making the maps is not counted. scikit-learn needs some 70 bytes a pixel, so that it
runs on fewer maps; its seconds a map are compared (it sorts, so that more maps would make them rather longer).
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from paddlex.evaluation.metrics import PixelAccumulator

MIB = 2**20


def make_maps(count: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Anomaly maps (products of bilinearly upsampled noise, as an STFPM makes them) and masks; every other one is defective."""
    generator = np.random.default_rng(0)
    for number in range(count):
        layers = [generator.gamma(2.0, 0.1, (size // step, size // step)).astype(np.float32) for step in (4, 8, 16)]
        anomaly_map = np.prod([cv2.resize(layer, (size, size)) for layer in layers], axis=0)
        mask = np.zeros((size, size), np.uint8)
        if number % 2:
            for x, y in generator.integers(size // 8, size * 7 // 8, (3, 2)).tolist():
                cv2.circle(mask, (x, y), size // 16, 1, cv2.FILLED)
            anomaly_map *= 1 + 3 * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), size / 128)
        yield anomaly_map, mask.astype(bool)


def run_accumulator(count: int, size: int) -> dict[str, float]:
    accumulator, seconds = PixelAccumulator(), 0.0
    for anomaly_map, mask in make_maps(count, size):
        start = time.perf_counter()
        accumulator.add(anomaly_map, mask)
        seconds += time.perf_counter() - start
    start = time.perf_counter()
    metrics = accumulator.compute()
    seconds += time.perf_counter() - start
    figures = {name: getattr(metrics, name) for name in metrics.error_bounds}
    bounds = {f"{name} error bound": bound for name, bound in metrics.error_bounds.items()}
    return {"seconds": seconds, "peak MiB": peak_memory(), **figures, **bounds}


def run_scikit_learn(count: int, size: int) -> dict[str, float]:
    maps, masks = zip(*make_maps(count, size), strict=True)
    start = time.perf_counter()
    scores, labels = np.concatenate(maps, axis=None), np.concatenate(masks, axis=None)
    figures = {"auroc": roc_auc_score(labels, scores), "average_precision": average_precision_score(labels, scores)}
    return {"seconds": time.perf_counter() - start, "peak MiB": peak_memory(), **figures}


def peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=200)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--naive-maps", type=int, default=20, help="how many of the maps scikit-learn gets")
    arguments = parser.parse_args()
    naive_maps = min(arguments.naive_maps, arguments.maps)
    runs = [
        ("accumulator, all figures", run_accumulator, arguments.maps),
        ("accumulator, all figures", run_accumulator, naive_maps),
        ("scikit-learn, AUROC and AP", run_scikit_learn, naive_maps),
    ]
    seconds_per_map = []
    for name, run, count in runs:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            result = pool.submit(run, count, arguments.size).result()
        seconds_per_map.append(result["seconds"] / count)
        print(f"{name}, {count} maps of {arguments.size} x {arguments.size}")
        for key, value in result.items():
            print(f"    {key:32} {value:.8g}")
    print(f"peak MiB after the imports alone: {peak_memory():.0f}")
    print(f"ratio, scikit-learn ({naive_maps} maps) to accumulator ({arguments.maps} maps), seconds a map:", end=" ")
    print(f"{seconds_per_map[2] / seconds_per_map[0]:.2f}; both on {naive_maps} maps:", end=" ")
    print(f"{seconds_per_map[2] / seconds_per_map[1]:.2f}")


if __name__ == "__main__":
    main()
