"""An archive from a stranger: plain files below the folder, each once and no more than stated, or an error."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from paddlex.utils.tar_files import TarError, members

Entry = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "", **pax: str) -> Entry:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.pax_headers = len(content), kind, link, pax
    return info, content


def folder(name: str) -> Entry:
    return member(name, kind=tarfile.DIRTYPE)


def tar_file(path: Path, *entries: Entry, mode: str = "w", format: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, mode, format=format) as tar:  # type: ignore[call-overload]
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return path


def extract(archive: Path, target: Path, max_bytes: int = 10**6, max_members: int = 100) -> list[str]:
    """The files that were extracted."""
    target.mkdir()
    with archive.open("rb") as file:
        for one in members(file, max_bytes, max_members):
            one.save(target)
    return sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_files_and_folders_are_extracted(tmp_path: Path, format: int) -> None:
    entries = (
        folder("./"),
        folder("./model/"),
        member("./model/a.yml", b"a" * 1000),
        member("deep/er/b", b"b"),
        member("c"),
    )
    archive = tar_file(tmp_path / "archive", *entries, format=format)
    assert extract(archive, tmp_path / "out") == ["c", "deep/er/b", "model/a.yml"]
    assert (tmp_path / "out" / "model" / "a.yml").read_bytes() == b"a" * 1000
    assert (tmp_path / "out" / "deep" / "er" / "b").read_bytes() == b"b"


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_long_name_and_one_of_other_letters_are_read_as_tar_does(tmp_path: Path, format: int) -> None:
    names = ["模型/推理.yml", f"{'n' * 120}/{'m' * 120}"]
    archive = tar_file(tmp_path / "archive", *(member(name, b"x") for name in names), format=format)
    assert extract(archive, tmp_path / "out") == sorted(names)


def test_what_tar_itself_writes_of_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a").write_text("a")
    with tarfile.open(tmp_path / "archive", "w") as tar:  # with the fractions of seconds, in pax headers
        tar.add(tmp_path / "model", "model")
    assert extract(tmp_path / "archive", tmp_path / "out") == ["model/a"]


def test_permissions_in_the_archive_are_not_taken_over(tmp_path: Path) -> None:
    info, content = member("program")
    info.mode = 0o6777
    extract(tar_file(tmp_path / "archive", (info, content)), tmp_path / "out")
    assert (tmp_path / "out" / "program").stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize(
    ("unsafe", "reason"),
    [
        pytest.param(member("../escaped", b"x"), "outside the folder", id="parent folder"),
        pytest.param(member("a/../../escaped", b"x"), "outside the folder", id="parent folder inside"),
        pytest.param(member("/tmp/escaped", b"x"), "outside the folder", id="absolute"),
        pytest.param(member("//escaped", b"x"), "outside the folder", id="absolute, doubly"),
        pytest.param(member("..\\escaped", b"x"), "outside the folder", id="parent folder of Windows"),
        pytest.param(member("C:\\escaped", b"x"), "outside the folder", id="drive of Windows"),
        pytest.param(member("a:stream", b"x"), "outside the folder|no name that every system has", id="stream of Windows"),
        pytest.param(member("sub/NUL.txt", b"x"), "no name that every system has", id="device of Windows"),
        pytest.param(member("good.", b"x"), "no name that every system has", id="a dot that Windows leaves out"),
        pytest.param(member("a\nb", b"x"), "no name that every system has", id="a line break"),
        pytest.param(member("n" * 600, b"x"), "no name that every system has", id="too long"),
        pytest.param(member(".", b"x"), "no name that every system has", id="no name"),
        pytest.param(member("good", b"other"), "'good' occurs twice", id="twice"),
        pytest.param(member("./good", b"other"), "'good' occurs twice", id="twice, spelt differently"),
        pytest.param(member("GOOD", b"other"), "'GOOD' occurs twice", id="twice where capitals do not count"),
        pytest.param(member("good/inner", b"x"), "'good' occurs twice", id="a file as a folder"),
        pytest.param(member("sub", b"x"), "'sub' occurs twice", id="a folder as a file"),
        pytest.param(member("SUB/other", b"x"), "'SUB' occurs twice", id="a folder in capitals"),
        pytest.param(member("link", kind=tarfile.SYMTYPE, link="/etc"), "is a link", id="symbolic link"),
        pytest.param(member("link", kind=tarfile.LNKTYPE, link="good"), "is a link", id="hard link"),
        pytest.param(member("device", kind=tarfile.CHRTYPE), "a device", id="device"),
        pytest.param(member("pipe", kind=tarfile.FIFOTYPE), "a device", id="pipe"),
        pytest.param(member("sparse", kind=tarfile.GNUTYPE_SPARSE), "sparse file", id="sparse file"),
        pytest.param(
            member("x", b"x", **{"GNU.sparse.major": "1", "GNU.sparse.realsize": "9999999"}), "'GNU.sparse", id="sparse, by pax"
        ),
        pytest.param(member("x", b"x", **{"path": "../../escaped"}), "outside the folder", id="parent folder, by pax"),
        pytest.param(member("x", b"x", **{"size": "99999999"}), "state 'size'", id="another size, by pax"),
        pytest.param(member("x", b"x", comment="c" * 10**6), "a header of 10000", id="a header of a megabyte"),
        pytest.param(
            member("x", b"x" * 70_000, kind=tarfile.GNUTYPE_LONGNAME), "a header of 70000", id="a name of 70,000 letters"
        ),
    ],
)  # fmt: skip
def test_what_is_no_plain_file_ends_the_extraction(tmp_path: Path, unsafe: Entry, reason: str) -> None:
    archive = tar_file(tmp_path / "archive", folder("sub"), member("good", b"good"), unsafe)
    (tmp_path / "inner").mkdir()
    with pytest.raises(TarError, match=reason):
        extract(archive, tmp_path / "inner" / "out")
    assert sorted(os.listdir(tmp_path)) == ["archive", "inner"]
    assert (tmp_path / "inner" / "out" / "good").read_bytes() == b"good"


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_archive_which_may_be_of_any_size_is_refused(tmp_path: Path, mode: str) -> None:
    with pytest.raises(TarError, match=r"it is no plain \.tar"):
        extract(tar_file(tmp_path / "archive", member("a", b"a"), mode=mode), tmp_path / "out")


def test_more_bytes_or_files_than_are_taken_are_refused_before_they_are_written(tmp_path: Path) -> None:
    archive = tar_file(tmp_path / "archive", member("a", b"0" * 600), member("b", b"0" * 600))
    with pytest.raises(TarError, match="larger than 1000 bytes"):
        extract(archive, tmp_path / "out", max_bytes=1000)
    assert os.listdir(tmp_path / "out") == ["a"]
    many = tar_file(tmp_path / "many", *(member(f"{number}") for number in range(2000)))
    with pytest.raises(TarError, match="more than 10 files"):
        extract(many, tmp_path / "few", max_members=10)
    assert len(os.listdir(tmp_path / "few")) == 10


def test_a_size_that_the_archive_does_not_have_takes_no_memory(tmp_path: Path) -> None:
    info, _ = member("a")
    info.size = 7 * 2**30
    (tmp_path / "archive").write_bytes(info.tobuf() + b"0" * 5000)
    tracemalloc.start()
    with pytest.raises(TarError, match="it is cut off"):
        extract(tmp_path / "archive", tmp_path / "out", max_bytes=2**40)
    assert tracemalloc.get_traced_memory()[1] < 2**21
    tracemalloc.stop()


def test_a_negative_size_is_damage(tmp_path: Path) -> None:
    info, _ = member("a")
    block = bytearray(info.tobuf())
    block[124:136] = struct.pack(">iq", -1, -512)
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    (tmp_path / "archive").write_bytes(bytes(block) + bytes(1024))
    with pytest.raises(TarError):
        extract(tmp_path / "archive", tmp_path / "out")


@pytest.mark.parametrize("length", [512, 9_000, 20_480 + 512])
def test_an_archive_that_is_cut_off_is_an_error(tmp_path: Path, length: int) -> None:
    data = tar_file(tmp_path / "archive", member("a", os.urandom(20_480))).read_bytes()
    (tmp_path / "archive").write_bytes(data[:length])
    with pytest.raises(TarError, match="cut off"):
        extract(tmp_path / "archive", tmp_path / "out")


def test_what_is_no_archive_is_an_error(tmp_path: Path) -> None:
    for number, content in enumerate(("<html>" * 1000, "<html>", "")):
        (tmp_path / "page").write_text(content)
        with pytest.raises(TarError, match=r"it is no plain \.tar"):
            extract(tmp_path / "page", tmp_path / str(number))
