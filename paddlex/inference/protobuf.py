"""Protocol buffers as they lie in a file, read and written field by field; nothing in them is run.

The format is https://protobuf.dev/programming-guides/encoding: a field is a tag, which is its number and its type, and a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


class Field(NamedTuple):
    """A field of a message.

    Attributes:
        number: which field.
        value: the bytes of text, of a message or of packed numbers; a number for a varint; 0 for types of fixed size.
        raw: the field as it lies there, tag and all.
    """

    number: int
    value: memoryview | int
    raw: memoryview


def fields(message: bytes | memoryview) -> Iterator[Field]:
    """The fields of a message.

    Raises:
        ValueError: it breaks off, or has what protocol buffers do not have.
    """
    message, place = memoryview(message), 0
    while place < len(message):
        start = place
        tag, place = _varint(message, place)
        if tag >= 2**32:  # readers that keep 32 bits would see another field
            raise ValueError("an impossible field")
        number, wire_type = tag >> 3, tag & 7
        value: memoryview | int
        if wire_type == _VARINT:
            value, place = _varint(message, place)
        elif wire_type in (_EIGHT_BYTES, _FOUR_BYTES):
            value, place = 0, place + (8 if wire_type == _EIGHT_BYTES else 4)
        elif wire_type == _LENGTH:
            length, place = _varint(message, place)
            value, place = message[place : place + length], place + length
        else:
            raise ValueError("an unknown type")
        if place > len(message) or number == 0:
            raise ValueError("it breaks off")
        yield Field(number, value, message[start:place])


def varints(values: memoryview) -> Iterator[int]:
    """Packed numbers.

    Raises:
        ValueError: they break off.
    """
    place = 0
    while place < len(values):
        value, place = _varint(values, place)
        yield value


def number_field(number: int, value: int) -> bytes:
    """A field that holds a number, 0 or more."""
    return encoded(number << 3 | _VARINT) + encoded(value)


def bytes_field(number: int, value: bytes | memoryview) -> bytes:
    """A field that holds text, a message or bytes."""
    return b"".join((encoded(number << 3 | _LENGTH), encoded(len(value)), value))


def encoded(value: int) -> bytes:
    """A number, 0 or more, as a varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("it breaks off")
