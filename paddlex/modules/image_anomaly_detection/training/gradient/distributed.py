"""Several processes that train one student: who does what, and how their sums become one."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import paddle

from paddlex.errors import ProcessLost, TrainingError
from paddlex.modules.image_anomaly_detection.training.batches import consecutive
from paddlex.modules.image_anomaly_detection.training.settings_difference import different_settings
from paddlex.utils.logging import logger
from paddlex.utils.paddle_environment import communicate_on_cpu
from paddlex.utils.processes import process_count, process_rank
from paddlex.utils.signals import keep_signals_off_this_thread

Result = TypeVar("Result")


@dataclass(frozen=True)
class Shard:
    """The part of a batch that one process works on.

    Attributes:
        numbers: of its images; never empty. A process that is left without images works on one of another's with weight
            0, because the sums over all processes need it to take part.
        weight: its share of the batch, 0..1; the weights of all processes add up to 1.
        total: images of the whole batch.
        own: so many of the numbers, in front, fall to this process in every epoch; the others do so now and then.
    """

    numbers: list[int]
    weight: float
    total: int
    own: int

    def part(self, places: slice) -> Shard:
        """Of this part the images in some places."""
        numbers = self.numbers[places]
        own = len(range(self.own)[places])
        return Shard(numbers, self.weight * len(numbers) / len(self.numbers), self.total, own)


@dataclass(frozen=True)
class World:
    """The processes of a run, as one of them sees them. Alone, every sum is the value itself and nothing is sent.

    Each method must be called by all processes, in the same order.

    Attributes:
        rank: this process's number, from 0. Process 0 writes files, evaluates, calibrates and exports.
        size: the number of processes.
    """

    rank: int = 0
    size: int = 1
    _calls: Iterator[int] = field(default_factory=itertools.count, repr=False, compare=False)

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def shard(self, batch: Sequence[int]) -> Shard:
        """The part of a batch that falls to this process."""
        mine = divide(batch, self.size)[self.rank]
        own = sum(number % self.size == self.rank for number in mine)
        return Shard(mine or [batch[0]], len(mine) / len(batch), len(batch), own)

    def own_batches(self, count: int, batch_size: int) -> list[list[int]]:
        """The numbers below ``count`` that fall to this process, in order, in batches of its share of a batch."""
        mine = divide(range(count), self.size)[self.rank]
        places = consecutive(len(mine), max(1, batch_size // self.size))
        return [[mine[place] for place in batch] for batch in places]

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sum over all processes, in float64, of each value."""
        return self._reduce_values(values, paddle.distributed.ReduceOp.SUM)

    def maximum(self, values: Sequence[float]) -> list[float]:
        """The largest of all processes of each value."""
        return self._reduce_values(values, paddle.distributed.ReduceOp.MAX)

    def sum_tensor(self, tensor: paddle.Tensor) -> None:
        """Replace a tensor by its sum over all processes."""
        if self.size > 1:
            with _lost_if_it_fails():
                paddle.distributed.all_reduce(tensor)

    def sum_gradients(self, parameters: Sequence[paddle.Tensor]) -> None:
        """Replace the gradient of each parameter by its sum over all processes: all in one message."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        together = paddle.concat([gradient.flatten() for gradient in gradients])
        self.sum_tensor(together)
        start = 0
        for gradient in gradients:
            part = together[start : start + gradient.size]
            paddle.assign(part.reshape(gradient.shape), output=gradient)
            start += gradient.size

    def by_main(self, work: Callable[[], Result]) -> Result:
        """Let process 0 do something; the others wait, however long it takes, and get what it returns.

        Args:
            work: returns a JSON value.

        Raises:
            ProcessLost: process 0 is gone.
        """
        if self.size == 1:
            return work()
        store, key = paddle.base.core.create_or_get_global_tcp_store(), f"paddlex/{next(self._calls)}"
        if self.is_main:
            result = work()
            store.set(key, json.dumps(result, allow_nan=True))
            return result
        with _lost_if_it_fails():
            return json.loads(store.get(key))

    def meet(self) -> None:
        """Wait, however long, until all processes are here; a sum waits no longer than half a minute (gloo's limit)."""
        if self.size == 1:
            return
        store, key = paddle.base.core.create_or_get_global_tcp_store(), f"paddlex/{next(self._calls)}"
        with _lost_if_it_fails():
            if store.add(f"{key}/count", 1) == self.size:
                store.set(key, "all here")
            store.wait(key)

    def leave(self) -> None:
        """Before an early end: process 0 keeps what the others wait for, and so lets them go first.

        The end is an orderly one, whatever becomes of the others meanwhile: nothing is raised.
        """
        if self.size == 1:
            return
        with contextlib.suppress(Exception):
            store = paddle.base.core.create_or_get_global_tcp_store()
            if self.is_main:
                store.wait("paddlex/left")
            elif store.add("paddlex/leaving", 1) == self.size - 1:
                store.set("paddlex/left", "all others")

    @contextlib.contextmanager
    def folder_of_main(self, find: Callable[[], Path]) -> Iterator[Path]:
        """Yield a folder that process 0 finds; the others, maybe on other machines, get a temporary copy of its files."""
        if self.size == 1:
            yield find()
            return
        folder = find() if self.is_main else None

        def sizes() -> list[tuple[str, int]]:
            assert folder is not None
            files = (path for path in sorted(folder.rglob("*")) if path.is_file())
            return [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in files]

        listing = self.by_main(sizes)
        with TemporaryDirectory() as temporary:
            for name, size in listing:
                content = (folder / name).read_bytes() if folder is not None else bytes(size)
                received = self._broadcast(content) if content else content
                if folder is None:
                    path = Path(temporary) / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(received)
            yield folder if folder is not None else Path(temporary)

    def check_same(self, settings: dict[str, Any]) -> None:
        """Refuse processes that were started with different settings or data.

        Raises:
            TrainingError: this one differs from process 0.
        """
        expected = self.by_main(lambda: settings)
        if different := different_settings(expected, settings):
            key = different[0]
            raise TrainingError(
                f"process {self.rank} has other settings than process 0: {', '.join(different)} "
                f"({key} is {settings.get(key)}, there {expected.get(key)})",
                remedy="Start all with the same config, data set and teacher",
            )

    def _broadcast(self, content: bytes) -> bytes:
        tensor = paddle.to_tensor(np.frombuffer(content, np.uint8).copy())
        with _lost_if_it_fails():
            paddle.distributed.broadcast(tensor, src=0)
        return bytes(tensor.numpy())

    def _reduce_values(self, values: Sequence[float], operation: Any) -> list[float]:
        if self.size == 1:
            return [float(value) for value in values]
        tensor = paddle.to_tensor(list(values), dtype="float64")
        with _lost_if_it_fails():
            paddle.distributed.all_reduce(tensor, op=operation)
        return [float(value) for value in tensor.numpy()]


def divide(numbers: Sequence[int], size: int) -> list[list[int]]:
    """The parts of ``size`` processes, as equal as can be.

    An image goes to the same process every time (its number modulo ``size``) unless that has its share already: what a
    process keeps of an image, its pixels and the teacher's features, is then seldom needed by another. Such strangers
    stand behind a process's own images.
    """
    places = [len(numbers) // size + (rank < len(numbers) % size) for rank in range(size)]
    parts: list[list[int]] = [[] for _ in range(size)]
    rest: list[int] = []
    for number in numbers:
        owner = number % size
        (parts[owner] if len(parts[owner]) < places[owner] else rest).append(number)
    for part, count in zip(parts, places, strict=True):
        missing = count - len(part)
        part += rest[:missing]
        del rest[:missing]
    return parts


def join_world(is_gpu: bool) -> World:
    """Meet the other processes that the launcher has started; alone if it has started none.

    Raises:
        ProcessLost: they do not answer.
    """
    if process_count() == 1:
        return World()
    world = World(process_rank(), process_count())
    keep_signals_off_this_thread()  # before the connections and their threads are made
    if not is_gpu:
        communicate_on_cpu()
    if not world.is_main:
        logger.setLevel("WARNING")  # what there is to tell, process 0 tells
    with _lost_if_it_fails(), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")  # and says which flags are set
        paddle.distributed.init_parallel_env()
    logger.info("%d processes train together (%s).", world.size, "nccl" if is_gpu else "gloo")
    return world


@contextlib.contextmanager
def _lost_if_it_fails() -> Iterator[None]:
    """What fails in here is the connection, whatever the text says: gloo calls a lost process a timeout."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise ProcessLost(
            f"another process of the run has ended or does not answer: {reason}",
            remedy="Look for its own error above or in its log, then resume from the last checkpoint",
        ) from error
