"""A scratch two pixels wide in photos of 4000 x 3000 pixels: found with tiling, and without?

python benchmarks/tiling.py --folder /tmp/tiling

Draws the photos, trains one model on tiles and one on whole photos, lets both judge photos that neither has seen, each in a
process of its own, and prints what was found, how long a photo took and the most memory that the process held.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

CONFIG = Path(__file__).parent.parent / "paddlex/configs/image_anomaly_detection/STFPM.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where photos and models are kept for another time")
    parser.add_argument("--size", type=int, nargs=2, default=(3000, 4000), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--train", type=int, default=20, help="photos to train on")
    parser.add_argument("--test", type=int, default=5, help="good and as many scratched photos to judge")
    parser.add_argument("--max_tiles", type=int, default=400)
    parser.add_argument("--judge", type=Path, help=argparse.SUPPRESS)  # the process that is measured
    arguments = parser.parse_args()
    if arguments.judge:
        print(json.dumps(judge(arguments.folder, arguments.judge)))
        return
    data = make_photos(arguments)
    print(
        "| | scratches found | in their place | false alarms | s a photo | peak memory, MiB |\n|---|---|---|---|---|---|"
    )
    for name, options in (("whole photos", {}), ("tiles", {"tile_size": 256, "max_tiles": arguments.max_tiles})):
        model = arguments.folder / name.replace(" ", "_")
        if not (model / "train_result.json").is_file():
            train(data, model, options)
        command = [sys.executable, __file__, "--folder", str(data), "--judge", str(model)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        print(
            f"| {name} | {found['found']} of {arguments.test} | {found['in_place']} of {arguments.test} "
            f"| {found['false_alarms']} of {arguments.test} | {found['seconds']:.1f} | {found['peak_mib']:.0f} |",
            flush=True,
        )


def make_photos(arguments: argparse.Namespace) -> Path:
    from paddlex.data.demo.surface import make_surface_dataset

    data: Path = arguments.folder / "data"
    if not data.is_dir():
        make_surface_dataset(
            data, train=arguments.train, val_normal=arguments.test, val_anomalous=arguments.test, size=arguments.size
        )
    return data


def train(data: Path, output: Path, tiling: dict[str, int]) -> None:
    overrides = {
        "Global.mode": "train", "Global.dataset_dir": data, "Global.output": output,
        "Train.calibration.holdout_percent": 40, **{f"Train.tiling.{key}": value for key, value in tiling.items()},
    }  # fmt: skip
    options = [part for key, value in overrides.items() for part in ("-o", f"{key}={value}")]
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "paddlex", "-c", str(CONFIG), *options], check=True, capture_output=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"<!-- {output.name}: trained in {time.monotonic() - start:.0f} s, {peak:.0f} MiB at most so far -->",
        flush=True,
    )


def judge(data: Path, model_dir: Path) -> dict[str, float]:
    """Predict the validation photos, and nothing else, so that the memory is that of using a model."""
    import cv2

    from paddlex import create_model

    model = create_model("STFPM", model_dir, device="cpu")
    lines = [line.split() for line in (data / "val.txt").read_text(encoding="utf-8").splitlines()]
    found = in_place = false_alarms = 0
    seconds = []
    for image, *mask in lines:
        start = time.monotonic()
        result = next(model.predict(data / image))
        seconds.append(time.monotonic() - start)
        if not mask:
            false_alarms += result["is_anomalous"]
            continue
        found += result["is_anomalous"]
        scratch = cv2.imread(str(data / mask[0]), cv2.IMREAD_GRAYSCALE) > 0
        if result["is_anomalous"] and result["regions"]:
            x, y, width, height = result["regions"][0]["bbox"]
            in_place += bool(scratch[y : y + height, x : x + width].sum() > 0.5 * scratch.sum())
        print(
            f"score {result['score']:.3f}, regions {[region['bbox'] for region in result['regions']][:3]}",
            file=sys.stderr,
        )
    return {
        "found": found,
        "in_place": in_place,
        "false_alarms": false_alarms,
        "seconds": float(np.median(seconds)),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    main()
