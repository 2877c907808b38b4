"""The loss on the held-out images, by which the best model is chosen."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches
from paddlex.modules.image_anomaly_detection.training.gradient.distributed import World
from paddlex.modules.image_anomaly_detection.training.gradient.teacher_features import TeacherFeatures
from paddlex.modules.image_anomaly_detection.training.gradient.trouble import check_finite


class HeldOutLoss:
    """The mean loss over the held-out images, with the batch statistics frozen.

    Args:
        network: teacher and student; it is left in training mode.
        images: the held-out images.
        features: keeps the teacher's.
        batch_size: of the forward passes.
        world: the processes that divide the images.
    """

    def __init__(
        self, network: nn.Layer, images: ImageBatches, features: TeacherFeatures, batch_size: int, world: World
    ) -> None:
        self._network, self._images, self._features, self._world = network, images, features, world
        self._batches = world.own_batches(len(images), batch_size)

    def checked(self, step: int) -> float:
        """The loss of a student that can go on.

        Raises:
            TrainingError: it is not a number, or the student's features are all zero.
        """
        loss, is_dead = self.measure()
        check_finite(loss, f"on held-out images after step {step}")
        if is_dead:
            raise TrainingError(
                f"the student is dead after step {step}: its features are all zero", remedy="Lower Train.learning_rate"
            )
        return loss

    def measure(self) -> tuple[float, bool]:
        """The loss, and whether a layer of the student gives nothing but zeros."""
        network = self._network
        network.eval()
        total, peaks = 0.0, [[0.0] * len(network.fusion.sizes)]
        with paddle.no_grad():
            for numbers, images in zip(self._batches, self._images(self._batches), strict=True):
                x = paddle.to_tensor(images)
                teacher = self._features([("held out", n) for n in numbers], x)
                student = network.student(x)
                total += float(network.loss(teacher, student)) * len(numbers)
                peaks.append([float(features.numpy().max()) for features in student])
        network.train()
        self._world.meet()
        (total,) = self._world.sum([total])
        highest = self._world.maximum(np.max(peaks, axis=0).tolist())
        return total / len(self._images), not all(highest)
