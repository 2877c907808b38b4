"""From Paddle's static graph to ONNX, in float32 and in INT8."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np

from paddlex.errors import ModelError
from paddlex.utils.child_process import environment_of_child
from paddlex.utils.private_imports import import_onnxruntime

#: The operator set of the ONNX files: read by ONNX Runtime since 1.12 and OpenVINO since 2022.
OPSET = 17

OUTPUTS = ("raw_map", "calibrated_map")


def convert_to_onnx(
    graph: Path,
    params: Path,
    path: Path,
    outputs: Sequence[str] = OUTPUTS,
    inner: Sequence[str] = (),
    arrays: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a Paddle graph (.pdmodel and .pdiparams) as one ONNX file with a free batch size.

    Constants are folded and batch normalisation is merged into the convolutions, by ONNX Runtime's basic optimisations,
    which hold on every processor. The input is ``x``; the outputs get the names that are given. Further outputs of Paddle's
    graph, which ``inner`` names, are outputs no more: they are values of these names within the graph.

    The converter works in a process of its own: it changes Paddle's state and, where it fails, damages or ends the process
    that it runs in.

    Args:
        graph: Paddle's.
        params: the weights beside it.
        path: the file to write.
        outputs: what the graph gives.
        inner: further outputs of Paddle's graph.
        arrays: the name that a parameter or buffer has in Paddle -> the one it gets.

    Raises:
        ModelError: paddle2onnx, ONNX or ONNX Runtime is missing, or cannot convert the graph.
    """
    _require("the export to ONNX", "paddle2onnx", "onnx", "onnxruntime")
    names = json.dumps([[*outputs], [*inner], {**arrays}], allow_nan=False)
    done = subprocess.run(
        [sys.executable, "-m", __name__, graph, params, path, names],
        env=environment_of_child(), capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    if done.returncode != 0 or not path.is_file():
        path.unlink(missing_ok=True)
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        reason = said[-1].strip() if said else f"the converter ended with status {done.returncode}"
        raise ModelError(
            f"the graph cannot be converted to ONNX: {reason}", where=graph, remedy="Export the model again"
        )


def _convert(graph: str, params: str, path: str, names: str) -> None:
    """What the process of ``convert_to_onnx`` does."""
    outputs, inner, arrays = json.loads(names)
    onnxruntime = import_onnxruntime()  # before others import it
    import onnx
    import paddle2onnx

    # not its own optimisation, which fetches packages from the internet while it runs
    model = paddle2onnx.export(graph, params, opset_version=OPSET, auto_upgrade_opset=False, optimize_tool="")
    with TemporaryDirectory() as folder:
        optimised = Path(folder) / "optimised.onnx"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(optimised)
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        result = onnx.load(optimised)
    _name_ends(result, [*outputs, *inner])
    _take_in(result, inner)
    _name_arrays(result, arrays)
    result.producer_name = "paddlex"
    del result.opset_import[:]
    result.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    onnx.checker.check_model(result, full_check=True)
    onnx.save(result, path)


def quantise(path: Path, quantised: Path, batches: Iterable[np.ndarray]) -> None:
    """Write an ONNX file with its convolutions in INT8 (QDQ, one scale for each output channel).

    The ranges of the activations are their extremes over some images. What compares features stays in float32:
    its differences are small numbers between large ones.

    Args:
        path: the float32 file that ``convert_to_onnx`` wrote.
        quantised: the new file.
        batches: network inputs, float32 [N, 3, H, W], of normal images.

    Raises:
        ModelError: a package is missing.
    """
    _require("INT8", "onnx", "onnxruntime", "ml_dtypes")
    import_onnxruntime()
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Images(CalibrationDataReader):
        def __init__(self) -> None:
            self._batches = iter(batches)

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self._batches, None)
            return None if batch is None else {"x": batch}

    model = onnx.load(path)
    kernels = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    smoothing = [node.name for node in convolutions if kernels[node.input[1]][0] == 1]
    logging.getLogger().addFilter(_is_no_advice)
    try:
        quantize_static(
            path, quantised, Images(),
            quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv"], nodes_to_exclude=smoothing, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax,
        )  # fmt: skip
    finally:
        logging.getLogger().removeFilter(_is_no_advice)


def _require(what: str, *packages: str) -> None:
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ModelError(f"{what} needs {' and '.join(missing)}", remedy=f"pip install {' '.join(missing)}")


def _is_no_advice(record: logging.LogRecord) -> bool:
    """Leave out the quantiser's advice to preprocess the model, which has been done."""
    return "pre-processing" not in record.getMessage()


def _name_ends(model: object, outputs: Sequence[str]) -> None:
    """Give the outputs and the batch dimension names that mean something."""
    graph = model.graph  # type: ignore[attr-defined]
    names = {output.name: name for output, name in zip(graph.output, outputs, strict=True)}
    for node in graph.node:
        for number, output in enumerate(node.output):
            node.output[number] = names.get(output, output)
        for number, name in enumerate(node.input):
            node.input[number] = names.get(name, name)
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def _take_in(model: object, names: Sequence[str]) -> None:
    """Make outputs to values within the graph, and leave out what had copied them to there."""
    graph = model.graph  # type: ignore[attr-defined]
    for output in [output for output in graph.output if output.name in names]:
        graph.output.remove(output)
    for copying in [node for node in graph.node if node.op_type == "Identity" and node.output[0] in names]:
        graph.node.remove(copying)
        for node in graph.node:
            for places in (node.input, node.output):
                places[:] = [copying.output[0] if one == copying.input[0] else one for one in places]


def _name_arrays(model: object, names: Mapping[str, str]) -> None:
    graph = model.graph  # type: ignore[attr-defined]
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in graph.node:
        node.input[:] = [names.get(one, one) for one in node.input]


if __name__ == "__main__":
    _convert(*sys.argv[1:])
