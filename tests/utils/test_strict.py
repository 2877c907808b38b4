"""YAML and JSON from strangers: what is read means one thing, and what is not is one error, soon."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from paddlex.utils.strict import Malformed, read_json, read_yaml


@pytest.fixture
def write(tmp_path: Path):
    def write(content: str | bytes) -> Path:
        path = tmp_path / "file"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


#: Nine lists of nine times the list before: a thousand million values in half a kilobyte.
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{this}: &{this} [{','.join([f'*{before}'] * 9)}]\n" for before, this in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_yaml_is_read_as_plain_values(write) -> None:
    text = "\ufeffa: [1, 2.5, yes, null]\nb:\n  c: 'x'\n  7: .inf\n  d: 2026-01-31\n"
    values = read_yaml(write(text))
    assert values["a"] == [1, 2.5, True, None]
    assert values["b"].pop("d").isoformat() == "2026-01-31"
    assert values["b"] == {"c": "x", "7": float("inf")}


def test_an_empty_file_is_none(write) -> None:
    assert read_yaml(write("# nothing\n")) is None


def test_each_key_of_yaml_has_its_line(write) -> None:
    lines: dict[str, int] = {}
    read_yaml(write("a:\n  b: 1\n\n  c: {d: 2}\n"), lines)
    assert lines == {"a": 1, "a.b": 2, "a.c": 4, "a.c.d": 4}


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        pytest.param(LAUGHS, r"has the alias \*a: write out what it stands for", 2, id="a billion laughs"),
        pytest.param("a: &a\n  b: *a\n", r"has the alias \*a", 2, id="an alias to itself"),
        pytest.param("a: 1\nb: " + "[" * 50_000, "is nested more than 32 levels deep", 2, id="deep lists"),
        pytest.param("- " * 5000, "is nested more than 32 levels deep", 1, id="deep blocks"),
        pytest.param("".join(" " * i + "a:\n" for i in range(500)), "is nested more than 32", 33, id="deep sections"),
        pytest.param("a: [" + "1," * 200_000 + "]", "holds more than 100000 values", None, id="many values"),
        pytest.param("a: [" + "1: 2," * 60_000 + "]", "holds more than 100000 values", 1, id="many pairs"),
        pytest.param("a:\n  b: 1\n  b: 2\n", "has the key a.b twice", 3, id="the same key twice"),
        pytest.param("a: 1\n? [b]\n: 2\n", "has a key that is no name", 2, id="a list as key"),
        pytest.param("a: " + "1" * 10**6, "has a value that cannot be read at a", 1, id="a million digits"),
        pytest.param("a: 0x" + "f" * 10**5, "has a value that cannot be read at a", 1, id="many hexadecimal digits"),
        pytest.param("a: " + "1:" * 10**5 + "1", "has a value that cannot be read at a", 1, id="many sixtieths"),
        pytest.param("a: 2026-13-01", "has a value that cannot be read at a", 1, id="a day that is none"),
        pytest.param("a: !!python/name:os.getpid", "has a value that cannot be read at a", 1, id="an object"),
        pytest.param("a: !!int ''", "has a value that cannot be read at a", 1, id="a number without digits"),
        pytest.param("a: !!bool x", "has a value that cannot be read at a", 1, id="a boolean of another word"),
        pytest.param("a: 1\nb: {", "is not valid YAML: ", 2, id="not closed"),
        pytest.param("a: \x00", "is not valid YAML: ", None, id="a control character"),
        pytest.param("a: 1\nb: 输出".encode("gbk"), "is not text in UTF-8", 2, id="another encoding"),
    ],
)
def test_yaml_that_is_more_than_it_seems_is_one_error_with_its_line(
    write, text: str | bytes, reason: str, line: int | None
) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        read_yaml(write(text))
    assert caught.value.line == line
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_json_is_read(write) -> None:
    assert read_json(write('\ufeff{"a": [1, -2.5e3, true, null, "图"]}')) == {"a": [1, -2500.0, True, None, "图"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("[" * 100_000, "is nested more than 32 levels deep", id="deep lists"),
        pytest.param('{"a":' * 40 + "1" + "}" * 40, "is nested more than 32 levels deep", id="deep objects"),
        pytest.param("[" + "0," * 1_100_000 + "0]", "holds more than 1000000 values", id="many values"),
        pytest.param("1" * 10**6, "has a number of 1000000 digits", id="a million digits"),
        pytest.param('{"a": NaN}', "has NaN, which is no number in JSON", id="NaN"),
        pytest.param('{"a": -Infinity}', "has -Infinity", id="Infinity"),
        pytest.param('{"a": 1e999}', "has 1e999", id="too large a number"),
        pytest.param('{"a": 1, "b": 2, "a": 3}', "has the key 'a' twice", id="the same key twice"),
        pytest.param('{"a": 1,}', "is not valid JSON: ", id="a comma too many"),
        pytest.param("", "is not valid JSON: ", id="empty"),
        pytest.param(b'{"a": "\xff"}', "is not text in UTF-8", id="another encoding"),
    ],
)
def test_json_that_is_more_than_it_seems_is_one_error(write, text: str | bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        read_json(write(text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, read) -> None:
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 2**34)
    with pytest.raises(Malformed, match="is larger than 16777216 bytes"):
        read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_a_pipe_that_nobody_writes_to_and_a_device_are_errors_at_once(tmp_path: Path, read) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(OSError, match="it is not a regular file"):
            read(path)
