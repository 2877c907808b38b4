"""How fast is a data set checked? Side by side with a loop on all cores that only reads and decodes the same files.

python benchmarks/check_dataset.py --images 4000
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from paddlex.data.dataset_checker import check_dataset
from paddlex.data.dataset_checker.workers import available_cores

HEIGHT, WIDTH = 480, 640


def make_dataset(root: Path, count: int) -> None:
    """``count`` JPEG images of different content, nine of ten for training; every other validation image has a mask."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(mask, (WIDTH // 2, HEIGHT // 2), 50, 255, cv2.FILLED)
    for folder in ("good", "scratch", "masks"):
        (root / folder).mkdir()
    train, val, images = [], [], []
    for number in range(count):
        defective = number % 20 == 0
        image = f"{'scratch' if defective else 'good'}/{number:06d}.jpg"
        images.append(root / image)
        if defective:
            cv2.imwrite(str(root / f"masks/{number:06d}.png"), mask)
            val.append(f"{image} masks/{number:06d}.png")
        else:
            (val if number % 10 == 0 else train).append(image)
    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(write_image, images, range(count)))
    (root / "train.txt").write_text("\n".join(train))
    (root / "val.txt").write_text("\n".join(val))


def write_image(path: Path, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.GaussianBlur(noise, (0, 0), 1.5))


def decode_all(root: Path) -> None:
    files = [path for path in root.rglob("*") if path.suffix in (".jpg", ".png")]
    with ThreadPoolExecutor(available_cores()) as pool:
        for _ in pool.map(decode, files):
            pass


def decode(path: Path) -> None:
    cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, output = Path(folder, "data"), Path(folder, "output")
        root.mkdir()
        make_dataset(root, arguments.images)
        decode_all(root)  # the files are in the page cache for both sides from here on
        rounds = [
            (seconds(lambda: check_dataset(root, output)), seconds(lambda: decode_all(root)))
            for _ in range(arguments.rounds)
        ]
    check, bare = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"{arguments.images} images of {WIDTH} x {HEIGHT}, {available_cores()} cores, median of {len(rounds)} rounds")
    print(f"check_dataset      {arguments.images / check:8.0f} images/s")
    print(f"bare decode loop   {arguments.images / bare:8.0f} images/s")
    print(f"ratio              {bare / check:8.2f}")


if __name__ == "__main__":
    main()
