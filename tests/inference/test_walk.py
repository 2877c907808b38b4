"""Below a folder every image is found once, wherever links lead, and what is passed over is counted and said."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import pytest

from paddlex.errors import ImageReadError
from paddlex.inference.inputs import Unreadable, expand, list_images, read_image
from paddlex.inference.walk import PassedOver


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Good parts in the folder; defective ones elsewhere, behind a link."""
    for name in ("parts/good/a.png", "parts/good/b.png", "elsewhere/bad/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"never opened")
    (tmp_path / "parts" / "line 2").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "parts"


def names(paths: object, root: Path) -> list[str]:
    return [os.path.relpath(path, root) for path in paths]  # type: ignore[attr-defined]


def test_linked_folders_are_read(parts: Path) -> None:
    assert names(list_images(parts), parts) == ["good/a.png", "good/b.png", "line 2/bad/c.png"]


def test_a_linked_image_is_read_and_a_link_to_the_folder_itself_works(parts: Path, tmp_path: Path) -> None:
    (parts / "good" / "d.png").symlink_to(tmp_path / "elsewhere" / "bad" / "c.png")
    (tmp_path / "link").symlink_to(parts)
    assert names(list_images(tmp_path / "link"), tmp_path / "link") == [
        "good/a.png", "good/b.png", "good/d.png", "line 2/bad/c.png",
    ]  # fmt: skip


def test_loops_end_and_each_folder_is_entered_once(parts: Path, tmp_path: Path) -> None:
    (parts / "good" / "up").symlink_to(parts)
    (tmp_path / "elsewhere" / "bad" / "back").symlink_to(parts / "good")
    (parts / "same").symlink_to(parts / "good")
    (parts / "knot").symlink_to("knot")
    passed = PassedOver()
    assert names(list_images(parts, passed), parts) == ["good/a.png", "good/b.png", "line 2/bad/c.png"]
    assert passed.to_dict() == {"folders_seen_already": 3, "broken_links": 1}


def test_a_folder_goes_by_its_own_name_if_a_link_leads_to_it_as_well(parts: Path) -> None:
    (parts / "a link").symlink_to("good")
    assert names(list_images(parts), parts) == ["good/a.png", "good/b.png", "line 2/bad/c.png"]


def test_everything_passed_over_is_counted_and_said_in_one_line(
    parts: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paddlex.inference.walk.has_heic", lambda: False)
    for name in ("1.HEIC", "2.HEIC", "notes.txt", "good/film.mp4", ".thumb.png"):
        (parts / name).write_bytes(b"x")
    os.mkfifo(parts / "pipe.png")
    (parts / "gone.png").symlink_to("nothing.png")
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(parts)  # the name of a socket must be short
        listener.bind("socket")
        os.chdir(before)
        passed = PassedOver()
        with caplog.at_level(logging.INFO, "paddlex"):
            list(list_images(parts, passed))
    assert passed.to_dict() == {
        "not_images": {".HEIC": 2, ".txt": 1},
        "hidden": 1, "broken_links": 1, "special_files": 2, "videos": 1,
    }  # fmt: skip
    (line,) = caplog.messages
    assert line.startswith(
        f"{parts}: passed over: 3 files are no images this program can read (.HEIC: 2, .txt: 1; "
        'pip install "image-anomaly-toolkit[heic]" reads HEIC); '
    )
    assert "1 link that leads nowhere" in line
    assert "2 FIFOs, sockets or devices" in line


def test_what_may_have_been_an_image_is_a_failure_among_the_images_of_a_folder(parts: Path) -> None:
    os.mkfifo(parts / "pipe.png")
    (parts / "gone.png").symlink_to("nothing.png")
    (parts / "line 3").symlink_to("/nothing/mounted/here")
    (parts / "notes.txt").symlink_to("nothing.txt")
    found = list(expand(str(parts)))
    assert found[:3] == [str(parts / name) for name in ("good/a.png", "good/b.png", "line 2/bad/c.png")]
    lost = {os.path.basename(str(single)): single for single in found[3:]}
    assert sorted(lost) == ["gone.png", "line 3", "pipe.png"]
    for single in lost.values():
        assert isinstance(single, Unreadable)
        with pytest.raises(ImageReadError, match=r"the link leads nowhere|it is not a regular file"):
            read_image(single)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every folder")
def test_a_folder_without_permission_is_a_failure(parts: Path) -> None:
    (parts / "good").chmod(0)
    (single,) = (single for single in expand(str(parts)) if isinstance(single, Unreadable))
    (parts / "good").chmod(0o700)
    assert "the folder cannot be opened: Permission denied" in str(single.error)


def test_a_glob_follows_links_and_yields_each_file_once(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):  # entered again and again, they would make 8 ** 40 folders
        (parts / "good" / f"up {number}").symlink_to(parts)
    assert names(expand(f"{parts}/**/*.png"), parts) == ["good/a.png", "good/b.png", "line 2/bad/c.png"]
    assert names(expand(f"{parts}/**/bad/*"), parts) == ["line 2/bad/c.png"]
    assert [os.path.basename(path) for path in expand(f"{parts}/*/**")] == ["a.png", "b.png", "c.png"]
    monkeypatch.chdir(parts)
    assert list(expand("**/a.*")) == ["good/a.png"]


def test_folders_that_a_glob_matches_are_said(parts: Path) -> None:
    (parts / "top.png").write_bytes(b"x")
    passed = PassedOver()
    assert names(expand(f"{parts}/*", passed=passed), parts) == ["top.png"]
    assert passed.to_dict() == {"folders": 2}


def test_hidden_entries_alone_are_no_warning(parts: Path, caplog: pytest.LogCaptureFixture) -> None:
    (parts / ".DS_Store").write_bytes(b"x")
    with caplog.at_level(logging.INFO, "paddlex"):
        list(list_images(parts))
    assert [record.levelno for record in caplog.records] == [logging.INFO]


# Entries of a list


def test_a_missing_entry_with_brackets_does_not_end_the_run(parts: Path) -> None:
    found = list(expand([f"{parts}/gone[2].jpg", f"{parts}/good/a.png", f"{parts}/empty"]))
    assert [str(single) for single in found] == [f"{parts}/gone[2].jpg", f"{parts}/good/a.png", f"{parts}/empty"]
    with pytest.raises(ImageReadError, match=r"holds no images .*gone\[2\]\.jpg"):
        read_image(found[0])
    with pytest.raises(ImageReadError, match="no such file or folder"):
        read_image(found[2])


def test_a_file_whose_name_has_brackets_is_that_file(parts: Path) -> None:
    (parts / "x[ab].png").write_bytes(b"x")
    (parts / "xa.png").write_bytes(b"x")
    assert list(expand([f"{parts}/x[ab].png"])) == [f"{parts}/x[ab].png"]


def test_a_fifo_given_by_name_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (single,) = expand(str(tmp_path / "pipe.png"))
    with pytest.raises(ImageReadError, match="it is not a regular file, but a FIFO"):
        read_image(single)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_a_device_is_refused(path: str) -> None:
    with pytest.raises(ImageReadError, match="it is not a regular file, but a device"):
        read_image(path)


def test_masks_that_the_lists_of_a_data_set_name_are_passed_over_wherever_it_lies(parts: Path, tmp_path: Path) -> None:
    for name in ("parts/masks/a 1.png", "parts/good/a_mask.png", "parts/masks/unlisted.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"never opened")
    (parts / "train.txt").write_text("good/b.png\tgood/b.png\n")
    (parts / "val.txt").write_text("good/a.png masks/a 1.png\nline 2/bad/c.png\tgood/a_mask.png\n")
    for copy in ("train.txt.bak", "val.txt.bak1"):  # what a second conversion keeps
        (parts / copy).touch()
    passed = PassedOver()
    assert names(expand(str(tmp_path / "parts"), passed=passed), parts) == [
        "good/a.png", "good/b.png", "masks/unlisted.png", "line 2/bad/c.png",
    ]  # fmt: skip
    assert passed.to_dict() == {"masks": 2}
    assert "2 masks that the lists of a data set name" in str(passed)
    assert names(expand(str(tmp_path)), tmp_path).count("parts/masks/a 1.png") == 0


def test_a_mask_that_is_given_by_its_own_name_is_judged(parts: Path) -> None:
    (parts / "val.txt").write_text("good/a.png good/b.png\n")
    assert names(expand(str(parts / "good/b.png")), parts) == ["good/b.png"]


@pytest.mark.parametrize("pattern", ["**/*.png", "*/*.png", "m*/a.png"])
def test_a_glob_passes_over_what_a_walk_through_its_folder_does(parts: Path, pattern: str) -> None:
    for name in ("masks/a.png", "good/@eaDir/a.png", "@eaDir/a.png"):
        (parts / name).parent.mkdir(parents=True, exist_ok=True)
        (parts / name).write_bytes(b"never opened")
    (parts / "val.txt").write_text("good/a.png masks/a.png\n")
    found = list(expand([str(parts / pattern)]))
    assert not [path for path in found if isinstance(path, str) and ("masks" in path or "@eaDir" in path)]
    assert names(expand(str(parts / "masks/*.png")), parts) == ["masks/a.png"]  # the folder itself is asked for
    assert names(expand(str(parts / "@eaDir/*.png")), parts) == ["@eaDir/a.png"]


@pytest.mark.parametrize("folder", ["@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX"])
def test_thumbnails_and_deleted_files_are_not_judged_and_counted(parts: Path, folder: str) -> None:
    (parts / "good" / folder).mkdir()
    (parts / "good" / folder / "a.png").write_bytes(b"never opened")
    passed = PassedOver()
    assert len(list(expand(str(parts), passed=passed))) == 3
    assert passed.to_dict() == {"system_images": 1}
    assert "1 image in a folder of thumbnails or deleted files" in str(passed)
    assert names(expand(str(parts / "good" / folder)), parts) == [f"good/{folder}/a.png"]


def test_a_folder_that_is_named_after_a_machine_is_judged(parts: Path) -> None:
    (parts / "#2").mkdir()
    (parts / "#2/a.png").write_bytes(b"never opened")
    assert "#2/a.png" in names(expand(str(parts)), parts)
