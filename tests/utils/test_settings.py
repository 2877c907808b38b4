"""Files of settings: what stands where, what is said of a file that cannot be, and which key was meant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paddlex.errors import ConfigError
from paddlex.utils.settings import nearest_key, read_settings

KEYS = ("Camera.exposure", "Camera.gain", "Lamp.gain", "Lamp.colour.red", "name")


@pytest.fixture
def said(tmp_path: Path):
    """What is said of a file with a text."""

    def of(text: str, name: str = "my.yaml", **words) -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            read_settings(tmp_path / name, start="Start from the example", **words)
        return str(caught.value).replace(str(tmp_path / name), "FILE")

    return of


def test_each_key_has_its_value_and_its_line(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("name: a\nLamp:\n  gain: 2\n  colour: {red: [1, 2]}\n", encoding="utf-8")
    values, origin = read_settings(path, start="")
    assert values == {"name": "a", "Lamp": {"gain": 2, "colour": {"red": [1, 2]}}}
    assert origin == {
        "name": f"{path} line 1", "Lamp": f"{path} line 2", "Lamp.gain": f"{path} line 3",
        "Lamp.colour": f"{path} line 4", "Lamp.colour.red": f"{path} line 4",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_a_file_without_a_key_is_one_only_where_it_may_be(said, tmp_path: Path, text: str) -> None:
    assert said(text) == "the file is not a mapping of keys (FILE). Start from the example."
    assert read_settings(tmp_path / "my.yaml", start="", may_be_empty=True) == ({}, {})


def test_a_file_of_a_kind_is_called_by_it(said) -> None:
    assert said("- a\n", kind="recipe", holds="steps") == (
        "the recipe is not a mapping of steps (FILE). Start from the example."
    )
    assert said("a: 1\na: 2\n", kind="recipe") == (
        "the recipe has the key a twice (FILE line 2). Correct it, and save it as UTF-8."
    )


def test_who_gives_another_file_is_told_what_to_start_from(said) -> None:
    assert said("a: [\n", "photo.jpg").endswith("(FILE line 2). Start from the example.")


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^the recipe file cannot be read: No such file or directory \(.*\)\. Check "
    ):
        read_settings(tmp_path / "nothing.yaml", kind="recipe", start="")


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("camera.Exposure", "It is written Camera.exposure: small and capital letters differ"),
        ("Camera.exposur", "Did you mean Camera.exposure?"),
        ("Camera.expo", "Did you mean Camera.exposure?"),
        ("camera.exposre", "Did you mean Camera.exposure?"),
        ("gain", "Did you mean Camera.gain or Lamp.gain?"),
        ("Lamp.exposure", "Did you mean Camera.exposure?"),
        ("Lamp.color.red", "Did you mean Lamp.colour.red?"),
        ("Shutter.speed", None),
    ],
)
def test_the_key_that_was_meant_is_found_by_its_letters_its_section_or_its_name(key: str, remedy: str | None) -> None:
    assert nearest_key(key, KEYS) == remedy


def test_it_needs_nothing_of_what_making_a_model_needs() -> None:
    code = "import sys, paddlex.utils.settings; print([name for name in ('pydantic', 'numpy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert done.stdout.strip() == "[]", done.stderr
