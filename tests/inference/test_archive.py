"""One file carries the whole model; a file that was changed on the way is refused."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from paddlex import create_model
from paddlex.errors import ModelError
from paddlex.inference.archive import pack, unpack


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PADDLEX_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(trained: Path) -> Path:
    return trained / "best_model" / "inference"


@pytest.fixture
def packed(folder: Path, tmp_path: Path) -> Path:
    pack(folder, tmp_path / "STFPM.tar")
    return tmp_path / "STFPM.tar"


def repacked(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_create_model_opens_the_file_and_judges_as_the_folder_does(
    packed: Path, folder: Path, images: list[str]
) -> None:
    by_file, by_folder = (create_model("STFPM", path, "cpu").predict(images) for path in (packed, folder))
    for one, other in zip(by_file, by_folder, strict=True):
        assert one["raw_score"] == other["raw_score"]
        np.testing.assert_array_equal(one["pred"], other["pred"])


def test_the_manifest_stands_first_and_has_the_checksum_of_each_file(packed: Path, folder: Path) -> None:
    files = contents(packed)
    assert next(iter(files)) == "manifest.json"
    stated = json.loads(files["manifest.json"])["sha256"]
    assert stated == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_same_folder_gives_the_same_bytes(packed: Path, folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == packed.read_bytes()


def test_it_is_unpacked_once(packed: Path) -> None:
    first = unpack(packed)
    stamp = (first / "inference.yml").stat().st_mtime_ns
    assert unpack(packed) == first
    assert (first / "inference.yml").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("change", ["another file", "a file too many", "a file missing"])
def test_a_file_that_is_not_what_the_manifest_says_is_refused(packed: Path, cache: Path, change: str) -> None:
    files = contents(packed)
    if change == "another file":
        files["inference.onnx"] = files["inference.onnx"][:-1] + b"x"
    elif change == "a file too many":
        files["more.txt"] = b"x"
    else:
        del files["inference.onnx"]
    name = "more.txt" if change == "a file too many" else "inference.onnx"
    with pytest.raises(ModelError, match=rf"{name} in it is not what manifest.json says .*Copy the file again\."):
        create_model("STFPM", repacked(packed, files), "cpu")
    assert not any((cache / "models").glob("*/inference.yml"))


def test_a_truncated_file_is_refused(packed: Path) -> None:
    packed.write_bytes(packed.read_bytes()[:200_000])
    with pytest.raises(ModelError, match=r"the model file cannot be read: .*Copy it again\."):
        create_model("STFPM", packed, "cpu")


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    path = repacked(tmp_path / "photos.tar", {"a.jpg": b"x"})
    with pytest.raises(ModelError, match=r"no readable manifest\.json"):
        create_model("STFPM", path, "cpu")


def test_a_member_outside_the_folder_is_refused(tmp_path: Path) -> None:
    path = repacked(tmp_path / "evil.tar", {"../evil.txt": b"x"})
    with pytest.raises(ModelError, match="would lie outside the folder"):
        create_model("STFPM", path, "cpu")
    assert not (tmp_path / "evil.txt").exists()


def test_a_cache_that_cannot_be_written_to_is_no_obstacle(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PADDLEX_HOME", str(tmp_path / "file"))
    assert (unpack(packed) / "inference.yml").is_file()
