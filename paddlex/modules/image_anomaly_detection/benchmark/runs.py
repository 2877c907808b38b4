"""One model's training and evaluation on one category: each the mode that a user runs by hand, in a process of its own.

A process of its own gives back all memory that Paddle took, so that the fifteenth category has as much as the first; a
crash in native code, or the kernel's out-of-memory killer, ends one category and not the others; and the figures cannot
differ from those of ``Global.mode=train`` and ``evaluate``, because that is what runs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddlex.config_schema import Config
from paddlex.errors import BenchmarkError, TrainingInterrupted
from paddlex.modules.image_anomaly_detection.benchmark import timing
from paddlex.modules.image_anomaly_detection.benchmark.discovery import DataSet
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.modules.image_anomaly_detection.training.settings_difference import different_settings
from paddlex.utils.child_process import environment_of_child
from paddlex.utils.files import write_json, write_text
from paddlex.utils.logging import logger
from paddlex.utils.signals import StopRequest
from paddlex.utils.strict import read_json

_CONFIG, _STATE = "category.yaml", "category_state.json"
_MAX_RESULT_BYTES = 64 * 2**20

#: What may change between two parts of a benchmark without changing its figures.
_FREE_SETTINGS = {"resume_path", "log_interval", "keep_checkpoints", "save_interval", "visualdl"}

#: What runs a module's main(); on Linux it gets SIGTERM (15) if the benchmark is killed outright, so that it is not left
#: behind. 1 is PR_SET_PDEATHSIG of <sys/prctl.h>.
_PROGRAM = """
import ctypes, sys
if sys.platform.startswith("linux"):
    ctypes.CDLL(None).prctl(1, 15)
