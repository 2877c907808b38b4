"""Paddle's file of weights with other values, read by Paddle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.inference import Config, create_predictor
from paddle.nn import functional as F
from paddle.pir_utils import OldIrGuard

from paddlex.inference.refit.paddle_params import with_arrays

OLD = {"weight": np.float32([[1, 2], [3, 4], [5, 6]]), "offset": np.float32([7, 8])}
NEW = {"weight": np.float32([[-1, 0], [2, 2], [0.5, 9]]), "offset": np.float32([3, 1])}


class Affine(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", paddle.to_tensor([3], "int64"))
        for name, value in OLD.items():
            self.register_buffer(name, paddle.to_tensor(value))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return F.linear(x, self.weight, self.offset) * paddle.cast(self.count, "float32")


@pytest.fixture
def params(tmp_path: Path) -> Path:
    spec = paddle.static.InputSpec([None, 3], "float32", name="x")
    layer = Affine()
    with OldIrGuard():
        paddle.jit.save(layer, str(tmp_path / "inference"), input_spec=[spec])
    return tmp_path / "inference.pdiparams"


def test_paddle_computes_with_the_new_values(params) -> None:
    params.write_bytes(with_arrays(params.read_bytes(), OLD, NEW))
    x = np.float32([[1, 2, 3]])
    predictor = create_predictor(Config(str(params.with_suffix(".pdmodel")), str(params)))
    predictor.get_input_handle("x").copy_from_cpu(x)
    predictor.run()
    found = predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()
    np.testing.assert_allclose(found, 3 * (x @ NEW["weight"] + NEW["offset"]))


def test_the_same_values_give_the_same_file(params) -> None:
    assert with_arrays(params.read_bytes(), OLD, OLD) == params.read_bytes()


def test_what_is_not_there_just_once_cannot_be_exchanged(params) -> None:
    data = params.read_bytes()
    assert with_arrays(data, {"weight": OLD["weight"] + 1}, NEW) is None
    assert with_arrays(data + data, OLD, NEW) is None
    twins = {"offset": OLD["offset"], "other": OLD["offset"]}
    assert with_arrays(data, twins, dict.fromkeys(twins, NEW["offset"])) is None


def test_another_shape_cannot_take_a_tensor_s_place(params) -> None:
    assert with_arrays(params.read_bytes(), OLD, {**NEW, "offset": np.float32([1])}) is None


@pytest.mark.parametrize("length", [3, 20, -5])
def test_a_file_that_breaks_off_is_an_error(params, length) -> None:
    with pytest.raises(ValueError):
        with_arrays(params.read_bytes()[:length], OLD, NEW)
