"""Whatever goes wrong is told in one line that says what to do."""

from __future__ import annotations

import errno

import pytest

from paddlex.errors import ConfigError, in_one_line, remedy_of

PADDLE = """

--------------------------------------
C++ Traceback (most recent call last):
--------------------------------------
0   paddle::AnalysisPredictor::Run()

----------------------
Error Message Summary:
----------------------
ResourceExhaustedError: Out of memory error on GPU 0.
Cannot allocate 2GB memory. (at ../allocator.cc:71)
"""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConfigError("the key is unknown", where="my.yaml line 3", remedy="Remove it"), ("my.yaml line 3", "Remove it.")),
        (OSError(errno.ENOSPC, "No space left on device", "/data/a.png"), ("No space", "/data/a.png", "Free some space")),
        (PermissionError(errno.EACCES, "Permission denied", "/data"), ("Permission denied (/data)", "who owns it")),
        (OSError("truncated"), ("truncated",)),
        (MemoryError(), ("memory is not enough", "Lower batch_size")),
        (MemoryError(PADDLE), ("memory is not enough", "Out of memory error on GPU 0", "Lower batch_size")),
        (SystemExit(3), ("ended the program", "3")),
        (KeyboardInterrupt(), ("Interrupted",)),
        (KeyError("x"), ("KeyError", "x")),
        (RuntimeError(), ("RuntimeError",)),
    ],
)  # fmt: skip
def test_an_error_is_one_line_with_what_where_and_a_remedy(error: BaseException, words: tuple[str, ...]) -> None:
    line = in_one_line(error)
    assert "\n" not in line
    assert "Traceback" not in line
    assert "--" not in line
    for word in words:
        assert word in line


def test_an_error_of_the_operating_system_has_its_own_remedy_whatever_was_read() -> None:
    assert "who owns it" in remedy_of(PermissionError(errno.EACCES, "Permission denied"), "Save it as UTF-8")
    assert remedy_of(UnicodeDecodeError("utf-8", b"x", 0, 1, "no"), "Save it as UTF-8") == "Save it as UTF-8"
