"""The teacher's features are the same whether they are kept or computed again."""

import numpy as np
import paddle
import pytest

from paddlex.modules.image_anomaly_detection.training.gradient.teacher_features import TeacherFeatures

IMAGES = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)


class CountingTeacher:
    """Two layers that can be computed in the head, and how many images went through."""

    def __init__(self) -> None:
        self.images = 0

    def teacher_features(self, x):
        self.images += x.shape[0]
        return [2 * x, x[:, :1, ::2, ::2]]


def features(teacher: TeacherFeatures, numbers: list[int]) -> list[np.ndarray]:
    return [layer.numpy() for layer in teacher(numbers, paddle.to_tensor(IMAGES[numbers]))]


@pytest.mark.parametrize("memory_bytes", [0, 1700, 1 << 20], ids=["none", "two images", "enough"])
def test_features_belong_to_their_images_however_much_is_kept(memory_bytes):
    teacher = TeacherFeatures(CountingTeacher(), memory_bytes)  # an image's features are 768 + 64 bytes
    for numbers in ([0, 1], [2, 3], [1, 0], [3, 1, 2], [0]):
        first, second = features(teacher, numbers)
        np.testing.assert_array_equal(first, 2 * IMAGES[numbers])
        np.testing.assert_array_equal(second, IMAGES[numbers][:, :1, ::2, ::2])


def test_what_is_kept_is_not_computed_again():
    network = CountingTeacher()
    teacher = TeacherFeatures(network)
    for numbers in ([0, 1], [2, 3], [1, 3], [0, 2]):
        features(teacher, numbers)
    assert network.images == 4


def test_without_memory_everything_is_computed_again():
    network = CountingTeacher()
    teacher = TeacherFeatures(network, memory_bytes=0)
    features(teacher, [0, 1])
    features(teacher, [0, 1])
    assert network.images == 4


def test_changing_a_batch_does_not_change_what_is_kept():
    teacher = TeacherFeatures(CountingTeacher())
    (first, _) = teacher([0], paddle.to_tensor(IMAGES[:1]))
    first.set_value(paddle.zeros_like(first))
    np.testing.assert_array_equal(features(teacher, [0])[0], 2 * IMAGES[:1])
