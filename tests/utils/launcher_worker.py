"""Run by test_launcher.py as a script: processes that end in one way or another."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from paddlex.errors import DatasetError, ProcessLost, TrainingInterrupted
from paddlex.utils import launcher
from paddlex.utils.devices import Device
from paddlex.utils.launcher import run_processes
from paddlex.utils.processes import process_count, process_rank
from paddlex.utils.signals import StopRequest


def work(case: str, folder: str) -> object:
    rank = process_rank()
    (Path(folder) / f"pid_{rank}").write_text(str(os.getpid()), encoding="utf-8")
    if case == "describe":
        names = ("OMP_NUM_THREADS", "https_proxy")
        more_than_a_pipe_holds = "x" * 1_000_000
        return [rank, process_count(), *(os.environ.get(name) for name in names), more_than_a_pipe_holds]
    if case == "killed" and rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if case == "fails" and rank == 1:
        raise DatasetError("the image is missing", where="disc 2")
    if case == "fails":
        time.sleep(0.3)
        raise ProcessLost("the other one has ended")
    if case == "program error":
        raise NotPicklable(lambda: None)
    if case == "orderly":
        with StopRequest() as stop:
            (Path(folder) / f"ready_{rank}").touch()
            while not (Path(folder) / "stop").exists():
                if stop.signal_number:
                    (Path(folder) / "stop").touch()
                time.sleep(0.05)
        time.sleep(1 - rank)  # the first process is still busy when the second has ended
        if rank == 0:
            (Path(folder) / "saved").touch()
        raise TrainingInterrupted("stopped", signal_number=signal.SIGTERM)
    (Path(folder) / f"ready_{rank}").touch()
    threading.Event().wait(600)
    return None


class NotPicklable(Exception):
    pass


if __name__ == "__main__":
    launcher.GRACE_SECONDS = 2.0
    try:
        print(json.dumps({"result": run_processes(work, tuple(sys.argv[1:]), 2, Device("cpu"))}))
    except Exception as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}))
