"""An ONNX file as a refit takes it apart: the part that computes features, and the arrays that are learnt.

Fields are copied as they are; the numbers are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from paddlex.inference.protobuf import Field, bytes_field, fields, number_field, varints

_GRAPH, _FACT = 7, 14  # of a model
_KEY, _VALUE = 1, 2  # of a fact
_NODE, _INITIALIZER, _OUTPUT, _VALUE_INFO = 1, 5, 12, 13  # of a graph
_NODE_INPUT, _NODE_OUTPUT = 1, 2
_DIMS, _DATA_TYPE, _TENSOR_NAME, _RAW_DATA = 1, 2, 8, 9  # of a tensor
_VALUE_NAME, _VALUE_TYPE, _TENSOR_TYPE, _ELEMENT_TYPE = 1, 2, 1, 1
_FLOAT = 1
_KINDS = {"float32": _FLOAT, "bool": 9, "float64": 11}


@dataclass(frozen=True)
class OnnxGraph:
    """A model.

    Args:
        data: the file.

    Raises:
        ValueError: it is damaged, or none; by whatever is asked for.
    """

    data: bytes

    @cached_property
    def _model(self) -> list[Field]:
        return list(fields(self.data))

    @cached_property
    def _graph(self) -> list[Field]:
        (graph,) = (_message(one) for one in self._model if one.number == _GRAPH)
        return list(fields(graph))

    @cached_property
    def _tensors(self) -> dict[str, list[Field]]:
        """The fields of each initialiser by its name."""
        tensors = [list(fields(_message(one))) for one in self._graph if one.number == _INITIALIZER]
        return {name: tensor for tensor in tensors for name in _texts(tensor, _TENSOR_NAME)}

    @property
    def names(self) -> Collection[str]:
        """Of the arrays that are in it."""
        return self._tensors.keys()

    @cached_property
    def facts(self) -> dict[str, str]:
        """The metadata properties."""
        entries = [list(fields(_message(one))) for one in self._model if one.number == _FACT]
        return {
            key: value for one in entries for key, value in zip(_texts(one, _KEY), _texts(one, _VALUE), strict=True)
        }

    def array(self, name: str) -> np.ndarray | None:
        """A learnt array, float32; None where there is none of this name."""
        tensor = self._tensors.get(name)
        if tensor is None:
            return None
        (values,) = (_message(one) for one in tensor if one.number == _RAW_DATA)
        shape: list[int] = []
        for one in tensor:
            if one.number == _DIMS:
                shape += [one.value] if isinstance(one.value, int) else varints(one.value)
        return np.frombuffer(values, "<f4").reshape(shape)

    def with_arrays(self, arrays: Mapping[str, np.ndarray], facts: Mapping[str, str] | None = None) -> bytes:
        """The file with other values, maybe of other shapes, for arrays that are in it, and other metadata if they are given.

        Raises:
            ValueError: one is not.
        """
        if missing := arrays.keys() - self._tensors.keys():
            raise ValueError(f"there is no {', '.join(sorted(missing))}")
        graph = []
        for one in self._graph:
            if one.number == _INITIALIZER:
                (name,) = _texts(list(fields(_message(one))), _TENSOR_NAME)
                graph.append(bytes_field(_INITIALIZER, _tensor(name, arrays[name])) if name in arrays else one.raw)
            elif one.number != _VALUE_INFO:  # shapes between the nodes, which need not be said, and may be others now
                graph.append(one.raw)
        whole = self._with_graph(graph)
        if facts is None:
            return whole
        kept = b"".join(one.raw for one in fields(whole) if one.number != _FACT)
        return kept + b"".join(bytes_field(_FACT, _fact(key, value)) for key, value in facts.items())

    def up_to(self, names: Iterable[str]) -> bytes:
        """A model that computes these values of the graph, float32, and nothing else; see ``produces``."""
        names = list(names)
        nodes = [list(fields(_message(one))) for one in self._graph if one.number == _NODE]
        makers = {name: node for node in nodes for name in _texts(node, _NODE_OUTPUT)}
        wanted: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in wanted:
                wanted.add(name)
                waiting += _texts(makers.get(name, []), _NODE_INPUT)
        graph: list[bytes | memoryview] = []
        for one in self._graph:
            if one.number == _NODE:
                is_kept = any(name in wanted for name in _texts(list(fields(_message(one))), _NODE_OUTPUT))
            elif one.number == _INITIALIZER:
                is_kept = any(name in wanted for name in _texts(list(fields(_message(one))), _TENSOR_NAME))
            else:
                is_kept = one.number not in (_OUTPUT, _VALUE_INFO)
            if is_kept:
                graph.append(one.raw)
        return self._with_graph([*graph, *(bytes_field(_OUTPUT, _value(name)) for name in names)])

    def produces(self, name: str) -> bool:
        """Whether a node of the graph gives a value of this name."""
        nodes = (list(fields(_message(one))) for one in self._graph if one.number == _NODE)
        return any(name in _texts(node, _NODE_OUTPUT) for node in nodes)

    def _with_graph(self, graph: list[bytes | memoryview]) -> bytes:
        whole = bytes_field(_GRAPH, b"".join(graph))
        return b"".join(whole if one.number == _GRAPH else one.raw for one in self._model)


def _message(field: Field) -> memoryview:
    if isinstance(field.value, int):
        raise ValueError("a number where a message belongs")
    return field.value


def _texts(message: list[Field], number: int) -> list[str]:
    return [str(_message(one), "utf-8") for one in message if one.number == number]


def _tensor(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(number_field(_DIMS, side) for side in array.shape)
    values = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    named = bytes_field(_TENSOR_NAME, name.encode())
    return b"".join((dims, number_field(_DATA_TYPE, _KINDS[array.dtype.name]), named, bytes_field(_RAW_DATA, values)))


def _fact(key: str, value: str) -> bytes:
    return bytes_field(_KEY, key.encode()) + bytes_field(_VALUE, value.encode())


def _value(name: str) -> bytes:
    """An output, float32 of any shape."""
    tensor_type = bytes_field(_TENSOR_TYPE, number_field(_ELEMENT_TYPE, _FLOAT))
    return bytes_field(_VALUE_NAME, name.encode()) + bytes_field(_VALUE_TYPE, tensor_type)
