"""One step of the optimiser, divided among processes: the same step, to rounding, that one process makes alone."""

from __future__ import annotations

import numpy as np
import paddle

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
        teacher_features: what the student is to match.
    """

    def __init__(self, run: Run, world: World, teacher_features: TeacherFeatures) -> None:
        self._run, self._world, self._teacher_features = run, world, teacher_features
        self._batch_norms = synchronise_batch_norm(run.network.student, world) if world.size > 1 else []

    def __call__(self, shard: Shard, images: np.ndarray, rate: float) -> float:
        """One step; returns the mean loss over the whole batch, the same in all processes.

        Args:
            shard: this process's part of the batch.
            images: float32 [len(shard.numbers), 3, H, W].
            rate: the learning rate.

        Raises:
            ProcessLost: another process has ended.
        """
        student, optimiser = self._run.network.student, self._run.optimiser
        for layer in self._batch_norms:
            layer.shard = shard
        x = paddle.to_tensor(images)
        teacher = self._teacher_features([("fit", number) for number in shard.numbers], x)
        loss = feature_matching_loss(teacher, student(x)) * shard.weight
        (value,) = self._world.sum([float(loss)])
        _backward(loss)
        self._world.sum_gradients(student.parameters())
        optimiser.set_lr(rate)
        optimiser.step()
        optimiser.clear_grad()
        return value


def _backward(loss: paddle.Tensor) -> None:
    """Paddle makes an OSError of whatever is raised on the way back; a lost process is to be told from other troubles."""
    try:
        loss.backward()
    except OSError as error:
        _, name, text = str(error).splitlines()[0].partition(f"{ProcessLost.__name__}: ")
        if not name:
            raise
        raise ProcessLost(text) from error
