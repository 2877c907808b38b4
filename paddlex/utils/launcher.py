"""Starting a piece of work in several processes of paddle.distributed, and watching over them.

The parent does nothing but watch: a process that dies or fails ends all, a signal becomes one orderly stop, and no process
outlives the parent.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from typing import Any

from paddlex.errors import DeviceError, PaddleXError, ProcessLost, TrainingError, TrainingInterrupted
from paddlex.utils.devices import Device
from paddlex.utils.logging import log_to_console, logger
from paddlex.utils.paddle_environment import environment_of_processes, import_paddle
from paddlex.utils.processes import process_rank
from paddlex.utils.signals import StopRequest

#: How long the others may take to end by themselves once one has failed.
GRACE_SECONDS = 10.0
#: How long a child outlives its parent: a step to its end, and a checkpoint.
_ORPHAN_SECONDS = 120.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Outcome:
    """What became of the work of one process: a result or an error."""

    result: Any = None
    error: BaseException | None = None


def run_processes(work: Callable[..., Any], arguments: tuple[Any, ...], count: int, device: Device) -> Any:
    """Call ``work(*arguments)`` in ``count`` processes at once; returns what it returns in process 0.

    SIGINT or SIGTERM, the first time, is passed on to process 0 and awaited; SIGINT a second time ends all at once.

    Args:
        work: can be pickled; finds out by ``process_rank`` which of the processes it is in.
        arguments: can be pickled.
        count: at least 2.
        device: ``cpu``, or as many GPUs as processes.

    Raises:
        DeviceError: the operating system is not Linux.
        TrainingInterrupted: the work was stopped by a signal.
        TrainingError: a process was killed.
        Exception: what the first process that failed has raised.
    """
    if not sys.platform.startswith("linux"):
        raise DeviceError(
            "several processes work on Linux only",
            remedy="Set Train.processes=1 and one GPU or the CPU as Global.device",
        )
    import_paddle()
    import paddle.distributed

    options: dict[str, Any] = {"backend": "nccl", "gpus": _absolute(device)} if device.is_gpu else {"backend": "gloo"}
    proxies = {name: value for name, value in os.environ.items() if name.lower() in ("http_proxy", "https_proxy")}
    with StopRequest() as stop, environment_of_processes(count):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a CPU is a CPU
            spawn: Any = paddle.distributed.spawn
            context = spawn(_in_child, (work, arguments, proxies, logger.level), count, join=False, **options)
        try:
            outcomes, lost = _watch(context, stop)
        finally:
            for process in context.processes:
                process.kill()
                process.join()
    return _conclude(outcomes, lost, stop, count)


def _watch(context: Any, stop: StopRequest) -> tuple[dict[int, Outcome], dict[int, int]]:
    """Wait for all; once one has failed, not longer than ``GRACE_SECONDS``.

    Returns:
        The outcomes by rank in the order they came, and the exit codes of processes that ended without one.
    """
    processes, queues = context.processes, context.return_queues
    outcomes: dict[int, Outcome] = {}
    lost: dict[int, int] = {}
    deadline = None
    was_told = False
    while len(outcomes) + len(lost) < len(processes) and (deadline is None or time.monotonic() < deadline):
        waiting = [rank for rank in range(len(processes)) if rank not in outcomes and rank not in lost]
        ended = {rank for rank in waiting if not processes[rank].is_alive()}  # before their queues are looked into
        for rank in waiting:
            if not queues[rank].empty():
                outcomes[rank] = queues[rank].get()
            elif rank in ended:
                lost[rank] = processes[rank].exitcode
        failed = any(not isinstance(outcome.error, TrainingInterrupted | None) for outcome in outcomes.values())
        if deadline is None and (lost or failed):
            deadline = time.monotonic() + GRACE_SECONDS
        if stop.signal_number is not None and not was_told:
            was_told = True
            os.kill(processes[0].pid, stop.signal_number)
        connection.wait([processes[rank].sentinel for rank in waiting if rank not in ended], timeout=_POLL_SECONDS)
    return outcomes, lost


def _conclude(outcomes: dict[int, Outcome], lost: dict[int, int], stop: StopRequest, count: int) -> Any:
    """The result of process 0, or the error that explains best why there is none."""
    errors = [outcome.error for outcome in outcomes.values() if outcome.error is not None]
    causes = [error for error in errors if not isinstance(error, ProcessLost)]
    if causes and -signal.SIGKILL not in lost.values():  # nothing kills itself so: then errors are its consequences
        raise causes[0]
    if lost and stop.signal_number is not None:
        raise TrainingInterrupted(
            f"training was stopped by signal {stop.signal_number} before its first step or after its last one",
            signal_number=stop.signal_number,
            remedy="Set Train.resume_path=auto to go on from the last checkpoint, if there is one",
        )
    if lost:
        rank, code = min(lost.items(), key=lambda item: item[1] != -signal.SIGKILL)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        raise TrainingError(
            f"process {rank} of {count} {how}",
            remedy="Is the memory too small? Then resume from the last checkpoint with Train.resume_path",
        )
    if errors:
        raise errors[0]
    return outcomes[0].result


def _in_child(work: Callable[..., Any], arguments: tuple[Any, ...], environment: dict[str, str], level: int) -> Outcome:
    os.environ.update(environment)  # Paddle's launcher takes the proxies away
    os.setsid()  # Ctrl-C is for the parent, which passes it on
    threading.Thread(target=_follow_parent, daemon=True).start()
    log_to_console(level)
    try:
        return Outcome(work(*arguments))
    except BaseException as error:
        if not isinstance(error, PaddleXError | OSError | MemoryError | KeyboardInterrupt):
            logger.exception("Process %d failed.", process_rank())
        return Outcome(error=_portable(error))


def _follow_parent() -> None:
    """Stop in order, with a checkpoint, when the parent is gone; at last without."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_ORPHAN_SECONDS)
        os._exit(1)


def _portable(error: BaseException) -> BaseException:
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")


def _absolute(device: Device) -> str:
    """The GPUs' numbers as Paddle's launcher wants them: those of CUDA_VISIBLE_DEVICES, where it is set."""
    visible = [number for number in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if number]
    return ",".join(visible[index] if visible else str(index) for index in device.indices)
