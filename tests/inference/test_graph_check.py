"""A graph from elsewhere may be a program that writes files: it is read before it is run, and then not run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paddlex import create_model
from paddlex.errors import ModelError
from paddlex.inference.backends.graph_check import check_onnx_graph, check_paddle_graph

#: Makes graphs with Paddle, in a process of its own: sys.argv are the kind, the folder of the graph, and the file it writes.
MAKE = """
import sys
import paddle
kind, folder, target = sys.argv[1:]
paddle.enable_static()
main = paddle.static.Program()
with paddle.static.program_guard(main):
    x = paddle.static.data("x", [-1, 3, 64, 64], "float32")
    y = paddle.mean(x * x, axis=1, keepdim=True)
    block = main.global_block()
    if kind == "save":
        block.append_op(type="save", inputs={"X": [y]}, attrs={"file_path": target})
    elif kind == "save_combine":
        out = block.create_var(name="out", dtype="float32", shape=[1])
        block.append_op(type="save_combine", inputs={"X": [y]}, outputs={"Y": [out]}, attrs={"file_path": target})
    elif kind == "print":
        y = paddle.static.Print(y)
    elif kind == "py_func":
        out = block.create_var(name="out", dtype="float32", shape=[-1, 1, 64, 64])
        paddle.static.py_func(lambda value: value, x=y, out=out)
        y = out
    elif kind == "nested":
        main._create_block()
        main.current_block().append_op(type="save", inputs={"X": [y]}, attrs={"file_path": target})
        main._rollback()
    program = main
paddle.static.save_inference_model(folder + "/inference", [x], [y], paddle.static.Executor(), program=program,
                                   clip_extra=False, skip_prune_program=True)
