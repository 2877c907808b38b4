"""The whole graph: what comes before and after the network of inference.onnx, and what it says of itself."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from paddlex import __version__
from paddlex.errors import ModelError
from paddlex.inference.model_folder import ONNX_NAME, ModelFolder
from paddlex.inference.postprocess import Limit, Limits
from paddlex.modules.image_anomaly_detection.export.complete.masks import anomaly_mask
from paddlex.modules.image_anomaly_detection.export.complete.nodes import Nodes, Value
from paddlex.modules.image_anomaly_detection.export.complete.resizing import resized
from paddlex.utils.files import folder_digest

#: The first operator set in which values are scattered to their minimum; read by ONNX Runtime since 1.14.
OPSET = 18

COLOUR_ORDERS = ("RGB", "BGR")

#: What ``predict`` does and the graph does not.
NOT_INSIDE = (
    "reading files and turning them as EXIF says",
    "pictures of more than 8 bits",
    "regions as boxes and polygons",
    "telling which product a picture shows",
)

_METHODS = ("LINEAR", "AREA")


def obstacle(folder: ModelFolder) -> str | None:
    """Why a model has no complete graph, in words; None if it can have one."""
    preparation = folder.own.preparation
    if not folder.has_limits:
        return "it is not calibrated: nothing says where normal ends"
    if folder.transform.interpolation not in _METHODS:
        return f"its pictures are resized by {folder.transform.interpolation}, not by {' or '.join(_METHODS)}"
    if folder.own.tiling is not None:
        return "it scans photos in tiles, as many as a photo needs"
    if preparation is not None and preparation.alignment is not None:
        return "it looks for the part in each photo (alignment), which is a search and no graph"
    if preparation is not None and preparation.regions is not None:
        return "it inspects regions of the photo"
    if preparation is not None and preparation.light is not None:
        return "it corrects the light of photos"
    return None


def complete_graph(folder: ModelFolder, colour_order: str) -> ModelProto:
    """The graph from a picture to its verdict.

    ``image``, uint8 [H, W, 3] of any size, becomes ``score`` and ``raw_score``, float32 [], ``is_anomalous``, bool [],
    ``anomaly_map``, float32 [H, W], and ``mask``, uint8 [H, W], 0 or 255. A picture of less than 2 pixels on a side, and one
    to which the network's answer is not finite anywhere, is anomalous: its score is 1 and its mask all 255.

    Args:
        folder: with inference.onnx; ``obstacle`` finds none.
        colour_order: of the picture, one of ``COLOUR_ORDERS``.

    Raises:
        ModelError: inference.onnx is no such graph.
    """
    network = _network(folder)
    nodes = Nodes()
    picture = Value(nodes, "image")
    height, width = (nodes.Gather(nodes.Shape(picture), np.int64(axis)) for axis in (0, 1))
    levels = resized(nodes, picture, (height, width), folder.transform.size, folder.transform.interpolation)
    x = _normalised(nodes, levels, folder, colour_order)
    nodes.nodes.append(helper.make_node("Identity", [x.name], [network.graph.input[0].name]))
    before, nodes.nodes = nodes.nodes, []
    answer = Value(nodes, network.graph.output[0].name)
    outputs = _verdict(nodes, answer, (height, width), folder.limits)
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
    helper.set_model_props(model, _facts(folder, colour_order))
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


def _verdict(nodes: Nodes, answer: Value, sides: tuple[Value, Value], limits: Limits) -> dict[str, Value]:
    """From the network's map, float32 [1, 1, h, w], to the outputs."""
    raw_score = nodes.ReduceMax(answer, np.array([0, 1, 2, 3]), keepdims=0)
    is_unusable = nodes.IsNaN(answer) | nodes.IsInf(answer)
    is_unusable = nodes.ReduceMax(is_unusable.to(np.int32), np.array([0, 1, 2, 3]), keepdims=0) > np.int32(0)
    is_unusable = is_unusable | (nodes.Min(*sides) < 2)
    size = nodes.Concat(np.array([1, 1]), *(nodes.Unsqueeze(side, np.array([0])) for side in sides), axis=0)
    whole = nodes.Resize(answer, np.zeros(0, np.float32), np.zeros(0, np.float32), size, mode="linear")
    anomaly_map = nodes.Squeeze(whole, np.array([0, 1]))
    mask = anomaly_mask(nodes, anomaly_map, sides, limits) | is_unusable
    score = nodes.Where(is_unusable, np.float32(1), _normal_score(nodes, raw_score, limits.image))
    return {
        "score": score,
        "raw_score": raw_score,
        "is_anomalous": is_unusable | (raw_score > _not_above(limits.image.threshold)),
        "anomaly_map": anomaly_map,
        "mask": nodes.Where(mask, np.uint8(255), np.uint8(0)),
    }


def _normal_score(nodes: Nodes, raw_score: Value, limit: Limit) -> Value:
    """``Limit.normalise``, in float64."""
    width = max(limit.threshold - limit.typical, 1e-12)
    u = (raw_score.to(np.float64) - np.float64(limit.threshold)) / np.float64(width)
    part = u / (nodes.Abs(u) + np.float64(1))
    return ((part + np.float64(1)) * np.float64(0.5)).to(np.float32)


def _not_above(threshold: float) -> np.float32:
    """The largest float32 that is not above a threshold: a float32 is above both or above none."""
    near = np.float32(threshold)
    return near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf))


def _facts(folder: ModelFolder, colour_order: str) -> dict[str, str]:
    """The metadata properties."""
    limits = folder.limits
    width, height = folder.transform.size
    return {
        "model_name": folder.model_name,
        "toolkit": "paddlex (image anomaly detection)",
        "toolkit_version": __version__,
        "model_digest": folder_digest(folder.path),
        "image_threshold": repr(limits.image.threshold),
        "image_typical": repr(limits.image.typical),
        "pixel_threshold": repr(limits.pixel.threshold),
        "threshold_source": limits.source,
        "region_cut": repr(limits.region_cut),
        "min_area": repr(limits.min_area),
        "colour_order": colour_order,
        "input": f"image: uint8 [H, W, 3], {colour_order}, any H and W of 2 or more; resized to {height} x {width} inside",
        "outputs": "score: float32, 0 to 1, above 0.5 anomalous; raw_score: float32; is_anomalous: bool; "
        "anomaly_map: float32 [H, W]; mask: uint8 [H, W], 0 or 255",
        "not_inside": "; ".join(NOT_INSIDE),
    }
