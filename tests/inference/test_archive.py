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
    stated = json.loads(files["manifest.json"])
    assert stated["sha256"] == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert stated["bytes"] == {path.name: path.stat().st_size for path in folder.iterdir()}


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
    with pytest.raises(ModelError, match=rf"{name} in it is not what manifest.json says .* copy it again\."):
        create_model("STFPM", repacked(packed, files), "cpu")
    assert not any((cache / "models").glob("*/inference.yml"))


def test_a_truncated_file_is_refused(packed: Path) -> None:
    packed.write_bytes(packed.read_bytes()[:200_000])
    with pytest.raises(ModelError, match=r"the model file cannot be read: it is cut off .* copy it again\."):
        create_model("STFPM", packed, "cpu")


def manifest(**files: bytes) -> dict[str, bytes]:
    """The files behind a manifest that is right."""
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return {"manifest.json": json.dumps({"sha256": sums}).encode(), **files}


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"a.jpg": b"x"}, id="photos"),
        pytest.param({"a": b"x", **manifest(a=b"x")}, id="a file before the manifest"),
        pytest.param({"manifest.json": b"{" + b" " * 2**21}, id="a manifest of two megabytes"),
        pytest.param({"manifest.json": b"[" * 100_000}, id="a manifest that is nested deep"),
        pytest.param({"manifest.json": b"[]"}, id="a manifest that is a list"),
        pytest.param({"manifest.json": b'{"sha256": ["a"]}'}, id="a list of files"),
        pytest.param({"manifest.json": b'{"sha256": {"a": 1}}'}, id="a number for a checksum"),
        pytest.param({"manifest.json": b'{"sha256": {}, "bytes": {"a": "1"}}'}, id="text for a size"),
        pytest.param({"manifest.json": b"\xff"}, id="no text"),
    ],
)
def test_an_archive_without_a_manifest_that_says_what_is_in_it_is_refused(tmp_path: Path, files: dict) -> None:
    with pytest.raises(ModelError, match=r"it has no readable manifest\.json .*Give the folder or the \.tar"):
        create_model("STFPM", repacked(tmp_path / "photos.tar", files), "cpu")


def test_a_weight_file_is_no_archive_and_the_message_says_what_to_give(trained: Path) -> None:
    with pytest.raises(ModelError, match=r"Give the folder that it is in: .*best_model"):
        create_model("STFPM", trained / "best_model" / "model.pdparams", "cpu")


def test_what_the_manifest_does_not_name_is_not_written_for_a_moment(cache: Path, tmp_path: Path) -> None:
    """It is the header that ends it: the content, which the archive does not even have whole, is never reached."""
    big = tarfile.TarInfo("more")
    big.size = 2**28
    path = repacked(tmp_path / "big.tar", manifest(a=b"x"))
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"x") + 512] + big.tobuf())
    with pytest.raises(ModelError, match=r"more in it is not what manifest\.json says"):
        unpack(path)


def test_an_archive_of_thousands_of_empty_files_is_refused_at_once(cache: Path, tmp_path: Path) -> None:
    path = repacked(tmp_path / "many.tar", manifest(**{f"{number}": b"" for number in range(2000)}))
    with pytest.raises(ModelError, match="it holds more than 1000 files"):
        unpack(path)
    assert list((cache / "models").iterdir()) == []


def test_a_file_larger_than_stated_is_refused(tmp_path: Path) -> None:
    files = manifest(a=b"x")
    stated = {**json.loads(files["manifest.json"]), "bytes": {"a": 2}}
    files["manifest.json"] = json.dumps(stated).encode()
    with pytest.raises(ModelError, match=r"a in it is not what manifest\.json says"):
        unpack(repacked(tmp_path / "a.tar", files))


def test_an_archive_of_an_earlier_version_which_states_no_sizes_is_unpacked(tmp_path: Path) -> None:
    folder = unpack(repacked(tmp_path / "a.tar", manifest(a=b"x")))
    assert (folder / "a").read_bytes() == b"x"


def test_a_member_outside_the_folder_is_refused(tmp_path: Path) -> None:
    path = repacked(tmp_path / "evil.tar", {**manifest(a=b"x"), "../evil.txt": b"x"})
    with pytest.raises(ModelError, match="would lie outside the folder"):
        create_model("STFPM", path, "cpu")
    assert not (tmp_path / "evil.txt").exists()


def test_a_cache_that_cannot_be_written_to_is_no_obstacle(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PADDLEX_HOME", str(tmp_path / "file"))
    assert (unpack(packed) / "inference.yml").is_file()
