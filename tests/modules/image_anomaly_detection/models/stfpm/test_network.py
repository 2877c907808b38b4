"""STFPM against computations written from the paper (Wang et al., BMVC 2021) in NumPy and OpenCV."""

import cv2
import numpy as np
import paddle
import pytest

from paddlex.modules.image_anomaly_detection.models.stfpm.network import (
    STFPM,
    feature_matching_loss,
    normalise,
    squared_distance,
)

SIZE = (64, 96)
IMAGES = np.random.default_rng(0).normal(size=(3, 3, *SIZE)).astype(np.float32)


@pytest.fixture
def network() -> STFPM:
    paddle.seed(0)
    network = STFPM(image_size=SIZE)
    network.eval()
    return network


def unit_vectors(features: np.ndarray) -> np.ndarray:
    """[N, C, h, w], each position's channel vector over its length."""
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def map_of_the_paper(teacher: list[np.ndarray], student: list[np.ndarray]) -> np.ndarray:
    """[N, H, W]: the product over layers of the upsampled squared distances of unit vectors."""
    product = np.ones((len(teacher[0]), *SIZE))
    for t, s in zip(teacher, student, strict=True):
        distances = ((unit_vectors(t) - unit_vectors(s)) ** 2).sum(axis=1)
        product *= [cv2.resize(one, SIZE[::-1], interpolation=cv2.INTER_LINEAR) for one in distances]
    return product


def run(layer, images: np.ndarray = IMAGES) -> list[np.ndarray]:
    with paddle.no_grad():
        return [output.numpy() for output in layer(paddle.to_tensor(images))]


def train_one_step(network: STFPM) -> None:
    network.train()
    optimiser = paddle.optimizer.Momentum(learning_rate=0.4, momentum=0.9, parameters=network.parameters())
    x = paddle.to_tensor(IMAGES)
    feature_matching_loss(network.teacher_features(x), network.student(x)).backward()
    optimiser.step()


def arrays(layer) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in layer.state_dict().items()}


# The map


def test_the_first_output_is_the_map_of_the_paper(network):
    anomaly_map = run(network)[0]
    expected = map_of_the_paper(run(network.teacher), run(network.student))
    assert anomaly_map.shape == (3, 1, *SIZE)
    np.testing.assert_allclose(anomaly_map[:, 0], expected, rtol=1e-4, atol=1e-6)


def test_a_student_that_equals_its_teacher_finds_nothing(network):
    network.student.set_state_dict(network.teacher.state_dict())
    assert np.abs(run(network)[0]).max() == 0


def test_the_map_of_an_image_does_not_depend_on_its_batch(network):
    together = run(network)
    for number in range(len(IMAGES)):
        alone = run(network, IMAGES[number : number + 1])
        for got, wanted in zip(alone, together, strict=True):
            np.testing.assert_allclose(got[0], wanted[number], rtol=1e-4, atol=1e-5)


def test_both_maps_have_the_size_of_an_image_that_the_strides_do_not_divide():
    network = STFPM(image_size=(70, 100))
    network.eval()
    maps = run(network, np.zeros((1, 3, 70, 100), np.float32))
    assert [anomaly_map.shape for anomaly_map in maps] == [(1, 1, 70, 100)] * 2


def test_the_student_has_the_structure_of_its_teacher(network):
    shapes = [
        {name: array.shape for name, array in arrays(part).items()} for part in (network.teacher, network.student)
    ]
    assert shapes[0] == shapes[1]


# Normalised features and their distance


def test_a_channel_vector_is_scaled_to_unit_length():
    features = paddle.to_tensor([[[[3.0]], [[4.0]]]])
    np.testing.assert_allclose(normalise(features).numpy().ravel(), [0.6, 0.8], rtol=1e-6)


def test_a_zero_vector_stays_zero():
    assert normalise(paddle.zeros([1, 8, 2, 2])).abs().sum() == 0


def test_opposite_unit_vectors_have_a_squared_distance_of_four():
    teacher, student = paddle.to_tensor([[[[1.0]], [[0.0]]]]), paddle.to_tensor([[[[-1.0]], [[0.0]]]])
    assert squared_distance(teacher, student).item() == 4


# The loss


def test_the_loss_is_half_the_squared_distance_mean_over_positions_sum_over_layers():
    # layer 1, [1, 2, 1, 2]: (1, 0) against (3, 4) -> (0.6, 0.8): 0.16 + 0.64 = 0.8; (0, 1) against (0, 2) -> (0, 1): 0
    # layer 2, [1, 2, 1, 1]: (1, 0) against (-2, 0) -> (-1, 0): 4
    # 0.5 (0.8 + 0) / 2 + 0.5 * 4 = 2.2
    teacher = [paddle.to_tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]]), paddle.to_tensor([[[[1.0]], [[0.0]]]])]
    student = [paddle.to_tensor([[[[3.0, 0.0]], [[4.0, 2.0]]]]), paddle.to_tensor([[[[-2.0]], [[0.0]]]])]
    assert feature_matching_loss(teacher, student).item() == pytest.approx(2.2, rel=1e-6)


def test_the_loss_is_the_mean_over_the_images_of_a_batch():
    teacher = [paddle.to_tensor([[[[1.0]], [[0.0]]], [[[1.0]], [[0.0]]]])]
    student = [paddle.to_tensor([[[[5.0]], [[0.0]]], [[[-5.0]], [[0.0]]]])]
    assert feature_matching_loss(teacher, student).item() == pytest.approx(1.0)  # of 0 and 2


def test_features_of_different_depths_are_refused():
    one = paddle.ones([1, 2, 1, 1])
    with pytest.raises(ValueError):
        feature_matching_loss([one, one], [one])


# Training


def test_a_training_step_leaves_the_teacher_as_it_was_batch_statistics_included(network):
    before = arrays(network.teacher)
    train_one_step(network)
    for name, array in arrays(network.teacher).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_the_teacher_gets_no_gradients(network):
    train_one_step(network)
    assert all(parameter.grad is None for parameter in network.teacher.parameters())


def test_a_training_step_moves_the_students_weights_and_batch_statistics(network):
    before = arrays(network.student)
    train_one_step(network)
    after = arrays(network.student)
    for name in ("conv1.weight", "layer3.1.conv2.weight", "bn1._mean", "layer3.1.bn2._variance"):
        assert not np.array_equal(after[name], before[name]), name


def test_what_the_student_must_match_are_the_teachers_unit_vectors(network):
    expected = [unit_vectors(features) for features in run(network.teacher)]
    for got, wanted in zip(run(network.teacher_features), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)
