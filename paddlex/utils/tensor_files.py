"""Reads named arrays from weight files of any common format. Nothing in a file is executed."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from paddlex.errors import WeightsError
from paddlex.utils.paths import advice_for_missing
from paddlex.utils.pickled_tensors import BFLOAT16, Storage, Tensor
from paddlex.utils.safe_pickle import unpickle

_MAX_FILE_BYTES = 2**31  # forty times a ResNet-18
_MAX_NAME_LENGTH = 200

_SAFETENSORS_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}

_TORCH_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_TORCH_LEGACY_VERSION = 1001

#: Under these keys training scripts keep the state dict, beside the epoch and such.
_WRAPPERS = ("state_dict", "model_state_dict", "model")

#: Beside the tensors, ``paddle.save`` notes the names that they had in the graph.
_PADDLE_NOTE = "StructuredToParameterName@@"

# What damaged or forged bytes can provoke in the parsers below.
_DAMAGE = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, MemoryError, EOFError, OSError),
    *(RuntimeError, struct.error, zipfile.BadZipFile, safetensors.SafetensorError),
)


def read_file(path: str | Path) -> bytes:
    """The bytes of a weight file.

    Raises:
        WeightsError: there is no such file, it cannot be read, or no weight file is that large.
    """
    file = Path(os.path.expanduser(path))
    if not file.is_file():
        if file.is_dir():
            what, remedy = (
                "this is a folder, not a weight file",
                "Give the file in it, such as best_model/model.pdparams",
            )
            raise WeightsError(what, where=path, remedy=remedy)
        raise WeightsError("no such weight file", where=path, remedy=advice_for_missing(file))
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise WeightsError("the file is too large to hold the weights of a ResNet", where=path)
        return file.read_bytes()
    except OSError as error:
        raise WeightsError(f"the weight file cannot be read: {error.strerror}", where=path) from error


def decode_arrays(data: bytes, name: str) -> dict[str, np.ndarray]:
    """Read the named arrays in the bytes of a weight file. The format is told by the content.

    Read are: ``paddle.save`` of a state dict (.pdparams, pickle protocol 2 to 5), ``torch.save`` of a state dict (.pth,
    .pt; the zip format and the one before PyTorch 1.6) and safetensors. A state dict may lie under a key such as
    ``state_dict`` of a training checkpoint.

    Args:
        data: the bytes of the file.
        name: what to call the file in an error.

    Returns:
        Arrays by the name in the file, with the dtype in the file, except that bfloat16 becomes float32. An array may
        be read-only and is not necessarily contiguous.

    Raises:
        WeightsError: the file is empty, truncated, damaged, of an unknown format, holds anything other than named
            arrays, or is unsafe: it wants to import or call what no array needs.
    """
    try:
        arrays = _decode(data)
        _check(arrays, len(data))
        return {key: _widen(array) for key, array in arrays.items()}
    except WeightsError as error:
        raise WeightsError(error.what, where=name, remedy=error.remedy) from error
    except _DAMAGE as error:
        raise WeightsError(
            f"the weight file is truncated or damaged: {_one_line(str(error))}",
            where=name,
            remedy="Download or copy it again",
        ) from error


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read the named arrays in a weight file: ``decode_arrays`` of its bytes.

    Raises:
        WeightsError: the file does not exist or cannot be read, or see ``decode_arrays``.
    """
    return decode_arrays(read_file(path), str(path))


def _decode(data: bytes) -> dict[str, np.ndarray]:
    if not data:
        raise WeightsError("the weight file is empty (0 bytes)", remedy="Download or copy it again")
    if data.startswith(b"PK"):
        return _torch_zip(data)
    if _is_safetensors(data):
        return _safetensors(data)
    if data.startswith(b"\x80"):
        return _pickled(io.BytesIO(data))
    raise WeightsError(
        f"the file is in no known format of weights: it starts with {_one_line(ascii(data[:16]))}",
        remedy="Give a .pdparams, .pth or .safetensors file: of a training here best_model/model.pdparams",
    )


def _is_safetensors(data: bytes) -> bool:
    header_length = int.from_bytes(data[:8], "little")
    return data[8:9] == b"{" and header_length <= len(data) - 8


def _safetensors(data: bytes) -> dict[str, np.ndarray]:
    arrays = {}
    for name, tensor in sorted(safetensors.deserialize(data)):  # its own order changes from run to run
        if tensor["dtype"] not in _SAFETENSORS_DTYPES:
            raise WeightsError(f"the file holds tensors of dtype {tensor['dtype']}, which are not read")
        elements = np.frombuffer(tensor["data"], _SAFETENSORS_DTYPES[tensor["dtype"]])
        arrays[name] = elements.reshape(tensor["shape"])
    return arrays


def _pickled(stream: io.BytesIO) -> dict[str, np.ndarray]:
    value, _ = unpickle(stream)
    if type(value) is int and value == _TORCH_LEGACY_MAGIC:
        return _torch_legacy(stream)
    return {name: _paddle_array(name, array) for name, array in _state_dict(value).items()}


