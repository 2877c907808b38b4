"""How many processes train, and which of them this one is: paddle.distributed tells it in environment variables."""

from __future__ import annotations

import os

from paddlex.errors import ConfigError
from paddlex.utils.devices import Device
from paddlex.utils.logging import logger
from paddlex.utils.paddle_environment import usable_cores


def process_rank() -> int:
    """The number of this process among those that were started together, from 0."""
    return _number("PADDLE_TRAINER_ID", 0)


def process_count() -> int:
    """How many processes were started together; 1 if this one was started alone."""
    return max(1, _number("PADDLE_TRAINERS_NUM", 1))


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else default


def processes_to_start(wanted: int | None, device: Device, batch_size: int) -> int:
    """How many processes to train with are still to be started; 1 if this one is enough, or a launcher has started all.

    Args:
        wanted: ``Train.processes``; None is one for each GPU, and one on a CPU.
        device: what to train on.
        batch_size: of the whole batch.

    Raises:
        ConfigError: the three contradict each other, or what the launcher has started.
    """
    started = process_count()
    if started > 1:
        if wanted not in (None, started):
            raise _contradiction(f"{wanted}, but the launcher has started {started} processes", "Leave it out")
    elif device.is_gpu and wanted not in (None, len(device.indices)):
        raise _contradiction(
            f"{wanted}, but a GPU has one process, and Global.device is {device}",
            "Leave it out, and list the GPUs: Global.device=gpu:0,1",
        )
    count = started if started > 1 else wanted or max(1, len(device.indices))
    if count > batch_size:
        but = f"but a batch has {batch_size} images to divide among them"
        if wanted is None and started == 1:
            remedy = "List fewer GPUs, or raise Train.batch_size"
            raise ConfigError(f"Global.device lists {count} GPUs, {but}", remedy=remedy)
        raise _contradiction(f"{count}, {but}", "Lower it, or raise Train.batch_size")
    if not device.is_gpu and started == 1 and count > usable_cores():
        logger.warning("%d processes share %d cores: fewer would be faster.", count, usable_cores())
    return 1 if started > 1 else count


def _contradiction(what: str, remedy: str) -> ConfigError:
    return ConfigError(f"Train.processes is {what}", remedy=remedy)
