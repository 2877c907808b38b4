"""Text for a terminal or a log, whatever is in it: names of files come from others."""

from __future__ import annotations

import codecs
import json
import re
import sys
from typing import Any, TextIO

#: What JSON leaves as it is: C1, the line ends of Unicode, what turns the direction of writing, bytes that are no UTF-8.
_UNSEEN = "\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_UNSEEN_IN_JSON = re.compile(f"[{_UNSEEN}]")
_UNSEEN_IN_TEXT = re.compile(f"[\x00-\x1f{_UNSEEN}]")


def visible(text: object) -> str:
    r"""Text in which nothing commands a terminal, breaks the line or hides: such characters become ``\u001b``, ``\n``."""
    return _UNSEEN_IN_TEXT.sub(_escape, str(text))


def visible_lines(text: str) -> str:
    """The same for text of several lines."""
    return "\n".join(map(visible, text.split("\n")))


def to_json(value: Any, *, indent: int | None = None, ensure_ascii: bool = False) -> str:
    """JSON whose strings are ``visible``; it is read back as what it was. NaN is refused because it is not JSON."""
    text = json.dumps(value, indent=indent, ensure_ascii=ensure_ascii, allow_nan=False)
    return _UNSEEN_IN_JSON.sub(_escape, text)


def say(text: str, file: TextIO | None = None) -> None:
    """Print text to standard output, or to ``file``; characters that its encoding lacks are escaped."""
    file = sys.stdout if file is None else file
    print(encodable(text, file), file=file)


def say_json(value: Any, *, indent: int | None = None, ensure_ascii: bool = False) -> None:
    """Print JSON to standard output: valid whatever its encoding."""
    say(json_for(sys.stdout, value, indent=indent, ensure_ascii=ensure_ascii))


def json_for(file: TextIO, value: Any, *, indent: int | None = None, ensure_ascii: bool = False) -> str:
    """JSON that a stream can take."""
    return to_json(value, indent=indent, ensure_ascii=ensure_ascii or _encoding(file) != "utf-8")


def encodable(text: str, file: TextIO) -> str:
    """``text`` with what the encoding of a stream lacks escaped."""
    encoding = _encoding(file)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _encoding(file: TextIO) -> str:
    try:
        return codecs.lookup(getattr(file, "encoding", None) or "utf-8").name
    except LookupError:
        return "ascii"


def _escape(match: re.Match[str]) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(match[0], f"\\u{ord(match[0]):04x}")
