"""One step of the training: forward, backward, optimiser, smoothed weights. On a single device nothing in it waits for it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal

import paddle
from paddle import nn

from paddlex.errors import ProcessLost
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import Run
from paddlex.modules.image_anomaly_detection.training.gradient.distributed import Shard, World
from paddlex.modules.image_anomaly_detection.training.gradient.student_team import StudentTeam
from paddlex.modules.image_anomaly_detection.training.gradient.teacher_features import TeacherFeatures
from paddlex.modules.image_anomaly_detection.training.gradient.trouble import check_finite
from paddlex.utils.logging import logger
from paddlex.utils.paddle_environment import default_threads

#: float16 gradients are multiplied by this, lest they vanish. The loss is at most 2 a layer, so that a fixed factor serves, and
#: a checkpoint need not know it.
_LOSS_SCALE = 1024.0


MixedPrecision = Literal["bfloat16", "float16"]


class TrainingStep:
    """Moves a run on by one batch: by the gradient of the mean loss over the images of all processes.

    The step of several processes is, to rounding, the one that a single process makes alone. On a CPU the threads divide the
    images too, see ``StudentTeam``.

    Args:
        run: its student, optimiser, smoothed weights and progress change.
        world: the processes that share a batch.
        ema_decay: of the smoothed weights.
        amp: ``bfloat16`` or ``float16``: what the student's convolutions compute in on a GPU; weights, batch statistics and
            the loss stay float32. On a CPU Paddle trains in float32 whatever is asked for, and a warning says so.
    """

    def __init__(self, run: Run, world: World, ema_decay: float, amp: MixedPrecision | None = None) -> None:
        self._run, self._world, self._ema_decay = run, world, ema_decay
        is_on_gpu = str(paddle.device.get_device()).startswith("gpu")
        self._dtype = amp if is_on_gpu else None
        if amp != self._dtype:
            logger.warning("Train.amp=%s needs a GPU: training in float32.", amp)
        scaled = self._dtype == "float16"
        self._scaler = paddle.amp.GradScaler(scaled, _LOSS_SCALE, use_dynamic_loss_scaling=False)
        self._losses: list[paddle.Tensor] = []  # still on the device
        self._newest = math.nan
        threads = 1 if is_on_gpu else default_threads()
        self._team = StudentTeam(run.network.student, world, threads, self._differentiate)
        logger.info("Training step: dynamic graph, %s, %d thread(s).", self._dtype or "float32", threads)

    def __call__(self, x: paddle.Tensor, teacher: Sequence[paddle.Tensor], rate: float, shard: Shard) -> None:
        """Take one step; its loss is known after the next ``settle``.

        Args:
            x: float32 [N, 3, H, W], this process's images of the batch.
            teacher: its normalised features of these images, see ``TeacherFeatures``.
            rate: the learning rate.
            shard: says which part of the batch they are.

        Raises:
            ProcessLost: another process has ended.
        """
        run = self._run
        loss = self._team(x, teacher, shard)
        self._world.sum_gradients(run.network.student.parameters())
        run.optimiser.set_lr(rate)
        self._scaler.step(run.optimiser)
        self._scaler.update()
        run.optimiser.clear_grad()
        run.update_ema(self._ema_decay)
        run.progress.step += 1
        run.progress.batch += 1
        self._losses.append(loss)

    def settle(self) -> float:
        """Wait for the device, add the losses since the last call to the run's progress, and return the newest one.

        Call it before the progress is read or a checkpoint is saved; all processes must, after the same step.

        Raises:
            TrainingError: one of them is not a number; it names the first such step.
        """
        progress = self._run.progress
        parts: list[float] = paddle.stack(self._losses).numpy().tolist() if self._losses else []
        values = self._world.sum(parts) if parts else []
        self._losses.clear()
        for step, value in enumerate(values, progress.step - len(values) + 1):
            check_finite(value, f"in step {step}")
            progress.loss_sum += value
            self._newest = value
        return self._newest

    def _differentiate(
        self, student: nn.Layer, x: paddle.Tensor, teacher: Sequence[paddle.Tensor], weight: float
    ) -> paddle.Tensor:
        with self._mixed_precision():
            features = student(x)
        if self._dtype is not None:
            features = [layer.astype("float32") for layer in features]
        loss = self._run.network.loss(teacher, features) * weight
        _backward(self._scaler.scale(loss))
        return loss.detach()

    def _mixed_precision(self) -> AbstractContextManager[None]:
        if self._dtype is None:
            return contextlib.nullcontext()
        context: AbstractContextManager[None] = paddle.amp.auto_cast(level="O1", dtype=self._dtype)
        return context


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