from {module} import main
sys.exit(main({arguments}))
"""
_COMMAND = _PROGRAM.format(module="paddlex.cli", arguments="")
_TIMING = _PROGRAM.format(module=timing.__name__, arguments="sys.argv[1]")


@dataclass(frozen=True)
class CategoryRun:
    """What is to be done for one model and one category.

    Attributes:
        category: its name.
        config: the whole config of its two modes, with a data set and an output folder of its own.
        data: what it is trained and judged by.
    """

    category: str
    config: Config
    data: DataSet

    @classmethod
    def of(cls, category: str, config: Config, data: DataSet, output: Path) -> CategoryRun:
        """The run of a category in a benchmark with the config of a model."""
        config = config.model_copy(deep=True)
        config.Global.mode, config.Global.dataset_dir, config.Global.output = "train", str(data.folder), str(output)
        return cls(category, config, data)

    def __str__(self) -> str:
        return f"{self.category} with {self.model}"

    @property
    def model(self) -> str:
        return self.config.Global.model

    @property
    def output(self) -> Path:
        return self.config.output

    def outdated(self) -> str | None:
        """Why what an earlier benchmark left here does not count; None if it does, or if it left nothing."""
        state = self._state()
        if state is None or not (self._checkpoint() or self.result("train")):
            return None
        stored, current = state["settings"], self._settings()
        if different := different_settings(stored, current):
            return ", ".join(f"{key} was {stored.get(key)}, now {current.get(key)}" for key in different)
        return None if state["data"] == self._model_data() else "it was made with other images"

    def complete(self, lock: int) -> None:
        """Train, evaluate and time, or go on from where an earlier benchmark was stopped.

        Args:
            lock: file descriptor of the benchmark's lock, which the child processes hold as well.

        Raises:
            BenchmarkError: one of the three failed.
            TrainingInterrupted: SIGINT or SIGTERM came.
        """
        self.output.mkdir(parents=True, exist_ok=True)
        write_text(self.output / _CONFIG, self.config.to_yaml())
        if self.is_trained():
            logger.info("%s: trained already.", self)
        else:
            self._run("train", *self._resume(), lock=lock)
        state = self._state() or {}
        if self.result("evaluate") and state.get("judged_by") == self.data.val_fingerprint:
            logger.info("%s: evaluated already.", self)
        else:
            self._forget("time")
            self._run("evaluate", lock=lock)
            write_json(self.output / _STATE, {**state, "judged_by": self.data.val_fingerprint})
        if self.result("time") is None:
            logger.info("%s: time an image.", self)
            self._start("time", [_TIMING, str(self.output / _CONFIG)], lock)

    def is_trained(self) -> bool:
        """Whether a benchmark has trained the model to the end; a training of unknown or other settings does not count."""
        return self._state() is not None and self.result("train") is not None and self.outdated() is None

    def result(self, task: str) -> dict[str, Any] | None:
        """What a mode, or ``time``, wrote when it succeeded; None if it did not, or was never run."""
        result = self._read(f"{task}_result.json")
        return result if result and result.get("done_flag") else None

    def _forget(self, *tasks: str) -> None:
        for task in tasks:
            (self.output / f"{task}_result.json").unlink(missing_ok=True)

    def training_minutes(self) -> float:
        """Of the training, with the parts before an interruption as far as their checkpoints were used."""
        result, state = self.result("train") or {}, self._state() or {}
        return float(result.get("minutes", 0)) + float(state.get("earlier_minutes", 0))

    def _resume(self) -> list[str]:
        """The override that goes on from the newest checkpoint that counts, if any; notes the time of this part's start."""
        if self.outdated():
            while checkpoint := self._checkpoint():
                shutil.rmtree(checkpoint)
        self._forget("train", "evaluate")
        checkpoint, state = self._checkpoint(), self._state()
        earlier, override = 0.0, []
        if checkpoint and state:
            earlier = state["earlier_minutes"] + max(0.0, checkpoint.stat().st_mtime - state["started"]) / 60
            override = [f"Train.resume_path={checkpoint}"]
        state = {
            "settings": self._settings(), "data": self._model_data(), "started": time.time(), "earlier_minutes": earlier
        }  # fmt: skip
        write_json(self.output / _STATE, state)
        return override

    def _checkpoint(self) -> Path | None:
        """What a training that was stopped has left to go on from."""
        return MODELS[self.config.Global.model].last_checkpoint(self.output)

    def _model_data(self) -> list[str]:
        """The fingerprints of the images that the model depends on: those of val.txt only where it is chosen by them."""
        needs_validation = self.config.Train.needs_validation
        return [self.data.train_fingerprint, *([self.data.val_fingerprint] if needs_validation else [])]

    def _settings(self) -> dict[str, Any]:
        """What decides the figures, as JSON has it, with one dotted key for each setting."""
        train = _flat(self.config.Train.model_dump(mode="json", exclude=_FREE_SETTINGS), "Train")
        return {"Global.model": self.config.Global.model, "Global.bit_depth": self.config.Global.bit_depth, **train}

    def _state(self) -> dict[str, Any] | None:
        """What ``_resume`` noted; None if it noted nothing, or nothing that can be read."""
        state = self._read(_STATE) or {}
        kinds: dict[str, Any] = {"settings": dict, "data": list, "started": float, "earlier_minutes": float}
        return state if all(isinstance(state.get(key), kind) for key, kind in kinds.items()) else None

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            value = read_json(self.output / name, max_bytes=_MAX_RESULT_BYTES)
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def _run(self, mode: str, *overrides: str, lock: int) -> None:
        logger.info("%s: %s.", self, mode)
        options = [part for override in (f"Global.mode={mode}", *overrides) for part in ("-o", override)]
        self._start(mode, [_COMMAND, "-c", str(self.output / _CONFIG), *options], lock)

    def _start(self, task: str, program: list[str], lock: int) -> None:
        """Run a Python program with its arguments to its end.

        Raises:
            BenchmarkError: it failed.
            TrainingInterrupted: SIGINT or SIGTERM came.
        """
        status = _run_child([sys.executable, "-c", *program], lock, stopped_in=f"while it was to {task} {self}")
        if status == 0:
            return
        reason = (self._read(f"{task}_result.json") or {}).get("err_msg")
        raise BenchmarkError(reason or f"{task} {_ending(status)}")


def _flat(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Nested sections as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}.{key}"
        flat.update(_flat(value, name) if isinstance(value, dict) else {name: value})
    return flat


def _run_child(command: list[str], lock: int, stopped_in: str) -> int:
    """Run a command to its end; returns its exit status, -n for signal n. Its output goes where ours goes.

    The child has a session of its own, so that Ctrl-C on a terminal reaches it once, through us, and it can save a checkpoint.

    Raises:
        TrainingInterrupted: we were asked to stop, and the child has stopped.
    """
    with StopRequest() as stop:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            env=environment_of_child(),
            start_new_session=True,
            pass_fds=[lock] if os.name == "posix" else [],
        )
        try:
            passed_on = False
            while child.poll() is None:
                if stop.signal_number is not None and not passed_on:
                    child.send_signal(stop.signal_number)
                    passed_on = True
                time.sleep(0.05)
        finally:
            if child.poll() is None:  # a second Ctrl-C
                child.kill()
                child.wait()
    if stop.signal_number is not None:  # looked at when none can be noted any more
        raise TrainingInterrupted(
            f"the benchmark was stopped by signal {stop.signal_number} {stopped_in}",
            signal_number=stop.signal_number,
            remedy="The same command goes on from there",
        )
    return child.returncode


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status} and without a result"
    if -status == signal.SIGKILL:
        return "was killed (signal 9); the memory may have run out"
    return f"was ended by signal {-status}"
