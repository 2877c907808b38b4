"""The whole graph: what comes before and after the network of inference.onnx, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from paddlex import __version__
from paddlex.errors import ModelError
from paddlex.inference.complete_graph import (
    IMAGE_LIMIT,
    IMAGE_THRESHOLD,
    IMAGE_WIDTH,
    INSPECTED,
    LIGHT,
    POSITIONS,
    ZONE_SHIFTS,
    ZONE_SLOPES,
    arrays_of,
    facts_of,
)
from paddlex.inference.model_folder import ONNX_NAME, ModelFolder
from paddlex.modules.image_anomaly_detection.export.complete.masks import anomaly_mask
from paddlex.modules.image_anomaly_detection.export.complete.nodes import Nodes, Value
from paddlex.modules.image_anomaly_detection.export.complete.preparing import in_usual_light, painted
from paddlex.modules.image_anomaly_detection.export.complete.resizing import resized

#: The first operator set in which values are scattered to their minimum; read by ONNX Runtime since 1.14.
OPSET = 18


def complete_graph(folder: ModelFolder, colour_order: str) -> ModelProto:
    """The graph from a picture to its verdict.

    ``image``, uint8 [H, W, 3], becomes ``score`` and ``raw_score``, float32 [], ``is_anomalous``, bool [], ``anomaly_map``,
    float32 [H, W], and ``mask``, uint8 [H, W], 0 or 255. It may have any size; of a model with regions to inspect, the one
    that they were drawn for: another is an error of the runtime. A picture of less than 2 pixels on a side, and one to which
    the network's answer is not finite anywhere, is anomalous: its score is 1 and its mask all 255.

    Args:
        folder: with inference.onnx; see ``complete_graph.obstacle``, which finds none.
        colour_order: of the picture, ``RGB`` or ``BGR``.

    Raises:
        ModelError: inference.onnx is no such graph.
    """
    network = _network(folder)
    nodes = Nodes()
    picture = Value(nodes, "image")
    height, width = (nodes.Gather(nodes.Shape(picture), np.int64(axis)) for axis in (0, 1))
    sides, held = (height, width), {name: nodes.held(name, array) for name, array in arrays_of(folder).items()}
    inspected = held.get(INSPECTED)
    if LIGHT in held:
        light = nodes.Gather(held[LIGHT], 0), nodes.Gather(held[LIGHT], 1), nodes.Gather(held[LIGHT], 2)
        picture = in_usual_light(nodes, picture, sides, light, inspected, colour_order)
    if inspected is not None:
        picture = painted(nodes, picture, inspected, colour_order)
    levels = resized(nodes, picture, sides, folder.transform.size, folder.transform.interpolation)
    x = _normalised(nodes, levels, folder, colour_order)
    nodes.nodes.append(helper.make_node("Identity", [x.name], [network.graph.input[0].name]))
    before, nodes.nodes = nodes.nodes, []
    answer = Value(nodes, network.graph.output[0].name)
    outputs = _verdict(nodes, answer, sides, held)
    for name, value in outputs.items():
        nodes.nodes.append(helper.make_node("Identity", [value.name], [name]))
    graph = helper.make_graph(
        [*before, *network.graph.node, *nodes.nodes],
        "complete",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["H", "W", 3])],
        [
            helper.make_tensor_value_info("score", TensorProto.FLOAT, []),
            helper.make_tensor_value_info("raw_score", TensorProto.FLOAT, []),
            helper.make_tensor_value_info("is_anomalous", TensorProto.BOOL, []),
            helper.make_tensor_value_info("anomaly_map", TensorProto.FLOAT, ["H", "W"]),
            helper.make_tensor_value_info("mask", TensorProto.UINT8, ["H", "W"]),
        ],
        [*network.graph.initializer, *nodes.constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="paddlex")
    model.ir_version = network.ir_version
    model.producer_version = __version__
    helper.set_model_props(model, facts_of(folder, colour_order))
    onnx.checker.check_model(model, full_check=True)
    return model


def _network(folder: ModelFolder) -> ModelProto:
    """inference.onnx up to the map that is judged, in our operator set."""
    path = folder.path / ONNX_NAME
    model = onnx.load(path)
    if folder.output >= len(model.graph.output):
        raise ModelError("the graph has no calibrated map", where=path, remedy="Export the model again")
    wanted = model.graph.output[folder.output].name
    part = onnx.utils.Extractor(model).extract_model([model.graph.input[0].name], [wanted])
    del part.graph.value_info[:]
    return onnx.version_converter.convert_version(part, OPSET)


def _normalised(nodes: Nodes, levels: Value, folder: ModelFolder, colour_order: str) -> Value:
    """0 to 255 [3, h, w] -> the network's input, float32 [1, 3, h, w]."""
    mean, std = (np.array(one, np.float64).reshape(3, 1, 1) for one in (folder.transform.mean, folder.transform.std))
    rgb = levels if colour_order == "RGB" else nodes.Gather(levels, np.array([2, 1, 0]), axis=0)
    scaled = (rgb - (255 * mean).astype(np.float32)) * (1 / (255 * std)).astype(np.float32)
    return nodes.Unsqueeze(scaled, np.array([0]))


def _verdict(nodes: Nodes, answer: Value, sides: tuple[Value, Value], held: Mapping[str, Value]) -> dict[str, Value]:
    """From the network's map, float32 [1, 1, h, w], to the outputs."""
    everywhere = np.array([0, 1, 2, 3])
    is_unusable = (nodes.IsNaN(answer) | nodes.IsInf(answer)).to(np.int32)
    is_unusable = nodes.ReduceMax(is_unusable, everywhere, keepdims=0) > np.int32(0)
    is_unusable = is_unusable | (nodes.Min(*sides) < 2)
    if ZONE_SLOPES in held:
        answer = answer * held[ZONE_SLOPES] + held[ZONE_SHIFTS]
    if POSITIONS in held:
        lowest = nodes.ReduceMin(nodes.Where(held[POSITIONS], answer, np.float32(np.inf)), everywhere, keepdims=0)
        answer = nodes.Where(held[POSITIONS], answer, lowest)
    raw_score = nodes.ReduceMax(answer, everywhere, keepdims=0)
    size = nodes.Concat(np.array([1, 1]), *(nodes.Unsqueeze(side, np.array([0])) for side in sides), axis=0)
    whole = nodes.Resize(answer, np.zeros(0, np.float32), np.zeros(0, np.float32), size, mode="linear")
    anomaly_map = nodes.Squeeze(whole, np.array([0, 1]))
    mask = anomaly_mask(nodes, anomaly_map, sides, held) | is_unusable
    # Limit.normalise
    u = (raw_score.to(np.float64) - held[IMAGE_THRESHOLD]) / held[IMAGE_WIDTH]
    score = ((u / (nodes.Abs(u) + np.float64(1)) + np.float64(1)) * np.float64(0.5)).to(np.float32)
    return {
        "score": nodes.Where(is_unusable, np.float32(1), score),
        "raw_score": raw_score,
        "is_anomalous": is_unusable | (raw_score > held[IMAGE_LIMIT]),
        "anomaly_map": anomaly_map,
        "mask": nodes.Where(mask, np.uint8(255), np.uint8(0)),
    }
