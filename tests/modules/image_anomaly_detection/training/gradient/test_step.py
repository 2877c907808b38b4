"""The training step does what the paper's formulas say, written out plainly, and reports every loss that is no number."""

import copy
import logging
from functools import cache

import numpy as np
import paddle
import pytest

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork
from paddlex.modules.image_anomaly_detection.models.stfpm.network import (
    feature_matching_loss,
    normalise,
    squared_distance,
)
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMOptions
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import Run
from paddlex.modules.image_anomaly_detection.training.gradient.distributed import World
from paddlex.modules.image_anomaly_detection.training.gradient.new_run import new_network
from paddlex.modules.image_anomaly_detection.training.gradient.step import TrainingStep

IMAGES = np.random.default_rng(0).normal(size=(3, 4, 3, 64, 64)).astype(np.float32)  # three batches of four
RATES = [0.1, 0.4, 0.2]
ALL = World().shard([0, 1, 2, 3])


@cache
def pristine() -> tuple[AnomalyNetwork, ModelCard]:
    """A new network and its card; drawing its weights takes longer than all that is done with them here."""
    paddle.seed(0)
    return new_network(ModelCard.from_config("STFPM", STFPMOptions(image_size=64)), None)


def new_run() -> Run:
    network, card = copy.deepcopy(pristine())
    network.train()
    optimiser = paddle.optimizer.Momentum(
        learning_rate=0.4, momentum=0.9, use_nesterov=True, weight_decay=1e-4, parameters=network.student.parameters()
    )
    ema = {f"student.{name}": parameter.clone().detach() for name, parameter in network.student.named_parameters()}
    return Run(network, optimiser, ema, card, {})


def take_steps(run: Run, step: TrainingStep) -> None:
    for images, rate in zip(IMAGES, RATES, strict=True):
        x = paddle.to_tensor(images)
        step(x, run.network.teacher_features(x), rate, ALL)


def plain_loss(run: Run, x: paddle.Tensor) -> paddle.Tensor:
    """Equations 1 to 3 of the paper, one after the other."""
    pairs = zip(run.network.teacher_features(x), run.network.student(x), strict=True)
    return paddle.add_n([0.5 * squared_distance(teacher, normalise(student)).mean() for teacher, student in pairs])


def plain_steps(run: Run) -> list[float]:
    losses = []
    for images, rate in zip(IMAGES, RATES, strict=True):
        loss = plain_loss(run, paddle.to_tensor(images))
        run.optimiser.set_lr(rate)
        loss.backward()
        run.optimiser.step()
        run.optimiser.clear_grad()
        losses.append(float(loss))
    return losses


def gradients(run: Run) -> dict[str, np.ndarray]:
    student = run.network.student.named_parameters()
    return {name: parameter.grad.numpy() for name, parameter in student if not parameter.stop_gradient}


def test_losses_and_weights_are_those_of_the_plain_step_to_float_rounding():
    plain, run = new_run(), new_run()
    before = {name: tensor.numpy() for name, tensor in run.network.student.state_dict().items()}
    expected = plain_steps(plain)
    step = TrainingStep(run, World(), ema_decay=0.9)
    take_steps(run, step)
    assert step.settle() == pytest.approx(expected[-1], rel=1e-4)
    assert run.progress.loss_sum == pytest.approx(sum(expected), rel=1e-4)
    wanted = plain.network.student.state_dict()
    for name, tensor in run.network.student.state_dict().items():
        moved = np.abs(wanted[name].numpy() - before[name]).max()
        np.testing.assert_allclose(tensor.numpy(), wanted[name].numpy(), rtol=0, atol=1e-2 * moved, err_msg=name)


def test_the_gradient_is_that_of_the_plain_step_to_float_rounding(monkeypatch):
    plain, run = new_run(), new_run()
    x = paddle.to_tensor(IMAGES[0])
    plain_loss(plain, x).backward()
    monkeypatch.setattr(run.optimiser, "clear_grad", lambda: None)  # left to be looked at
    TrainingStep(run, World(), ema_decay=0.9)(x, run.network.teacher_features(x), 0.1, ALL)
    for name, wanted in gradients(plain).items():
        np.testing.assert_allclose(gradients(run)[name], wanted, rtol=0, atol=1e-4 * np.abs(wanted).max(), err_msg=name)


@pytest.mark.parametrize("size", [0.0, 1e-20, 1e-13, 1e-3, 1e15])
def test_loss_and_gradient_are_the_plain_ones_for_features_of_any_size(size):
    teacher = paddle.to_tensor(np.eye(4, dtype=np.float32).reshape(1, 4, 2, 2))
    results = []
    for form in (
        lambda s: (0.5 * squared_distance(teacher, normalise(s))).mean(),
        lambda s: feature_matching_loss([teacher], [s]),
    ):
        student = paddle.full([1, 4, 2, 2], size)
        student.stop_gradient = False
        loss = form(student)
        loss.backward()
        results.append((float(loss), student.grad.numpy()))
    (plain, wanted), (got, gradient) = results
    assert got == pytest.approx(plain, rel=1e-6)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-6, atol=1e-6 * np.abs(wanted).max())


def test_smoothed_weights_follow_the_weights():
    run = new_run()
    first = {name: tensor.numpy() for name, tensor in run.ema.items()}
    take_steps(run, TrainingStep(run, World(), ema_decay=0.0))
    for name, parameter in run.network.student.named_parameters():
        np.testing.assert_array_equal(run.ema[f"student.{name}"].numpy(), parameter.numpy())
    assert any(not np.array_equal(first[name], run.ema[name].numpy()) for name in first)


def test_a_loss_that_is_no_number_is_reported_for_the_first_step_that_had_it():
    run = new_run()
    step = TrainingStep(run, World(), ema_decay=0.9)
    x = paddle.to_tensor(IMAGES[0])
    teacher = run.network.teacher_features(x)
    step(x, teacher, 0.1, ALL)
    step(x, [features * float("nan") for features in teacher], 0.1, ALL)
    step(x, teacher, 0.1, ALL)
    with pytest.raises(TrainingError, match=r"the loss is nan in step 2\. Lower Train\.learning_rate"):
        step.settle()


def test_losses_are_counted_once_however_often_one_asks():
    run = new_run()
    step = TrainingStep(run, World(), ema_decay=0.9)
    take_steps(run, step)
    newest, total = step.settle(), run.progress.loss_sum
    assert (step.settle(), run.progress.loss_sum) == (newest, total)
    assert run.progress.step == 3


@pytest.mark.parametrize("amp", ["bfloat16", "float16"])
def test_mixed_precision_without_a_gpu_trains_in_float32_and_says_so(amp, caplog):
    plain, run = new_run(), new_run()
    take_steps(plain, TrainingStep(plain, World(), ema_decay=0.9))
    with caplog.at_level(logging.WARNING, "paddlex"):
        take_steps(run, TrainingStep(run, World(), ema_decay=0.9, amp=amp))
    assert f"Train.amp={amp} needs a GPU: training in float32." in caplog.text
    for name, tensor in run.network.student.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), plain.network.student.state_dict()[name].numpy(), err_msg=name)
