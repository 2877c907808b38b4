"""What the names in the pickle of a state dict stand for: records of data, and the few functions that make them.

Everything that a function gets comes from a file that may be hostile, so each checks its numbers before it believes
them. The records hold data only: no operation of a pickle can give them other behaviour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddlex.errors import WeightsError

#: NumPy has no bfloat16: its bits travel in a record of one field until they are widened to float32.
BFLOAT16 = np.dtype([("bfloat16", "<u2")])

_MAX_DIMENSIONS = 8

_NUMPY_DTYPES = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})

TORCH_STORAGES: dict[str, np.dtype[Any]] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch DoubleStorage": np.dtype("<f8"),
    "torch HalfStorage": np.dtype("<f2"),
    "torch BFloat16Storage": BFLOAT16,
    "torch LongStorage": np.dtype("<i8"),
    "torch IntStorage": np.dtype("<i4"),
    "torch ShortStorage": np.dtype("<i2"),
    "torch CharStorage": np.dtype("i1"),
    "torch ByteStorage": np.dtype("u1"),
    "torch BoolStorage": np.dtype("?"),
}


@dataclass(frozen=True)
class Storage:
    """The elements behind one or more torch tensors; they lie elsewhere in the file, under ``key``."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class Tensor:
    """A torch tensor as its pickle describes it. Nothing is checked before ``view``."""

    storage: Storage
    offset: Any
    shape: Any
    strides: Any

    def view(self, elements: np.ndarray) -> np.ndarray:
        """The tensor as a read-only view of its storage.

        Args:
            elements: the storage, of shape [storage.count].

        Raises:
            ValueError: the tensor reaches beyond its storage or has more elements than it.
        """
        (offset,) = checked_counts((self.offset,))
        shape, strides = checked_counts(self.shape), checked_counts(self.strides)
        if len(shape) != len(strides):
            raise ValueError("a tensor has not as many strides as dimensions")
        if 0 in shape:
            return elements[:0].reshape(shape)
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if last >= elements.size or math.prod(shape) > elements.size:
            raise ValueError("a tensor reaches beyond its storage")
        step = elements.itemsize
        return np.lib.stride_tricks.as_strided(
            elements[offset:], shape, [stride * step for stride in strides], writeable=False
        )


REMEDY = (
    "Do not open it with paddle.load or torch.load unless you trust who made it; if you made it yourself, "
    "save the state dict alone: paddle.save(model.state_dict(), path) or torch.save(model.state_dict(), path)"
)


@dataclass(frozen=True)
class Name:
    """A name that a pickle asked for, such as ``numpy dtype``; only ``FUNCTIONS`` gives it a meaning."""

    text: str


class NumpyDtype:
    """A NumPy dtype, whose byte order comes with a later operation."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._byte_order = "<"

    def set_state(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError("a dtype has an unknown byte order")
        self._byte_order = state[1]

    def to_numpy(self) -> np.dtype:
        return np.dtype(self._byte_order + self._code)


class NumpyArray:
    """A NumPy array, whose content comes with a later operation."""

    def __init__(self) -> None:
        self._array: np.ndarray | None = None

    def set_state(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, data = state
        self._array = _make_array(data, dtype, shape, "F" if is_fortran else "C")

    def array(self) -> np.ndarray:
        if self._array is None:
            raise ValueError("an array has no content")
        return self._array


def checked_counts(values: Any) -> tuple[int, ...]:
    """Sizes, strides or offsets: a few whole numbers that are not negative and fit a machine."""
    if type(values) is not tuple or len(values) > _MAX_DIMENSIONS:
        raise ValueError("a tensor has an impossible number of dimensions")
    if any(type(value) is not int or not 0 <= value < 2**48 for value in values):
        raise ValueError("a tensor has an impossible size, stride or offset")
    return values


def set_item(target: Any, key: Any, value: Any) -> None:
    """``target[key] = value`` for plain keys: hashing a tuple nested a million deep would overflow the C stack."""
    if type(target) is not dict or type(key) not in (str, int):
        raise ValueError("a dictionary has a key that is neither text nor a whole number")
    target[key] = value.array() if isinstance(value, NumpyArray) else value


def _ordered_dict(items: Iterable[Any] = ()) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key, value in items:
        set_item(result, key, value)
    return result


def _paddle_tensor(name_and_array: Any) -> NumpyArray:
    """``paddle.save`` writes a tensor in a nested dictionary as ``tuple((name, array))``."""
    _, array = name_and_array
    if type(array) is not NumpyArray:
        raise WeightsError("the file holds a tuple that is no tensor", remedy=REMEDY)
    return array


def _encode(text: str, encoding: str) -> bytes:
    """Protocol 2 has no bytes: it writes them as text of the same code points."""
    if encoding != "latin1":
        raise ValueError("bytes are written in an unknown encoding")
    return text.encode("latin-1")


def _numpy_dtype(code: str, align: Any = False, copy: Any = True) -> NumpyDtype:
    if type(code) is not str or code not in _NUMPY_DTYPES:
        raise WeightsError("the file holds an array that is not of plain numbers", remedy=REMEDY)
    return NumpyDtype(code)


def _numpy_reconstruct(kind: Any, shape: Any, code: Any) -> NumpyArray:
    if kind != Name("numpy ndarray"):
        raise ValueError("an array is of an unknown kind")
    return NumpyArray()


def _make_array(data: Any, dtype: NumpyDtype, shape: Any, order: Any) -> np.ndarray:
    if type(data) is str:  # written by Python 2
        data = data.encode("latin-1")
    if type(data) not in (bytes, bytearray):
        raise ValueError("the content of an array is not bytes")
    array_dtype, counts = dtype.to_numpy(), checked_counts(shape)
    if len(data) != math.prod(counts) * array_dtype.itemsize:
        raise ValueError("an array has more or fewer elements than its shape says")
    return np.frombuffer(data, array_dtype).reshape(counts, order=order)


def _torch_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *gradient_settings: Any) -> Tensor:
    if type(storage) is not Storage:
        raise ValueError("a tensor has no storage")
    return Tensor(storage, offset, shape, strides)


def _torch_parameter(tensor: Any, *gradient_settings: Any) -> Tensor:
    if type(tensor) is not Tensor:
        raise ValueError("a parameter is no tensor")
    return tensor


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": _ordered_dict,
    "builtins tuple": _paddle_tensor,
    "__builtin__ tuple": _paddle_tensor,
    "_codecs encode": _encode,
    "numpy dtype": _numpy_dtype,
    "numpy.core.multiarray _reconstruct": _numpy_reconstruct,
    "numpy._core.multiarray _reconstruct": _numpy_reconstruct,
    "numpy.core.numeric _frombuffer": _make_array,
    "numpy._core.numeric _frombuffer": _make_array,
    "torch._utils _rebuild_tensor": _torch_tensor,
    "torch._utils _rebuild_tensor_v2": _torch_tensor,
    "torch._utils _rebuild_parameter": _torch_parameter,
    "torch.nn.parameter Parameter": _torch_parameter,  # before PyTorch 0.4
}

KNOWN_NAMES = frozenset({"numpy ndarray", *TORCH_STORAGES, *FUNCTIONS})
