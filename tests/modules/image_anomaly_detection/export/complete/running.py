"""Runs what ``Nodes`` hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime

from paddlex.modules.image_anomaly_detection.export.complete.graph import OPSET
from paddlex.modules.image_anomaly_detection.export.complete.nodes import Nodes, Value


def run(build: Callable[[Nodes, Value, Value, Value], Value], array: np.ndarray, kind: type[np.generic]) -> np.ndarray:
    """What a formula of an array and its height and width gives, of a type."""
    nodes = Nodes()
    x = Value(nodes, "x")
    sides = (nodes.Gather(nodes.Shape(x), np.int64(axis)) for axis in (0, 1))
    y = build(nodes, x, *sides)
    ends: list[Any] = [
        [onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(one)), None)]
        for name, one in (("x", array.dtype), (y.name, kind))
    ]
    graph = onnx.helper.make_graph(nodes.nodes, "formula", *ends, nodes.constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": array})[0]
