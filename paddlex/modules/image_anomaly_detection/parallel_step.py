"""One step of the optimiser, divided among processes: the same step, to rounding, that one process makes alone."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
from paddle import nn

from paddlex.errors import ProcessLost
from paddlex.modules.image_anomaly_detection.checkpoint import Run
from paddlex.modules.image_anomaly_detection.distributed import Shard, World
from paddlex.modules.image_anomaly_detection.networks.stfpm import feature_matching_loss
from paddlex.modules.image_anomaly_detection.synchronised_batch_norm import synchronise_batch_norm
from paddlex.modules.image_anomaly_detection.teacher_features import TeacherFeatures


class ParallelStep:
    """Changes a run's weights by the gradient of the mean loss over the images of all processes.

    With more than one process, the student's batch normalisation is put in step with the others'.

    Args:
        run: its network's student and its optimiser are changed.
        world: the processes.
    """

    def __init__(self, run: Run, world: World) -> None:
        self._run, self._world = run, world
        self._batch_norms = synchronise_batch_norm(run.network.student, world) if world.size > 1 else []

    def __call__(self, x: paddle.Tensor, teacher: Sequence[paddle.Tensor], rate: float, shard: Shard) -> float:
        """One step; returns the mean loss over the whole batch, the same in all processes.

        Args:
            x: float32 [N, 3, H, W], this process's images of the batch.
            teacher: its normalised features of these images.
            rate: the learning rate.
            shard: says which part of the batch they are.

        Raises:
            ProcessLost: another process has ended.
        """
        student, optimiser = self._run.network.student, self._run.optimiser
        for layer in self._batch_norms:
            layer.shard = shard
        loss = feature_matching_loss(teacher, student(x)) * shard.weight
        (value,) = self._world.sum([float(loss)])
        _backward(loss)
        self._world.sum_gradients(student.parameters())
        optimiser.set_lr(rate)
        optimiser.step()
        optimiser.clear_grad()
        return value


def features_of_shard(
    features: TeacherFeatures, network: nn.Layer, shard: Shard, x: paddle.Tensor
) -> list[paddle.Tensor]:
    """The teacher's features of a process's images, one [N, C, h, w] a layer.

    Those of its own images are kept. Those of others' are not: the last bits may depend on the batch that they were
    computed in, and must not on how long ago the run was resumed.
    """
    if shard.own == 0:
        return network.teacher_features(x)
    own = features([("fit", number) for number in shard.numbers[: shard.own]], x[: shard.own])
    if shard.own == len(shard.numbers):
        return own
    return [paddle.concat(pair) for pair in zip(own, network.teacher_features(x[shard.own :]), strict=True)]


def _backward(loss: paddle.Tensor) -> None:
    """Paddle makes an OSError of whatever is raised on the way back; a lost process is to be told from other troubles."""
    try:
        loss.backward()
    except OSError as error:
        _, name, text = str(error).splitlines()[0].partition(f"{ProcessLost.__name__}: ")
        if not name:
            raise
        raise ProcessLost(text) from error
