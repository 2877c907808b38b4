"""Synchronised batch normalisation, in one process: against Paddle's own on the same images."""

import numpy as np
import paddle
import pytest
from paddle import nn

from paddlex.modules.image_anomaly_detection.training.gradient.distributed import Shard, World
from paddlex.modules.image_anomaly_detection.training.gradient.synchronised_batch_norm import synchronise_batch_norm


def block() -> nn.Layer:
    paddle.seed(3)
    return nn.Sequential(nn.Conv2D(3, 5, 3), nn.BatchNorm2D(5), nn.ReLU(), nn.Conv2D(5, 4, 3), nn.BatchNorm2D(4))


def images(mean: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(6, 3, 12, 10)) + mean).astype(np.float32)


def one_pass(layer: nn.Layer, x: np.ndarray, dy: np.ndarray, dtype: str) -> dict[str, np.ndarray]:
    """Output, gradients and running statistics after one training pass."""
    layer.train()
    x = paddle.to_tensor(x.astype(dtype), stop_gradient=False)
    y = layer(x)
    (y * paddle.to_tensor(dy.astype(dtype))).sum().backward()
    found = {"y": y, "dx": x.grad, "dweight": layer.weight.grad, "dbias": layer.bias.grad}
    found |= {"mean": layer._mean, "variance": layer._variance}
    return {name: tensor.numpy() for name, tensor in found.items()}


def batch_norm(dtype: str) -> nn.BatchNorm2D:
    layer = nn.BatchNorm2D(3).to(dtype=dtype)
    layer.weight.set_value(np.array([0.5, 1, 2], dtype))
    layer.bias.set_value(np.array([1, 0, -1], dtype))
    return layer


@pytest.mark.parametrize("mean", [0.0, 3.0, 10.0, 300.0])
def test_alone_it_is_batch_normalisation_in_float64_to_the_rounding_of_its_input(mean):
    x, dy = images(mean), np.random.default_rng(1).normal(size=(6, 3, 12, 10))
    exact = one_pass(batch_norm("float64"), x, dy, "float64")
    paddles = one_pass(batch_norm("float32"), x, dy, "float32")
    network = nn.Sequential(batch_norm("float32"))
    (layer,) = synchronise_batch_norm(network, World())
    layer.shard = Shard(list(range(6)), 1.0, 6, 6)
    got = one_pass(layer, x, dy, "float32")
    for name, wanted in exact.items():
        # a value that lies so many deviations from zero has lost as many times the rounding when it comes in
        rounding = np.finfo(np.float32).eps * np.abs(wanted).max() * (1 + mean)
        error = np.abs(got[name] - wanted).max()
        assert error <= 5 * max(np.abs(paddles[name] - wanted).max(), rounding), name


def test_in_evaluation_mode_it_is_paddles_layer_bit_for_bit():
    reference, synchronised = block(), block()
    synchronise_batch_norm(synchronised, World())
    reference.eval(), synchronised.eval()
    x = paddle.to_tensor(images())
    np.testing.assert_array_equal(synchronised(x).numpy(), reference(x).numpy())


def test_layers_keep_the_mode_and_the_names_of_those_they_replace():
    network = block()
    network.eval()
    names = list(network.state_dict())
    layers = synchronise_batch_norm(network, World())
    assert not any(layer.training for layer in layers)
    assert list(network.state_dict()) == names