def _paddle_array(name: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise _not_an_array(name, value)
    # Paddle writes the bits of bfloat16 as uint16, and has no other use for that dtype.
    return value.view(BFLOAT16) if value.dtype == np.uint16 else value


def _torch_legacy(stream: io.BytesIO) -> dict[str, np.ndarray]:
    """Behind the magic number: version, machine, state dict, storage keys (each a pickle); then the storages."""
    version, _ = unpickle(stream)
    machine, _ = unpickle(stream)
    if version != _TORCH_LEGACY_VERSION or not machine["little_endian"]:
        raise WeightsError("the file is of a torch format that is not read", remedy="Save it again with a newer torch")
    value, storages = unpickle(stream)
    keys, _ = unpickle(stream)
    if type(keys) is not list or any(type(key) is not str for key in keys):  # see pickled_tensors.set_item
        raise ValueError("a storage has a key that is not text")
    elements = {key: _legacy_storage(stream, storages[key]) for key in keys}
    return {name: tensor.view(elements[tensor.storage.key]) for name, tensor in _tensors(value).items()}


def _legacy_storage(stream: io.BytesIO, storage: Storage) -> np.ndarray:
    (count,) = struct.unpack("<q", stream.read(8))
    if count != storage.count:
        raise ValueError("a storage has another size than its description")
    return _elements(stream.read(count * storage.dtype.itemsize), storage)


def _torch_zip(data: bytes) -> dict[str, np.ndarray]:
    """``<any folder>/data.pkl`` describes the tensors, ``<that folder>/data/<key>`` are their storages."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        folder = _torch_folder(archive, len(data))
        value, _ = unpickle(io.BytesIO(archive.read(f"{folder}/data.pkl")))
        tensors = _tensors(value)
        elements = {
            storage: _elements(archive.read(f"{folder}/data/{storage.key}"), storage)
            for storage in {tensor.storage for tensor in tensors.values()}
        }
    return {name: tensor.view(elements[tensor.storage]) for name, tensor in tensors.items()}


def _torch_folder(archive: zipfile.ZipFile, file_bytes: int) -> str:
    entries = archive.infolist()
    folders = [folder for folder, _, name in (entry.filename.partition("/") for entry in entries) if name == "data.pkl"]
    if len(folders) != 1:
        raise WeightsError("this zip file was not written by torch.save", remedy="Give the weight file itself")
    # torch.save never compresses, so nothing can be larger than the file unless entries overlap.
    is_stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    if not is_stored or sum(entry.file_size for entry in entries) > file_bytes:
        raise WeightsError("this torch file is compressed or forged", remedy="Save it again with torch.save")
    byte_order = f"{folders[0]}/byteorder"
    if byte_order in archive.namelist() and archive.read(byte_order) != b"little":
        raise WeightsError("the file is of a big-endian machine", remedy="Save it again on a little-endian one")
    return folders[0]


def _elements(data: bytes, storage: Storage) -> np.ndarray:
    if len(data) != storage.count * storage.dtype.itemsize:
        raise ValueError("a storage is shorter or longer than its description")
    return np.frombuffer(data, storage.dtype, storage.count) if data else np.empty(0, storage.dtype)


def _tensors(value: Any) -> dict[str, Tensor]:
    tensors = _state_dict(value)
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise _not_an_array(name, tensor)
    return tensors


def _state_dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WeightsError(
            f"the file holds a {_kind(value)}, not a state dict", remedy="Save model.state_dict(), not the model"
        )
    wrapped = [value[key] for key in _WRAPPERS if isinstance(value.get(key), dict)]
    state_dict = wrapped[0] if wrapped else value
    return {name: array for name, array in state_dict.items() if name != _PADDLE_NOTE}


def _check(arrays: Mapping[Any, np.ndarray], file_bytes: int) -> None:
    if not arrays:
        raise WeightsError("the file holds no tensors")
    for name in arrays:
        if type(name) is not str or not name.isprintable() or not 0 < len(name) <= _MAX_NAME_LENGTH:
            raise WeightsError(f"the file holds a tensor of an impossible name: {_one_line(ascii(name))}")
    # A thousand views of one storage cost nothing until they are copied: a small file must not fill the memory.
    if sum(array.nbytes for array in arrays.values()) > file_bytes:
        raise ValueError("its tensors are larger than the file")


def _widen(array: np.ndarray) -> np.ndarray:
    """Float32 from bfloat16, which is its upper half; any other dtype as it is."""
    if array.dtype != BFLOAT16:
        return array
    return (array["bfloat16"].astype("<u4") << 16).view("<f4")


def _not_an_array(name: Any, value: Any) -> WeightsError:
    return WeightsError(
        f"{_one_line(ascii(name))} is a {_kind(value)}, not an array of numbers", remedy="Save the state dict alone"
    )


def _kind(value: Any) -> str:
    return type(value).__name__.lower()


def _one_line(text: str) -> str:
    """Text from a file, fit for a message: a stranger's file must not write escape sequences to a terminal."""
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable if len(printable) <= 120 else f"{printable[:117]}..."
