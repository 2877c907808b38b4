"""A graph is a program. Before an engine gets one, its operations are read here: only tensor arithmetic is run.

Paddle has operations that write files, print, call back into Python or run other programs, and ONNX can name files to take
its weights from. The files are protocol buffers or JSON; they are read with no engine loaded, and nothing in them is executed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paddlex.errors import ModelError
from paddlex.inference.checked import shown
from paddlex.inference.protobuf import fields
from paddlex.utils.files import read_regular_file
from paddlex.utils.strict import Malformed, read_json

_MAX_BYTES = 2**31  # protocol buffers cannot be larger
_MAX_FIELDS = 2_000_000

_ARITHMETIC = """
feed fetch data parameter combine full full_int_array full_like full_with_tensor full_batch_size_like fill_constant
fill_any_like fill_constant_batch_size_like assign assign_value assign_out share_data range arange linspace shape shape64 cast
scale

conv2d depthwise_conv2d conv2d_transpose depthwise_conv2d_transpose pool2d max_pool2d_with_index batch_norm sync_batch_norm
layer_norm instance_norm group_norm fc mul matmul matmul_v2 bmm mv addmm einsum dropout

relu relu6 leaky_relu prelu elu selu celu gelu silu swish mish hard_swish hardswish hard_sigmoid hardsigmoid sigmoid
logsigmoid tanh tanh_shrink softmax log_softmax softplus softsign hard_shrink softshrink

elementwise_add elementwise_sub elementwise_mul elementwise_div elementwise_max elementwise_min elementwise_pow
elementwise_mod elementwise_floordiv add subtract multiply divide maximum minimum remainder floor_divide fmax fmin add_n

sum mean max min prod amax amin all any reduce_sum reduce_mean reduce_max reduce_min reduce_prod reduce_all reduce_any
p_norm norm frobenius_norm squared_l2_norm logsumexp cumsum

sqrt rsqrt square pow exp expm1 log log1p log2 abs sign floor ceil round clip reciprocal sin cos erf increment

equal not_equal less_than less_equal greater_than greater_equal logical_and logical_or logical_not logical_xor
isnan isnan_v2 isfinite isfinite_v2 isinf isinf_v2 where

reshape reshape2 squeeze squeeze2 unsqueeze unsqueeze2 flatten flatten2 flatten_contiguous_range transpose transpose2 concat
split split_with_num slice strided_slice stack unstack unbind expand expand_v2 expand_as expand_as_v2 tile gather gather_nd
index_select take_along_axis set_value set_value_with_tensor top_k_v2 topk arg_max arg_min argmax argmin argsort flip roll
pad pad2d pad3d unfold pixel_shuffle affine_grid grid_sampler grid_sample bilinear_interp bilinear_interp_v2 nearest_interp
nearest_interp_v2 bicubic_interp bicubic_interp_v2 quantize_linear dequantize_linear
"""

#: Paddle's operations that are arithmetic on tensors, or make, cut and arrange them: what our export and PaddleX's write, and
#: what other networks of their kind would. By their names in .pdmodel and in .json.
PADDLE_OPERATIONS = frozenset(_ARITHMETIC.split())

#: ONNX's own operations, none of which touches a file; others come from libraries.
_ONNX_DOMAINS = ("", "ai.onnx")

#: For each kind of message the fields that are followed: to messages of another kind, or to a value with a name.
_PDMODEL = {
    "program": {1: "block"},
    "block": {3: "variable", 4: "operation"},
    "variable": {1: "declared"},
    "operation": {1: "arguments", 2: "arguments", 3: "name"},
    "arguments": {2: "used"},
}
_ONNX = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute", 7: "domain"},
    "attribute": {
        5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor",
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {13: "external", 14: "location"},
}  # fmt: skip


def check_paddle_graph(path: Path) -> None:
    """Read the operations of a .pdmodel, or of PaddlePaddle 3's .json.

    Raises:
        ModelError: there is one that is no tensor arithmetic, or the file is no graph.
    """
    names = _json_operations(path) if path.suffix == ".json" else _pdmodel_operations(path)
    if not names:
        raise _damaged(path)
    for name in sorted(names - PADDLE_OPERATIONS):
        raise ModelError(
            f"the graph holds the operation {shown(name)}, and only tensor arithmetic is run",
            where=path,
            remedy="Do not use this folder, or, if you trust where it comes from, give the model as inference.onnx",
        )


def check_onnx_graph(path: Path) -> None:
    """Read the operations of an ONNX file, and where its weights are.

    Raises:
        ModelError: an operation that is not ONNX's own, weights that are in another file, or no graph at all.
    """
    try:
        found = list(_values(read_regular_file(path, _MAX_BYTES), "model", _ONNX))
    except (OSError, ValueError):
        raise _damaged(path) from None
    for what, value in found:
        if what == "domain" and value not in _ONNX_DOMAINS:
            raise ModelError(
                f"the graph holds an operation of {shown(value)}, and only ONNX's own are run",
                where=path,
                remedy="Give a model that has none",
            )
        if what == "external" or (what == "location" and value != 0):
            raise ModelError(
                "the graph takes weights from another file",
                where=path,
                remedy="Save the model as one file: onnx.save(onnx.load(path), path)",
            )


def _pdmodel_operations(path: Path) -> set[str]:
    found: dict[str, set[str]] = {"declared": {"@EMPTY@"}, "used": set(), "name": set()}
    try:
        for what, name in _values(read_regular_file(path, _MAX_BYTES), "program", _PDMODEL):
            found[what].add(str(name))
    except (OSError, ValueError):
        raise _damaged(path) from None
    if not found["used"] <= found["declared"]:  # over a variable that is not there Paddle ends the process
        raise _damaged(path)
    return found["name"]


def _json_operations(path: Path) -> set[str]:
    try:
        waiting: list[Any] = [read_json(path)]
    except (OSError, Malformed):
        raise _damaged(path) from None
    names: set[str] = set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if "ops" in part:
                operations = part["ops"] if isinstance(part["ops"], list) else [None]
                names.update(_short(one.get("#")) if isinstance(one, dict) else "" for one in operations)
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return names


def _short(name: object) -> str:
    """``1.relu_`` or ``pd_op.relu_`` -> relu, ``0.combine`` -> combine, ``p`` -> parameter; else as it is, and unknown."""
    dialect, dot, operation = str(name).partition(".")
    if name == "p":
        return "parameter"
    if dot and dialect in ("0", "1", "builtin", "pd_op"):
        return operation.removesuffix("_")
    return str(name)


def _values(data: bytes, root: str, schema: Mapping[str, Mapping[int, str]]) -> Iterator[tuple[str, str | int]]:
    """The values of a protocol buffer that a schema leads to, each with its name there.

    Raises:
        ValueError: it is none, or has too many fields.
    """
    waiting = [(root, memoryview(data))]
    count = 0
    while waiting:
        kind, message = waiting.pop()
        for number, value, _ in fields(message):
            count += 1
            if count > _MAX_FIELDS:
                raise ValueError("too many fields")
            name = schema[kind].get(number)
            if name is None:
                continue
            if name not in schema:
                yield name, value if isinstance(value, int) else str(value, "utf-8")
            elif isinstance(value, int):
                raise ValueError("a number where a message belongs")
            else:
                waiting.append((name, value))


def _damaged(path: Path) -> ModelError:
    return ModelError("the graph is damaged, or no graph", where=path, remedy="Export the model again")