"""

YML = """
Global: {model_name: STFPM}
Deploy: {transforms: [{type: Resize, target_size: [64, 64]}, {type: Normalize}]}
"""


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, Path]]:
    """Makes a folder with a graph of a kind, in the old or the new format; returns it, and the file the graph would write."""

    def make(kind: str, new_format: bool) -> tuple[Path, Path]:
        root = tmp_path_factory.mktemp("graph")
        folder, target = root / "folder", root / "written"
        folder.mkdir()
        (folder / "inference.yml").write_text(YML, encoding="utf-8")
        (folder / "inference.pdiparams").touch()  # the graph needs no weights
        done = subprocess.run(
            [sys.executable, "-c", MAKE, kind, str(folder), str(target)],
            env={**os.environ, "FLAGS_enable_pir_api": str(int(new_format))}, capture_output=True, text=True,
        )  # fmt: skip
        graph = folder / ("inference.json" if new_format else "inference.pdmodel")
        assert graph.is_file(), done.stderr
        return folder, target

    return make


def refused(folder: Path) -> str:
    """Why ``create_model`` does not take a folder, in one line."""
    with pytest.raises(ModelError, match=r"no run mode works on cpu: .*the last because the graph holds the operation"):
        create_model("STFPM", folder, device="cpu")
    with pytest.raises(ModelError) as caught:
        create_model("STFPM", folder, device="cpu", backend="paddle")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "operation"),
    [
        ("save", "save"),
        ("save_combine", "save_combine"),
        ("print", "print"),
        ("py_func", "py_func"),
        ("nested", "save"),
    ],
)
def test_a_graph_that_does_more_than_arithmetic_is_not_loaded(make, kind: str, operation: str) -> None:
    folder, target = make(kind, new_format=False)
    message = refused(folder)
    assert message.startswith(f"the graph holds the operation '{operation}', and only tensor arithmetic is run (")
    assert not target.exists()


def test_a_graph_in_the_new_format_that_does_more_than_arithmetic_is_not_loaded(make) -> None:
    folder, _ = make("print", new_format=True)
    assert refused(folder).startswith("the graph holds the operation 'print', and only tensor arithmetic is run (")


@pytest.fixture(scope="module")
def arithmetic(make) -> str:
    """A graph in the new format that is taken."""
    folder, _ = make("arithmetic", new_format=True)
    check_paddle_graph(folder / "inference.json")
    return (folder / "inference.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "1.save_combine",
        "1.py_func",
        "pd_op.load_combine",
        "1.run_program",
        "1.if",
        "2.relu",
        "custom_op.relu",
        "",
        5,
        None,
    ],
)
@pytest.mark.parametrize("place", ["at the top", "in a region of an operation"])
def test_no_name_and_no_place_in_the_new_format_hides_an_operation(
    arithmetic: str, tmp_path: Path, name: object, place: str
) -> None:
    path = tmp_path / "inference.json"
    graph = json.loads(arithmetic)
    operations = graph["program"]["regions"][0]["blocks"][0]["ops"]
    if place == "at the top":
        operations.append({"#": name})
    else:
        operations[0]["regions"] = [{"#": "region_1", "blocks": [{"#": "block_1", "args": [], "ops": [{"#": name}]}]}]
    path.write_text(json.dumps(graph), encoding="utf-8")
    with pytest.raises(ModelError, match="and only tensor arithmetic is run"):
        check_paddle_graph(path)


@pytest.mark.parametrize("new_format", [False, True])
def test_a_graph_of_arithmetic_alone_is_run(make, new_format: bool) -> None:
    folder, _ = make("arithmetic", new_format)
    check_paddle_graph(folder / ("inference.json" if new_format else "inference.pdmodel"))


def test_what_training_exports_is_arithmetic(trained: Path) -> None:
    folder = trained / "best_model" / "inference"
    check_paddle_graph(folder / "inference.pdmodel")
    check_onnx_graph(folder / "inference.onnx")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n", b"\x0a\xff\xff\xff\xff\x0f", b"text", b"\x0b", b"\x00\x00",
        b"\xa2\x80\x80\x80\x10\x00",  # field 4 of type 2, with a bit above the 32nd: readers differ about it
        b"\x0a\x02\x20\x05",  # a block whose operation is a number
    ],
)  # fmt: skip
def test_bytes_that_are_no_graph_are_refused_by_both_readers(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "inference.pdmodel").write_bytes(content)
    with pytest.raises(ModelError, match="the graph is damaged, or no graph"):
        check_paddle_graph(tmp_path / "inference.pdmodel")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "{", '{"ops": 5}', '{"ops": "relu"}', '{"a": 1, "a": 2}', "[" * 100_000]
)
def test_json_that_is_no_graph_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "inference.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"the graph is damaged, or no graph|only tensor arithmetic is run"):
        check_paddle_graph(tmp_path / "inference.json")


# ONNX


def write_onnx(path: Path, node: onnx.NodeProto, *weights: onnx.TensorProto) -> Path:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in "xy")
    graph = helper.make_graph([node], "graph", [x], [y], list(weights))
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def weight(**external: str) -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "w")
    if external:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in external.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
    return tensor


def test_an_onnx_graph_of_its_own_operations_and_weights_is_run(tmp_path: Path) -> None:
    check_onnx_graph(write_onnx(tmp_path / "a.onnx", helper.make_node("Add", ["x", "w"], ["y"]), weight()))


@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd", "weights.bin"])
def test_an_onnx_graph_whose_weights_are_in_another_file_is_refused(tmp_path: Path, location: str) -> None:
    inside = helper.make_node("Constant", [], ["y"], value=weight(location=location))
    for node, weights in ((helper.make_node("Add", ["x", "w"], ["y"]), [weight(location=location)]), (inside, [])):
        with pytest.raises(ModelError, match="the graph takes weights from another file"):
            check_onnx_graph(write_onnx(tmp_path / "a.onnx", node, *weights))


@pytest.mark.parametrize("domain", ["com.example", "com.microsoft", "ai.onnx.contrib"])
def test_an_onnx_graph_with_operations_of_others_is_refused_in_a_branch_too(tmp_path: Path, domain: str) -> None:
    foreign = helper.make_node("Write", ["x"], ["y"], domain=domain)
    branch = helper.make_graph([foreign], "branch", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])])
    for node in (foreign, helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)):
        with pytest.raises(ModelError, match=rf"an operation of '{domain}', and only ONNX's own are run"):
            check_onnx_graph(write_onnx(tmp_path / "a.onnx", node))


def test_neither_engine_gets_an_onnx_graph_that_is_refused(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained / "best_model" / "inference", tmp_path / "inference")
    write_onnx(folder / "inference.onnx", helper.make_node("Add", ["x", "w"], ["y"]), weight(location="/etc/passwd"))
    for backend in ("onnx", "openvino"):
        with pytest.raises(ModelError, match="the graph takes weights from another file"):
            create_model("STFPM", folder, device="cpu", backend=backend)


def test_a_graph_with_a_variable_that_it_does_not_declare_is_damaged(make) -> None:
    """Paddle ends the process over one."""
    folder, _ = make("arithmetic", new_format=False)
    graph = folder / "inference.pdmodel"
    check_paddle_graph(graph)
    graph.write_bytes(graph.read_bytes().replace(b"mean_0.tmp_0", b"moan_0.tmp_0", 1))
    with pytest.raises(ModelError, match="the graph is damaged"):
        check_paddle_graph(graph)
