"""One step of the training: forward, backward, optimiser, smoothed weights. Nothing in it waits for the device."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal

import paddle

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.checkpoint import Run
from paddlex.modules.image_anomaly_detection.networks.stfpm import feature_matching_loss
from paddlex.utils.logging import logger

#: float16 gradients are multiplied by this, lest they vanish. The loss is at most 2 a layer, so that a fixed factor serves, and
#: a checkpoint need not know it.
_LOSS_SCALE = 1024.0


MixedPrecision = Literal["bfloat16", "float16"]


class TrainingStep:
    """Moves a run on by one batch.

    Args:
        run: its student, optimiser, smoothed weights and progress change.
        ema_decay: of the smoothed weights.
        amp: ``bfloat16`` or ``float16``: what the student's convolutions compute in on a GPU; weights, batch statistics and
            the loss stay float32. On a CPU Paddle trains in float32 whatever is asked for, and a warning says so.
    """

    def __init__(self, run: Run, ema_decay: float, amp: MixedPrecision | None = None) -> None:
        self._run, self._ema_decay = run, ema_decay
        self._dtype = amp if _is_on_gpu() else None
        if amp != self._dtype:
            logger.warning("Train.amp=%s needs a GPU: training in float32.", amp)
        scaled = self._dtype == "float16"
        self._scaler = paddle.amp.GradScaler(scaled, _LOSS_SCALE, use_dynamic_loss_scaling=False)
        self._losses: list[paddle.Tensor] = []  # still on the device
        self._newest = math.nan
        logger.info("Training step: dynamic graph, %s.", self._dtype or "float32")

    def __call__(self, x: paddle.Tensor, teacher: Sequence[paddle.Tensor], rate: float) -> None:
        """Take one step; its loss is known after the next ``settle``.

        Args:
            x: float32 [N, 3, H, W].
            teacher: its normalised features of these images, see ``TeacherFeatures``.
            rate: the learning rate.
        """
        run = self._run
        with self._mixed_precision():
            student = run.network.student(x)
        loss = feature_matching_loss(teacher, [features.astype("float32") for features in student])
        run.optimiser.set_lr(rate)
        self._scaler.scale(loss).backward()
        self._scaler.step(run.optimiser)
        self._scaler.update()
        run.optimiser.clear_grad()
        run.update_ema(self._ema_decay)
        run.progress.step += 1
        run.progress.batch += 1
        self._losses.append(loss.detach())

    def settle(self) -> float:
        """Wait for the device, add the losses since the last call to the run's progress, and return the newest one.

        Call it before the progress is read or a checkpoint is saved.

        Raises:
            TrainingError: one of them is not a number; it names the first such step.
        """
        progress = self._run.progress
        values: list[float] = paddle.stack(self._losses).numpy().tolist() if self._losses else []
        self._losses.clear()
        for step, value in enumerate(values, progress.step - len(values) + 1):
            check_finite(value, f"in step {step}")
            progress.loss_sum += value
            self._newest = value
        return self._newest

    def _mixed_precision(self) -> AbstractContextManager[None]:
        if self._dtype is None:
            return contextlib.nullcontext()
        context: AbstractContextManager[None] = paddle.amp.auto_cast(level="O1", dtype=self._dtype)
        return context


def check_finite(loss: float, when: str) -> None:
    """Refuse a loss that is not a number.

    Raises:
        TrainingError: with advice.
    """
    if not math.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss} {when}",
            remedy="Lower Train.learning_rate, or raise Train.batch_size if it is below 4",
        )


def _is_on_gpu() -> bool:
    return str(paddle.device.get_device()).startswith("gpu")
