"""YAML and JSON that anybody may have written, read strictly: bounded, without aliases, every key once.

Both readers raise ``Malformed`` for whatever the text is, and ``OSError`` where there is no text to be read; nothing else.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from typing import Any

import yaml

from paddlex.utils.files import open_regular_file

_MAX_BYTES = 16 * 2**20
_MAX_DEPTH = 32
_MAX_YAML_NODES = 100_000  # the parser takes some 50 microseconds each
_MAX_JSON_ITEMS = 1_000_000
_MAX_DIGITS = 64  # of a number: any that is meant as one fits a float


#: Words of PyYAML's errors -> what is mostly the reason.
_ADVICE = {
    "found character '\\t'": "Indent with spaces, not with tabs",
    "unknown escape character": "Put text with a \\ in single quotes, or write paths with /",
    "mapping values are not allowed": "Look at the indentation, and quote text that holds a colon",
}


class Malformed(ValueError):
    """The text is not what the reader takes; the message is a predicate, such as "is not valid JSON".

    Attributes:
        line: where, counted from 1; None where that means nothing.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line

    @property
    def remedy(self) -> str:
        """What to do about it, as a sentence without a full stop."""
        advice = (advice for words, advice in _ADVICE.items() if words in str(self))
        return next(advice, "Correct it, and save it as UTF-8")

    def where(self, path: str | os.PathLike[str]) -> str:
        """The file, and the line if it is known."""
        return os.fspath(path) if self.line is None else f"{os.fspath(path)} line {self.line}"


def read_yaml(path: str | os.PathLike[str], lines: dict[str, int] | None = None) -> Any:
    """Read a YAML file as dicts with text for keys, lists, text, numbers, booleans, dates and None.

    Args:
        path: a regular file in UTF-8, with or without a byte order mark.
        lines: receives the line of each key, by its dotted name; keys of mappings within lists have none.

    Raises:
        Malformed: no UTF-8, no YAML, too large or too deep, an alias, a key that stands twice or is no name, a value
            that its tag does not allow.
        OSError: the file is not there, not regular or cannot be read.
    """
    node = compose_yaml(read_text(path))
    return None if node is None else construct_yaml(node, lines=lines)


def read_json(path: str | os.PathLike[str], max_bytes: int = _MAX_BYTES, max_items: int = _MAX_JSON_ITEMS) -> Any:
    """Read a JSON file.

    Raises:
        Malformed: no UTF-8, no JSON (NaN and Infinity are none), too large or too deep, a key that stands twice.
        OSError: the file is not there, not regular or cannot be read.
    """
    return parse_json(read_text(path, max_bytes), max_items)


def read_text(path: str | os.PathLike[str], max_bytes: int = _MAX_BYTES) -> str:
    """The text of a regular file in UTF-8, with or without a byte order mark.

    Raises:
        Malformed: it is no UTF-8, or larger than ``max_bytes``.
        OSError: the file is not there, not regular or cannot be read.
    """
    with open_regular_file(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise Malformed(f"is larger than {max_bytes} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed("is not text in UTF-8", data.count(b"\n", 0, error.start) + 1) from None


def parse_json(text: str, max_items: int = _MAX_JSON_ITEMS) -> Any:
    """Read JSON from a text, see ``read_json``."""
    if sum(map(text.count, "[{,")) > max_items:
        raise Malformed(f"holds more than {max_items} values")
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        raise Malformed(f"is not valid JSON: {error.msg}", error.lineno) from None
    except RecursionError:
        raise _too_deep() from None
    level, depth = [value], 0
    while level := [item for part in level for item in _children(part)]:
        depth += 1
        if depth > _MAX_DEPTH:
            raise _too_deep()
    return value


def compose_yaml(text: str) -> yaml.Node | None:
    """The tree of a YAML document, without aliases; None where there is nothing.

    Raises:
        Malformed: see ``read_yaml``.
    """
    if sum(map(text.count, "\n,[{")) > _MAX_YAML_NODES:  # known before the parser has taken its seconds
        raise Malformed(f"holds more than {_MAX_YAML_NODES} values")
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise Malformed(f"is not valid YAML: {problem}", mark.line + 1 if mark else None) from None
    finally:
        if loader is not None:
            loader.dispose()


def construct_yaml(
    node: yaml.Node,
    key: str = "",
    lines: dict[str, int] | None = None,
    scalar: Callable[[yaml.ScalarNode, str], Any] | None = None,
) -> Any:
    """Turn a tree into plain values.

    Args:
        node: from ``compose_yaml``.
        key: the dotted name of the node.
        lines: receives the line of each key, by its dotted name.
        scalar: makes the value of what stands at a key, if not ``yaml_value``.

    Raises:
        Malformed: a key that stands twice or is no name, or a value that cannot be read.
    """
    if isinstance(node, yaml.SequenceNode):
        return [construct_yaml(item, key, None, scalar) for item in node.value]
    if isinstance(node, yaml.ScalarNode):
        return (scalar or yaml_value)(node, key)
    values: dict[str, Any] = {}
    for name_node, value_node in node.value:
        line = name_node.start_mark.line + 1
        if not isinstance(name_node, yaml.ScalarNode):
            raise Malformed("has a key that is no name", line)
        name = str(name_node.value)
        child = f"{key}.{name}" if key else name
        if name in values:
            raise Malformed(f"has the key {child[:100]} twice", line)
        if lines is not None:
            lines[child] = line
        values[name] = construct_yaml(value_node, child, lines, scalar)
    return values


def yaml_value(node: yaml.ScalarNode, key: str) -> Any:
    """What a scalar means: text, a number, a boolean, a date or None.

    Raises:
        Malformed: a number of too many digits, a tag that YAML does not know, or a date such as 2026-13-01.
    """
    if node.tag.endswith(":str"):
        return node.value
    try:
        if len(node.value) > _MAX_DIGITS:
            raise ValueError
        return yaml.constructor.SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError, LookupError, OverflowError):
        raise Malformed(f"has a value that cannot be read at {key}", node.start_mark.line + 1) from None


class _Loader(yaml.SafeLoader):
    """Composes nodes and counts them."""

    _depth = 0
    _count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise Malformed(f"has the alias *{event.anchor}: write out what it stands for", line)
        self._depth += 1
        self._count += 1
        if self._depth > _MAX_DEPTH + 1:
            raise _too_deep(line)
        if self._count > _MAX_YAML_NODES:
            raise Malformed(f"holds more than {_MAX_YAML_NODES} values", line)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _too_deep(line: int | None = None) -> Malformed:
    return Malformed(f"is nested more than {_MAX_DEPTH} levels deep", line)


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise Malformed(f"has the key {name[:100]!r} twice")
    return values


def _no_number(text: str) -> float:
    raise Malformed(f"has {text}, which is no number in JSON")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text[:_MAX_DIGITS])


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise Malformed(f"has a number of {len(text)} digits")
    return int(text)
