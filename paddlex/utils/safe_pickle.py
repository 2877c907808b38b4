"""Reads the pickles inside weight files without running them.

A pickle is a program: ``pickle.load`` lets it import and call anything. This interpreter knows only the operations that
a dictionary of tensors is written with. It imports nothing and calls nothing that a file names: each of the few names
that it accepts leads to a function in ``pickled_tensors``, which makes a plain record and checks every number first.
"""

from __future__ import annotations

import pickletools
from typing import Any, BinaryIO

from paddlex.errors import WeightsError
from paddlex.utils.pickled_tensors import (
    FUNCTIONS,
    KNOWN_NAMES,
    REMEDY,
    TORCH_STORAGES,
    Name,
    NumpyArray,
    NumpyDtype,
    Storage,
    Tensor,
    checked_counts,
    set_item,
)

_MAX_OPERATIONS = 1_000_000  # ten thousand tensors take half of it
_MAX_COPIED_BYTES = 2**30  # a small file could have one long text copied again and again

_LITERALS = frozenset(
    {
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("BINSTRING", "SHORT_BINSTRING"),
    }
)


def unpickle(stream: BinaryIO) -> tuple[Any, dict[str, Storage]]:
    """Read one pickle of protocol 2 to 5 and stop behind it.

    Returns:
        The value, made of dict, list, tuple, str, bytes, int, float, bool, None, ``np.ndarray`` of numbers and
        ``Tensor``; and the torch storages that it mentions, by key.

    Raises:
        WeightsError: the pickle wants to call or build something that is no tensor.
        ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError: it is truncated or damaged.
    """
    interpreter = _Interpreter()
    value = interpreter.run(stream)
    return (value.array() if isinstance(value, NumpyArray) else value), interpreter.storages


class _Interpreter:
    """A pickle machine: a stack, the marks on it, and a memo. See ``pickletools`` for the operations."""

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._copied_bytes = 0

    def run(self, stream: BinaryIO) -> Any:
        for count, (operation, argument, _) in enumerate(pickletools.genops(stream)):
            if count >= _MAX_OPERATIONS:
                raise ValueError("a pickle has more operations than any state dict needs")
            if operation.name in _LITERALS:
                self._stack.append(argument)
            else:
                self._do(operation.name, argument)
        return self._stack.pop()

    def _do(self, operation: str, argument: Any) -> None:
        stack = self._stack
        match operation:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "NONE":
                stack.append(None)
            case "NEWTRUE":
                stack.append(True)
            case "NEWFALSE":
                stack.append(False)
            case "MARK":
                self._marks.append(len(stack))
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._pop(int(operation[-1]))))
            case "TUPLE":
                stack.append(tuple(self._pop_to_mark()))
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                _append(stack[-2], self._pop(1))
            case "APPENDS":
                items = self._pop_to_mark()
                _append(stack[-1], items)
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                key, value = self._pop(2)
                set_item(stack[-1], key, value)
            case "SETITEMS":
                items = self._pop_to_mark()
                for key, value in zip(items[::2], items[1::2], strict=True):
                    set_item(stack[-1], key, value)
            case "GLOBAL":
                stack.append(_known_name(argument))
            case "STACK_GLOBAL":
                module, name = self._pop(2)
                stack.append(_known_name(f"{_text(module)} {_text(name)}"))
            case "REDUCE" | "NEWOBJ":
                function, arguments = self._pop(2)
                stack.append(self._call(function, arguments))
            case "BUILD":
                (state,) = self._pop(1)
                self._allow_for_copies(state if type(state) is tuple else ())
                _set_state(stack[-1], state)
            case "BINPERSID":
                (identifier,) = self._pop(1)
                stack.append(self._storage(identifier))
            case _:
                raise WeightsError(f"the file uses the pickle operation {operation}, which no tensor needs")

    def _pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise ValueError("a pickle takes more than it made")
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    def _pop_to_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _call(self, function: Any, arguments: Any) -> Any:
        if type(function) is not Name or function.text not in FUNCTIONS or type(arguments) is not tuple:
            raise WeightsError("the file wants to call something that makes no tensor", remedy=REMEDY)
        self._allow_for_copies(arguments)
        return FUNCTIONS[function.text](*arguments)

    def _allow_for_copies(self, values: tuple[Any, ...]) -> None:
        self._copied_bytes += sum(_bytes_of_a_copy(value) for value in values)
        if self._copied_bytes > _MAX_COPIED_BYTES:
            raise ValueError("a pickle takes more memory than any state dict needs")

    def _storage(self, identifier: Any) -> Storage:
        kind, storage_type, key, _location, count, *view = identifier
        if kind != "storage" or any(part is not None for part in view):
            raise WeightsError("the file refers to something that is no tensor", remedy=REMEDY)
        storage = Storage(_text(key), TORCH_STORAGES[storage_type.text], *checked_counts((count,)))
        if self.storages.setdefault(storage.key, storage) != storage:
            raise ValueError("a storage is described in two ways")
        return storage


def _bytes_of_a_copy(value: Any) -> int:
    if type(value) is str:
        return len(value)
    return 200 * len(value) if type(value) is list else 0  # a list becomes a dictionary


def _known_name(text: str) -> Name:
    if text not in KNOWN_NAMES:
        shown = ascii(text.replace(" ", "."))[1:-1][:100]
        raise WeightsError(f"the file wants to use {shown}, which no tensor needs", remedy=REMEDY)
    return Name(text)


def _set_state(target: Any, state: Any) -> None:
    if isinstance(target, (NumpyArray, NumpyDtype)):
        target.set_state(state)
    elif not isinstance(target, (dict, Tensor)):  # theirs is module versions and gradient settings: not needed
        raise WeightsError("the file wants to change the state of something that is no tensor", remedy=REMEDY)


def _append(target: Any, items: list[Any]) -> None:
    if type(target) is not list:
        raise ValueError("a pickle appends to something that is no list")
    target.extend(items)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("a name is not text")
    return value
