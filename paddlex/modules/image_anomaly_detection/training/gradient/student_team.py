"""Threads that share a batch on a CPU, each with a copy of the student.

Paddle divides a convolution among threads only within the product of two matrices; unfolding the images, batch normalisation
and whatever else reads and writes every value runs on one. Dividing the images instead keeps the threads at work from the
first layer to the last. Each part of a batch is of two images or more; cores that are left over help with the products.
"""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import numpy as np
import paddle
from paddle import nn

from paddlex.modules.image_anomaly_detection.training.gradient.distributed import Shard, World
from paddlex.modules.image_anomaly_detection.training.gradient.synchronised_batch_norm import (
    Summing,
    SynchronisedBatchNorm,
    synchronise_batch_norm,
)
from paddlex.utils.paddle_environment import default_threads, restore_threads, set_threads

_LEAST_IMAGES = 2  # with fewer a thread is not worth what its copy of the student costs

#: Forward and back: from a student, some images, the teacher's features of them and their share of the batch to their part of
#: its loss, a scalar. Gradients are added to those of the student's parameters.
Differentiate = Callable[[nn.Layer, paddle.Tensor, Sequence[paddle.Tensor], float], paddle.Tensor]


class StudentTeam:
    """Computes the loss of a batch and its gradient.

    The batch normalisation of all copies and of all processes is synchronised: to rounding, the result is that of the whole
    batch in a single piece. Sums are always added up in the same order.

    Args:
        student: gets the gradients and the running statistics.
        world: the processes that share a batch.
        threads: so many at most.
        differentiate: what each of them does.
    """

    def __init__(self, student: nn.Layer, world: World, threads: int, differentiate: Differentiate) -> None:
        self._differentiate, self._threads = differentiate, threads
        self._meeting, self._pool = _Meeting(world), ThreadPoolExecutor(threads, "student")
        self._seat: Summing = _Seat(self._meeting, 0) if threads > 1 else world
        if threads > 1 or world.size > 1:
            synchronise_batch_norm(student, self._seat)
        self._students = [student]

    def __call__(self, x: paddle.Tensor, teacher: Sequence[paddle.Tensor], shard: Shard) -> paddle.Tensor:
        """Leave the gradient at the student's parameters, and return the loss; of several processes each has its part of both.

        Args:
            x: float32 [N, 3, H, W], this process's images of the batch.
            teacher: its normalised features of these images, [N, C, h, w] a layer.
            shard: says which part of the batch they are.

        Raises:
            ProcessLost: another process has ended.
        """
        if self._threads == 1:
            return self._work(0, x, teacher, shard)
        parts = _divide(len(x), self._threads)
        while len(self._students) < len(parts):
            self._students.append(self._copy(len(self._students)))
        work = [(x[part], [layer[part] for layer in teacher], shard.part(part)) for part in parts]
        self._meeting.open(len(parts))
        try:
            with self._meeting.attended():  # who fails here leaves nobody waiting either
                jobs = [self._pool.submit(self._work_together, *item, len(parts)) for item in enumerate(work)]
                wait(jobs)
        finally:
            restore_threads()
        if self._meeting.failure is not None:
            for student in self._students:
                student.clear_gradients()
            raise self._meeting.failure
        for student in self._students[1 : len(parts)]:
            _move_gradients(student, self._students[0])
        return paddle.add_n([job.result() for job in jobs])

    def _copy(self, number: int) -> nn.Layer:
        """A copy of the student, all of whose layers have a seat of their own where the student's have the first."""
        return copy.deepcopy(self._students[0], {id(self._seat): _Seat(self._meeting, number)})

    def _work_together(
        self, number: int, work: tuple[paddle.Tensor, Sequence[paddle.Tensor], Shard], count: int
    ) -> paddle.Tensor:
        with self._meeting.attended():
            set_threads(max(1, default_threads() // count))
            if number:
                _copy_weights(self._students[0], self._students[number])
            return self._work(number, *work)

    def _work(self, number: int, x: paddle.Tensor, teacher: Sequence[paddle.Tensor], shard: Shard) -> paddle.Tensor:
        for layer in self._students[number].sublayers():
            if isinstance(layer, SynchronisedBatchNorm):
                layer.shard = shard
        return self._differentiate(self._students[number], x, teacher, shard.weight)


class _Meeting:
    """Where the threads of a step add up tensors.

    Attributes:
        failure: the first exception in one of them; the others do not wait for it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.failure: BaseException | None = None

    def open(self, count: int) -> None:
        """Let so many threads meet from now on."""
        self.failure = None
        self._tensors: dict[int, paddle.Tensor] = {}
        self._barrier = threading.Barrier(count, self._add_up)

    @contextmanager
    def attended(self) -> Iterator[None]:
        """What a thread does while it may be waited for."""
        try:
            yield
        except BaseException as error:
            if not self._barrier.broken:
                self.failure = error
            self._barrier.abort()
            raise

    def sum_tensor(self, number: int, tensor: paddle.Tensor) -> None:
        """Replace the tensor of a thread by the sum over all threads and processes."""
        self._tensors[number] = tensor
        self._barrier.wait()
        paddle.assign(self._sum, output=tensor)

    def _add_up(self) -> None:
        """Runs in the thread that came last, while all others wait."""
        try:
            self._sum = paddle.add_n([self._tensors[number] for number in range(self._barrier.parties)])
            self._world.sum_tensor(self._sum)
        except BaseException as error:
            self.failure = error
            raise


class _Seat:
    """A thread's place in the meeting: what synchronised batch normalisation takes for the world."""

    def __init__(self, meeting: _Meeting, number: int) -> None:
        self._meeting, self._number = meeting, number

    def sum_tensor(self, tensor: paddle.Tensor) -> None:
        self._meeting.sum_tensor(self._number, tensor)


def _divide(count: int, parts: int) -> list[slice]:
    """As equal as can be, each of at least two images if there are as many."""
    parts = max(1, min(parts, count // _LEAST_IMAGES))
    borders = np.linspace(0, count, parts + 1).round().astype(int).tolist()
    return [slice(*pair) for pair in itertools.pairwise(borders)]


def _copy_weights(source: nn.Layer, target: nn.Layer) -> None:
    with paddle.no_grad():
        for theirs, own in zip(_trained(source), _trained(target), strict=True):
            paddle.assign(theirs, output=own)


def _move_gradients(source: nn.Layer, target: nn.Layer) -> None:
    with paddle.no_grad():
        for theirs, own in zip(_trained(source), _trained(target), strict=True):
            assert own.grad is not None and theirs.grad is not None
            own.grad.add_(theirs.grad)
            theirs.clear_gradient(set_to_zero=False)


def _trained(student: nn.Layer) -> list[paddle.Tensor]:
    """Its weights; running statistics are parameters to Paddle as well."""
    return [parameter for parameter in student.parameters() if not parameter.stop_gradient]
