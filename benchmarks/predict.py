"""Milliseconds an image of predict, end to end (file to decision) and of the network alone, at batch 1.

python benchmarks/predict.py output/best_model/inference dataset/metal_grid/images/val
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from paddlex import create_model
from paddlex.inference.inputs import list_images, read_image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_dir")
    parser.add_argument("images")
    parser.add_argument("--count", type=int, default=200)
    arguments = parser.parse_args()
    paths = list(list_images(arguments.images))[: arguments.count]
    print("| run mode | network alone, p50 / p90 / p99 ms | end to end | network's share |\n|---|---|---|---|")
    for run_mode in ("onnx", "mkldnn", "paddle"):
        model = create_model("STFPM", arguments.model_dir, device="cpu", backend=run_mode)
        batch = model.folder.transform([read_image(paths[0])])
        for _ in range(3):
            model.backend.run(batch)
        network, whole = [], []
        for path in paths:  # one of each in turn, so that a change in the machine's speed touches both alike
            start = time.perf_counter()
            model.backend.run(batch)
            middle = time.perf_counter()
            next(model.predict(path))
            whole.append(time.perf_counter() - middle)
            network.append(middle - start)
        figures = [
            " / ".join(f"{1e3 * value:.1f}" for value in np.percentile(t, [50, 90, 99])) for t in (network, whole)
        ]
        print(f"| {run_mode} | {figures[0]} | {figures[1]} | {np.median(network) / np.median(whole):.0%} |", flush=True)


if __name__ == "__main__":
    main()
