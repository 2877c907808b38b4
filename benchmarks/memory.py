"""Does memory stay flat, however many images are judged? Prints the resident memory along the way.

python benchmarks/memory.py output/best_model/inference dataset/metal_grid/images/val --count 100000
"""

from __future__ import annotations

import argparse
import gc
import itertools
import time

import psutil

from paddlex import create_model
from paddlex.inference.inputs import list_images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_dir")
    parser.add_argument("images")
    parser.add_argument(
        "--count", type=int, default=100_000, help="images to judge; those of the folder, again and again"
    )
    parser.add_argument("--backend", default="auto")
    arguments = parser.parse_args()
    model = create_model(model_dir=arguments.model_dir, device="cpu", backend=arguments.backend)
    paths = itertools.islice(itertools.cycle(list(list_images(arguments.images))), arguments.count)
    process, start = psutil.Process(), time.monotonic()
    print("| images | resident memory, MiB | images/s so far |\n|---|---|---|")
    for number, _ in enumerate(model.predict(paths, batch_size=4, read_ahead=True), 1):
        if number in (1000, 3000) or number % (arguments.count // 10) == 0:
            gc.collect()
            speed = number / (time.monotonic() - start)
            print(f"| {number} | {process.memory_info().rss / 2**20:.0f} | {speed:.0f} |", flush=True)


if __name__ == "__main__":
    main()
