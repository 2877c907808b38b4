"""Seconds an epoch of training with one process of all cores against several processes that divide them, side by side.

    python benchmarks/parallel.py --dataset dataset/metal_grid --processes 2 --rounds 3

Each round trains twice through main.py, in turns; an epoch's time is that between its line in the log and the one before,
evaluation and checkpoint included. The first epoch, in which images are read and teacher features made, is left out.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "paddlex" / "configs" / "image_anomaly_detection" / "STFPM.yaml"


def seconds_an_epoch(dataset: Path, processes: int, epochs: int, more: list[str]) -> list[float]:
    with tempfile.TemporaryDirectory() as output:
        overrides = [
            "Global.mode=train", f"Global.dataset_dir={dataset}", f"Global.output={output}", "Global.device=cpu",
            f"Train.processes={processes}", "Train.eval_interval=1", f"Train.epochs_iters={epochs}", *more,
        ]  # fmt: skip
        command = [sys.executable, str(ROOT / "main.py"), "-c", str(CONFIG)]
        command += [part for override in overrides for part in ("-o", override)]
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        moments = []
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as run:
            for line in run.stderr or ():
                if re.search(rf"Epoch \d+/{epochs}: ", line):
                    moments.append(time.monotonic())
        if run.returncode:
            raise SystemExit(f"training failed with exit status {run.returncode}")
    return [after - before for before, after in itertools.pairwise(moments)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", dest="more", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    ratios = []
    for _ in range(arguments.rounds):
        one, several = (
            statistics.median(seconds_an_epoch(arguments.dataset, count, arguments.epochs, arguments.more))
            for count in (1, arguments.processes)
        )
        ratios.append(several / one)
        print(
            f"1 process {one:.2f} s, {arguments.processes} processes {several:.2f} s, ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
