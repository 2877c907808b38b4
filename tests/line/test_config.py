"""The config of a station is read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddlex.errors import ConfigError, MissingPackageError
from paddlex.line.config import load_line_config, read_secret
from paddlex.line.kinds import Kind
from paddlex.line.sources.nothing import NoSource


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "line.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    config = load_line_config(write(tmp_path, "Line:\n  outbox: box\nPorts:\n"))
    assert (config.line.outbox, config.line.deadline_s, config.ports) == ("box", 1.0, {})
    assert isinstance(config.source, NoSource)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("Line:\n  deadline_s: 1\n", 1, "Line.outbox must be set"),
        ("Line:\n  outbox: box\n  deadline_s: 0\n", 3, "Line.deadline_s must be more than 0, not 0"),
        ("Line:\n  outbox: box\n  deadlin_s: 1\n", 3, "unknown key Line.deadlin_s.*Did you mean Line.deadline_s?"),
        ("Line:\n  outbox: 7\n", 2, "Line.outbox must be text, not 7.*Put it in quotes"),
        ("Lines:\n  outbox: box\n", 1, "unknown key Lines.*Did you mean Line?"),
        ("Line:\n  outbox: box\nSource:\n  type: foldr\n", 4, "Source.type is unknown: foldr.*Did you mean folder?"),
        ("Line:\n  outbox: box\nPorts:\n  plc:\n    port: 1\n", 4, "Ports.plc has no type.*tcp"),
        ("Line:\n  outbox: box\nPorts:\n  plc: tcp\n", 4, "Ports.plc must be a section of keys"),
        ("Line:\n  outbox: box\nPorts:\n  a b:\n    type: tcp\n", 4, "a port cannot be called a b"),
        ("Line: 1\n", 1, "Line must be a section of keys"),
        ("Line:\n  outbox: box\n  outbox: c\n", 3, "has the key Line.outbox twice"),
    ],
)
def test_a_mistake_is_said_with_its_line_and_its_key(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_line_config(path)
    assert caught.value.where == f"{path} line {line}"


def test_a_type_whose_library_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(MissingPackageError, match=r"needs not_there, .*\[mqtt\]"):
        Kind("not_there:Port", "mqtt").resolve()


def test_a_secret_is_what_its_file_holds(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" abc\n")
    assert read_secret(str(tmp_path / "token")) == "abc"
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ConfigError, match="empty"):
        read_secret(str(tmp_path / "token"))
