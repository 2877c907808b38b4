"""Whose path leads nowhere is told why, as far as that can be known."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddlex.utils.paths import advice_for_file, advice_for_missing


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dataset" / "metal_grid").mkdir(parents=True)
    (tmp_path / "part.jpg").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("part.JPG", "part.jpg"),
        ("prt.jpg", "part.jpg"),
        ("dataset/metal-grid", "dataset/metal_grid"),
        ("datset/metal_grid", "dataset"),
        ("./dataset/Metal_Grid/images/val", "dataset/metal_grid"),
    ],
)
def test_the_nearest_name_that_there_is(folder: Path, path: str, near: str) -> None:
    assert advice_for_missing(path) == f"Did you mean {folder / near}?"


def test_where_it_was_looked_for(folder: Path) -> None:
    assert advice_for_missing("elsewhere/x.png") == f"There is no 'elsewhere' in {folder}"
    assert advice_for_missing(folder / "dataset" / "photos") == f"There is no 'photos' in {folder / 'dataset'}"


@pytest.mark.parametrize(
    ("path", "words"),
    [("$DATA/parts", "single quotes"), ("${HOME}/parts", "single quotes"), ("~/parts", "write the path out"),
     ("C:\\parts\\a.jpg", "divided by /")],
)  # fmt: skip
def test_a_path_that_no_shell_or_another_system_has_written(folder: Path, path: str, words: str) -> None:
    assert words in advice_for_missing(path)


@pytest.mark.parametrize("name", ["parts.zip", "parts.tar.gz", "PARTS.TAR", "parts.7z"])
def test_an_archive_is_to_be_unpacked(name: str) -> None:
    assert advice_for_file(name, "the folder").startswith("Unpack the archive")
    assert advice_for_file("train.txt", "the folder") == "Give the folder"
