"""Several threads are one: the same loss, gradient and statistics as Paddle's own on the whole batch."""

import copy
from functools import cache

import numpy as np
import paddle
import pytest

from paddlex.errors import ProcessLost
from paddlex.modules.image_anomaly_detection.models.stfpm.network import STFPM, feature_matching_loss
from paddlex.modules.image_anomaly_detection.training.gradient.distributed import World
from paddlex.modules.image_anomaly_detection.training.gradient.student_team import StudentTeam


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    before = paddle.get_default_dtype()
    paddle.set_default_dtype(request.param)
    yield request.param
    paddle.set_default_dtype(before)


@cache
def pristine(dtype: str) -> STFPM:
    """A network of the default dtype; drawing its weights takes longer than all that is done with them here."""
    paddle.seed(5)
    return STFPM("resnet18", ["layer1", "layer2"], (32, 32))


def new_network() -> STFPM:
    network = copy.deepcopy(pristine(paddle.get_default_dtype()))
    network.train()
    return network


def images(count: int, dtype: str = "float32") -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(count).normal(size=(count, 3, 32, 32)).astype(dtype))


def differentiate(student, x, teacher, weight):
    loss = feature_matching_loss(teacher, student(x)) * weight
    loss.backward()
    return loss.detach()


def walk(team: StudentTeam, network: STFPM, x: paddle.Tensor) -> float:
    return float(team(x, network.teacher_features(x), World().shard(range(len(x)))))


def gradients(network: STFPM) -> dict[str, np.ndarray]:
    return {name: p.grad.numpy() for name, p in network.student.named_parameters() if not p.stop_gradient}


def outcome(network: STFPM) -> dict[str, np.ndarray]:
    """Gradients and running statistics."""
    statistics = {name: p.numpy() for name, p in network.student.named_parameters() if p.stop_gradient}
    return gradients(network) | statistics


def assert_close(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray], tolerance: float) -> None:
    assert got.keys() == wanted.keys()
    for name, expected in wanted.items():
        assert np.abs(got[name] - expected).max() <= tolerance * np.abs(expected).max(), name


@pytest.mark.parametrize("count", [1, 3, 5, 7, 8])  # for one thread, one, two, three and three
def test_loss_gradient_and_statistics_are_those_of_the_whole_batch(count, dtype):
    x, plain, shared = images(count, dtype), new_network(), new_network()
    expected = float(differentiate(plain.student, x, plain.teacher_features(x), 1.0))
    tolerance = 1e-11 if dtype == "float64" else 1e-4
    assert walk(StudentTeam(shared.student, World(), 3, differentiate), shared, x) == pytest.approx(
        expected, rel=tolerance
    )
    assert_close(outcome(shared), outcome(plain), tolerance)


def test_the_copies_follow_the_weights():
    plain, shared, x = new_network(), new_network(), images(6)
    team = StudentTeam(shared.student, World(), 3, differentiate)
    for count in (3, 5, 6):  # for one thread, two and three
        walk(team, shared, images(count))
    for network in (plain, shared):
        for parameter in network.student.parameters():
            if not parameter.stop_gradient:
                parameter.set_value(1.25 * parameter)
    shared.student.clear_gradients()
    walk(team, shared, x)
    differentiate(plain.student, x, plain.teacher_features(x), 1.0)
    assert_close(gradients(shared), gradients(plain), 1e-4)


def test_it_is_the_same_every_time_bit_for_bit():
    outcomes = []
    for _ in range(3):
        network = new_network()
        walk(StudentTeam(network.student, World(), 3, differentiate), network, images(7))
        outcomes.append(outcome(network))
    for name, first in outcomes[0].items():
        for other in outcomes[1:]:
            np.testing.assert_array_equal(other[name], first, err_msg=name)


@pytest.mark.parametrize("failing", [0, 1, 2])
@pytest.mark.parametrize("way", ["forward", "back"])
def test_an_error_in_one_thread_ends_the_step_and_leaves_nothing_behind(failing, way):
    plain, network, x = new_network(), new_network(), images(6)
    calls = []

    def fail_once(student, x, teacher, weight):
        is_failing = len(calls) < 3 and student is team._students[failing]
        calls.append(student)
        if is_failing and way == "forward":
            raise MemoryError("no memory left")
        loss = differentiate(student, x, teacher, weight)
        if is_failing:
            raise MemoryError("no memory left")
        return loss

    team = StudentTeam(network.student, World(), 3, fail_once)
    with pytest.raises(MemoryError, match="no memory left"):
        walk(team, network, x)
    walk(team, network, x)
    differentiate(plain.student, x, plain.teacher_features(x), 1.0)
    assert_close(gradients(network), gradients(plain), 1e-4)


def test_threads_whose_images_differ_in_kind_still_make_one_batch(dtype):
    """The images of one part lie so far from zero that its squares are summed about their mean, those of the other do not."""
    near, far = images(2, dtype), 1 + 0.01 * images(2, dtype)
    x, plain, shared = paddle.concat([near, far]), new_network(), new_network()
    expected = float(differentiate(plain.student, x, plain.teacher_features(x), 1.0))
    tolerance = 1e-10 if dtype == "float64" else 1e-3
    assert walk(StudentTeam(shared.student, World(), 2, differentiate), shared, x) == pytest.approx(
        expected, rel=tolerance
    )
    assert_close(outcome(shared), outcome(plain), tolerance)


@pytest.mark.parametrize(
    "sums", [0, 12]
)  # lost on the way forward, and on the way back, where Paddle changes the exception
def test_a_process_that_is_lost_ends_the_step_of_all_threads(sums):
    class Lost(World):
        made = 0

        def sum_tensor(self, tensor):
            if Lost.made == sums:
                raise ProcessLost("the other process has ended")
            Lost.made += 1

    network = new_network()
    team = StudentTeam(network.student, Lost(0, 2), 2, differentiate)
    with pytest.raises(ProcessLost, match="the other process has ended"):
        walk(team, network, images(4))
