"""ONNX nodes written as formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Union

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

#: What stands in a formula: a value of the graph, or a constant; an int becomes int64, a float float32.
Operand = Union["Value", np.ndarray, np.generic, float, int]


class Value:
    """A value of a graph, with the arithmetic of NumPy; what is made of it is added to ``nodes``."""

    def __init__(self, nodes: Nodes, name: str) -> None:
        self.nodes, self.name = nodes, name

    def __add__(self, other: Operand) -> Value:
        return self.nodes.Add(self, other)

    def __sub__(self, other: Operand) -> Value:
        return self.nodes.Sub(self, other)

    def __mul__(self, other: Operand) -> Value:
        return self.nodes.Mul(self, other)

    def __truediv__(self, other: Operand) -> Value:
        """Of whole numbers the whole part, cut off towards zero."""
        return self.nodes.Div(self, other)

    def __and__(self, other: Operand) -> Value:
        return self.nodes.And(self, other)

    def __or__(self, other: Operand) -> Value:
        return self.nodes.Or(self, other)

    def __invert__(self) -> Value:
        return self.nodes.Not(self)

    def __lt__(self, other: Operand) -> Value:
        return self.nodes.Less(self, other)

    def __gt__(self, other: Operand) -> Value:
        return self.nodes.Greater(self, other)

    def to(self, kind: type[np.generic]) -> Value:
        """The same as numbers of another type."""
        return self.nodes.Cast(self, to=helper.np_dtype_to_tensor_dtype(np.dtype(kind)))


class Nodes:
    """A list of nodes that grows: ``nodes.Gather(image, rows, axis=0)`` adds one and gives its output.

    Attributes:
        nodes: what was added, in order.
        constants: what the formulas hold; of all branches and loops together.
    """

    def __init__(self, outer: Nodes | None = None) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = [] if outer is None else outer.constants
        self._numbers: Iterator[int] = count() if outer is None else outer._numbers

    def __getattr__(self, operation: str) -> Callable[..., Value]:
        def add(*inputs: Operand, **attributes: Any) -> Value:
            return self.add(operation, *inputs, **attributes)[0]

        return add

    def add(self, operation: str, *inputs: Operand, outputs: int = 1, **attributes: Any) -> list[Value]:
        """Add a node that has several outputs."""
        values = [Value(self, f"complete/{operation}_{next(self._numbers)}") for _ in range(outputs)]
        names = [self.name_of(one) for one in inputs]
        self.nodes.append(helper.make_node(operation, names, [one.name for one in values], **attributes))
        return values

    def name_of(self, operand: Operand) -> str:
        """The name of a value; a constant gets one."""
        if isinstance(operand, Value):
            return operand.name
        if isinstance(operand, (int, float)) and not isinstance(operand, np.generic):
            operand = np.int64(operand) if isinstance(operand, int) else np.float32(operand)
        name = f"complete/constant_{next(self._numbers)}"
        self.constants.append(numpy_helper.from_array(np.array(operand), name))
        return name

    def held(self, name: str, array: np.ndarray) -> Value:
        """A constant with a name of its own."""
        self.constants.append(numpy_helper.from_array(array, name))
        return Value(self, name)

    def here(self, *values: Value) -> Iterator[Value]:
        """Values from outside a branch or loop, for what is made of them to be inside."""
        return (Value(self, one.name) for one in values)

    def choose(self, condition: Value, then: Branch, otherwise: Branch, kind: type[np.generic], rank: int) -> Value:
        """What one of two branches gives, of which the other is not computed; both give a value of a type and rank."""
        graphs = {}
        for name, branch in (("then_branch", then), ("else_branch", otherwise)):
            inside = Nodes(self)
            graphs[name] = inside.graph([], [(branch(inside), kind, rank)])
        return self.If(condition, **graphs)

    def until_settled(self, start: Value, step: Callable[[Nodes, Value], Value]) -> Value:
        """int64 [n]: ``start``, then ``step`` of it, and so on, until a step changes nothing."""

        def body(inside: Nodes, number: Value, before: Value) -> tuple[Value, Value]:
            after = step(inside, before)
            return after, inside.ReduceMax(inside.Abs(after - before), np.array([0]), keepdims=0) > 0

        return self._loop(np.int64(2**31), start, body, np.int64, 1)

    def summed(self, count: Value, start: Value, term: Callable[[Nodes, Value], Value], rank: int) -> Value:
        """float32: ``start`` plus ``term`` of 0, of 1, and so on to ``count`` - 1, added up in this order."""

        def body(inside: Nodes, number: Value, before: Value) -> tuple[Value, Value]:
            return before + term(inside, number), inside.Identity(np.bool_(True))

        return self._loop(count, start, body, np.float32, rank)

    def _loop(
        self,
        most: Operand,
        start: Value,
        body: Callable[[Nodes, Value, Value], tuple[Value, Value]],
        kind: type[np.generic],
        rank: int,
    ) -> Value:
        inside = Nodes(self)
        number, goes_on, before = (Value(inside, f"complete/loop_{next(self._numbers)}") for _ in range(3))
        after, goes_on_then = body(inside, number, before)
        graph = inside.graph(
            [(number, np.int64, 0), (goes_on, np.bool_, 0), (before, kind, rank)],
            [(goes_on_then, np.bool_, 0), (after, kind, rank)],
        )
        return self.Loop(most, np.bool_(True), start, body=graph)

    def graph(self, inputs: list[Typed], outputs: list[Typed]) -> GraphProto:
        """The nodes as a graph; its constants are not in it."""
        incoming, outgoing = (
            [
                helper.make_tensor_value_info(one.name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), [None] * rank)
                for one, kind, rank in values
            ]
            for values in (inputs, outputs)
        )
        return helper.make_graph(self.nodes, f"complete_{next(self._numbers)}", incoming, outgoing)


Branch = Callable[[Nodes], Value]
Typed = tuple[Value, type[np.generic], int]
