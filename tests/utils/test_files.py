"""A file or folder is whole or not there."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from paddlex.utils.files import atomic_directory, atomic_path, write_json, write_text


class Stop(Exception):
    pass


def test_a_file_appears_when_the_block_has_succeeded(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "图 像.png"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"content")
        assert not target.exists()
        assert temporary.suffix == ".png"
        assert temporary.parent == target.parent
    assert target.read_bytes() == b"content"
    assert list(target.parent.iterdir()) == [target]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(Stop), atomic_path(target) as temporary:
        temporary.write_text("half of the n", encoding="utf-8")
        raise Stop
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_gets_the_permissions_that_open_would_give(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    write_text(tmp_path / "atomic", "x")
    assert (tmp_path / "atomic").stat().st_mode == ordinary.stat().st_mode


def test_the_longest_possible_name_can_be_written(tmp_path: Path) -> None:
    name = "n" * 251 + ".txt"
    write_text(tmp_path / name, "x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()
    with atomic_directory(target) as temporary:
        (temporary / "new").touch()
        assert os.listdir(target) == ["old"]
    assert os.listdir(target) == ["new"]
    assert os.listdir(tmp_path) == ["folder"]


def test_the_old_folder_can_be_kept_under_another_name(tmp_path: Path) -> None:
    for content in ("first", "second", "third"):
        with atomic_directory(tmp_path / "folder", keep=tmp_path / "before") as temporary:
            (temporary / "file").write_text(content, encoding="utf-8")
    assert (tmp_path / "folder" / "file").read_text(encoding="utf-8") == "third"
    assert (tmp_path / "before" / "file").read_text(encoding="utf-8") == "second"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before", "folder"]


def test_a_block_that_fails_moves_no_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(RuntimeError), atomic_directory(tmp_path / "folder", keep=tmp_path / "before"):
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_block_that_fails_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(Stop), atomic_directory(target) as temporary:
        (temporary / "new").touch()
        raise Stop
    assert os.listdir(target) == ["old"]
    assert os.listdir(tmp_path) == ["folder"]


def test_a_new_folder_can_be_entered_by_others_as_far_as_the_umask_lets_them(tmp_path: Path) -> None:
    (tmp_path / "ordinary").mkdir()
    with atomic_directory(tmp_path / "atomic"):
        pass
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary", "atomic")]
    assert modes[0] == modes[1]


def test_json_is_utf_8_indented_and_ends_with_a_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"名": [1, None, True]})
    text = (tmp_path / "a.json").read_bytes().decode("utf-8")
    assert json.loads(text) == {"名": [1, None, True]}
    assert text.startswith('{\n  "名": [')
    assert text.endswith("}\n")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_is_not_json_is_refused_and_the_old_file_stays(tmp_path: Path, value: object) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "a.json", {"score": value})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "1\n"
    assert len(list(tmp_path.iterdir())) == 1
