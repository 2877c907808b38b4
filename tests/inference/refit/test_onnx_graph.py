"""An ONNX file taken apart without ``onnx``, held against ``onnx``."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from paddlex.inference.refit.onnx_graph import OnnxGraph

X = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
OFFSET = np.float32([[1], [2], [3]])


@pytest.fixture
def data() -> bytes:
    """x + offset, called features; times factor, which is y; and a branch of its own."""
    arrays = {"offset": OFFSET, "factor": np.float32([10]), "other": np.float32([7])}
    nodes = [
        helper.make_node("Add", ["x", "offset"], ["features"]),
        helper.make_node("Mul", ["features", "factor"], ["y"]),
        helper.make_node("Sub", ["x", "other"], ["z"]),
    ]
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, 4])
        for name in ("x", "features", "y", "z")
    }
    graph = helper.make_graph(
        nodes, "g", [values["x"]], [values["y"], values["z"]],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()], value_info=[values["features"]],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def run(data: bytes) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": X})


def test_arrays_are_found_by_their_names(data) -> None:
    graph = OnnxGraph(data)
    np.testing.assert_array_equal(graph.array("offset"), OFFSET)
    assert graph.array("features") is None


def test_other_values_of_another_shape_take_the_place_of_an_array(data) -> None:
    changed = OnnxGraph(data).with_arrays({"factor": np.float32([[2, 3, 4, 5]])})
    onnx.checker.check_model(onnx.load_from_string(changed))
    y, z = run(changed)
    np.testing.assert_array_equal(y, (X + OFFSET) * [2, 3, 4, 5])
    np.testing.assert_array_equal(z, X - 7)


def test_an_array_that_is_not_there_is_an_error(data) -> None:
    with pytest.raises(ValueError, match="there is no features"):
        OnnxGraph(data).with_arrays({"features": OFFSET, "offset": OFFSET})


def test_the_same_values_give_the_same_file_but_for_the_shapes_in_between(data) -> None:
    graph = OnnxGraph(data)
    same = onnx.load_from_string(graph.with_arrays({name: graph.array(name) for name in ("offset", "factor")}))
    expected = onnx.load_from_string(data)
    del expected.graph.value_info[:]
    assert same == expected


def test_the_part_up_to_a_value_has_nothing_else(data) -> None:
    part = OnnxGraph(data).up_to(["features"])
    (features,) = run(part)
    np.testing.assert_array_equal(features, X + OFFSET)
    graph = onnx.load_from_string(part).graph
    assert [node.op_type for node in graph.node] == ["Add"]
    assert [tensor.name for tensor in graph.initializer] == ["offset"]


def test_values_are_told_from_what_is_none(data) -> None:
    assert OnnxGraph(data).produces("features")
    assert not OnnxGraph(data).produces("offset")


@pytest.mark.parametrize("damaged", [b"", b"\xff\xff", b"\x3a\xff\x01abc"])
def test_what_is_no_graph_is_an_error(damaged) -> None:
    with pytest.raises(ValueError):
        OnnxGraph(damaged).array("offset")
