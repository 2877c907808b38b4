"""The weights beside Paddle's graph (.pdiparams), one tensor after the other, as a refit puts others in the place of some.

A tensor is (framework/lod_tensor.cc, framework/tensor_util.cc): uint32 0; uint64 count of levels, each a uint64 length and its
bytes; uint32 0; int32 length of a TensorDesc; that; the values.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping

import numpy as np

from paddlex.inference.protobuf import fields, varints

_DATA_TYPE, _DIMS = 1, 2  # of a TensorDesc
_FLOAT = 5
_BYTES = {0: 1, 1: 2, 2: 4, 3: 8, 4: 2, 5: 4, 6: 8, 20: 1, 21: 1, 22: 2}  # of a value, by data type


def with_arrays(data: bytes, old: Mapping[str, np.ndarray], new: Mapping[str, np.ndarray]) -> bytes | None:
    """The file with other values for some of its tensors.

    The file knows no names: a tensor is found by its values.

    Args:
        data: the file.
        old: float32, what is in it, by any names.
        new: what shall be in it, by the same names.

    Returns:
        None where that cannot be: a shape is another one, or a tensor is not there just once.

    Raises:
        ValueError: the file is damaged, or none.
    """
    wanted = {(array.shape, array.tobytes()): name for name, array in old.items()}
    if len(wanted) < len(old) or any(new[name].shape != array.shape for name, array in old.items()):
        return None
    parts, found = [], []
    for head, shape, values in _tensors(data):
        name = None if shape is None else wanted.get((shape, bytes(values)))
        if name is not None:
            found.append(name)
            values = memoryview(np.ascontiguousarray(new[name], "<f4").tobytes())
        parts += [head, values]
    return b"".join(parts) if sorted(found) == sorted(old) else None


def _tensors(data: bytes) -> Iterator[tuple[memoryview, tuple[int, ...] | None, memoryview]]:
    """Of each tensor what comes before its values, its shape (None where it is not of float32), and its values."""
    whole, place = memoryview(data), 0
    try:
        while place < len(whole):
            start = place
            (levels,) = struct.unpack_from("<Q", whole, place + 4)
            place += 12
            for _ in range(levels):
                place += 8 + struct.unpack_from("<Q", whole, place)[0]
            (length,) = struct.unpack_from("<i", whole, place + 4)
            place += 8
            data_type, shape = _FLOAT, list[int]()
            for one in fields(whole[place : place + length]):
                if one.number == _DATA_TYPE and isinstance(one.value, int):
                    data_type = one.value
                elif one.number == _DIMS:
                    shape += [one.value] if isinstance(one.value, int) else varints(one.value)
            place += length
            end = place + math.prod(shape) * _BYTES[data_type]
            if end > len(whole):
                raise ValueError("it breaks off")
            yield whole[start:place], tuple(shape) if data_type == _FLOAT else None, whole[place:end]
            place = end
    except (struct.error, KeyError) as error:
        raise ValueError("no tensors") from error
