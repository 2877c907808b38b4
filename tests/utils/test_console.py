"""What names of files may hold never commands a terminal, breaks a line or raises."""

from __future__ import annotations

import io
import json

import pytest

from paddlex.errors import ImageReadError
from paddlex.utils.console import say, to_json, visible
from paddlex.utils.logging import log_to_console, log_to_file, logger

#: A red terminal, a second line, C1's escape, Unicode's line ends, letters from right to left, a byte that is no UTF-8.
NASTY = "a\x1b[31m\nb\r\x9b2J\x85\u2028\u2029\u202e\u2066\udce9 部件"


def test_what_commands_or_hides_becomes_visible_and_letters_stay() -> None:
    assert visible(NASTY) == r"a\u001b[31m\nb\r\u009b2J\u0085\u2028\u2029\u202e\u2066\udce9 部件"
    assert visible(NASTY).isprintable()
    assert visible(visible(NASTY)) == visible(NASTY)


@pytest.mark.parametrize("indent", [None, 4])
def test_json_is_printable_and_reads_back_as_it_was(indent: int | None) -> None:
    text = to_json({NASTY: [NASTY]}, indent=indent)
    assert text.replace("\n", "").isprintable()
    assert json.loads(text) == {NASTY: [NASTY]}


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "gbk", "utf-8"])
def test_any_text_can_be_said_in_any_encoding(encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    say("部件 é \udce9", stream)
    stream.flush()
    assert stream.buffer.getvalue().decode(encoding).endswith("\n")


def test_a_message_in_the_log_is_one_line_and_a_traceback_keeps_its_own(tmp_path) -> None:
    with log_to_file(tmp_path / "log"):
        logger.error("broken: %s", NASTY)
        try:
            raise ValueError(NASTY)
        except ValueError:
            logger.exception("with a traceback")
    text = (tmp_path / "log").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0].endswith(visible(f"broken: {NASTY}"))
    assert lines[2] == "Traceback (most recent call last):"
    assert "".join(lines).isprintable()


def test_a_message_is_harmless_in_a_log_that_others_set_up(caplog) -> None:
    logger.error("broken: %s, 100 %%", NASTY)
    assert caplog.messages == [visible(f"broken: {NASTY}, 100 %")]


def test_a_message_reaches_a_console_of_any_encoding(monkeypatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr("sys.stderr", stream)
    before = list(logger.handlers)
    log_to_console()
    try:
        logger.error("%s", NASTY)
    finally:
        logger.propagate = True
        logger.handlers = before
    stream.flush()
    (line,) = stream.buffer.getvalue().decode("ascii").splitlines()
    assert line.endswith(r"\udce9 \u90e8\u4ef6")


def test_an_error_is_one_printable_line() -> None:
    assert str(ImageReadError(f"bad {NASTY}", where=NASTY, remedy=NASTY)).isprintable()
