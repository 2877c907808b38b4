"""Files that are no files, names that are no text, links in circles: every mode ends, says what it is, and goes on."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

Runner = Callable[..., "CompletedProcess[str]"]


def result_of(output: Path, mode: str) -> dict[str, Any]:
    return json.loads((output / f"{mode}_result.json").read_text(encoding="utf-8"))


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(60, 200, (48, 48, 3)).astype(np.uint8)


def data_set(root: Path) -> Path:
    """A data set of 12 good parts and a defective one, with lists."""
    for number in range(13):
        path = root / ("bad" if number == 12 else "good") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(os.fspath(root.parent / "picture.png"), picture(number))
        os.replace(root.parent / "picture.png", path)
    mask = np.zeros((48, 48), np.uint8)
    mask[:8, :8] = 255
    (root / "masks").mkdir()
    (root / "masks" / "12.png").write_bytes(cv2.imencode(".png", mask)[1].tobytes())
    (root / "train.txt").write_text("".join(f"good/{number}.png\n" for number in range(10)))
    (root / "val.txt").write_text("good/10.png\ngood/11.png\nbad/12.png masks/12.png\n")
    return root


def huge_png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 33_000, 33_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def test_predict_judges_what_it_can_of_a_hostile_folder_and_says_the_rest(
    trained: Path, main_runner: Runner, tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    for path in (parts / "good" / "1.png", tmp_path / "elsewhere" / "2.png", parts / os.fsdecode(b"caf\xe9.png"),
                 parts / ("x" * 251 + ".png"), parts / os.fsdecode(b"stra\xdfe") / "3.png"):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", picture(1))[1].tobytes())
    (parts / "linked").symlink_to(tmp_path / "elsewhere")
    (parts / "good" / "loop").symlink_to(parts)
    os.mkfifo(parts / "pipe.png")
    (parts / "gone.png").symlink_to("nothing.png")
    pages = [Image.fromarray(picture(number)) for number in range(3)]
    pages[0].save(parts / "pages.tif", save_all=True, append_images=pages[1:])
    (parts / "huge.png").write_bytes(huge_png())
    (parts / "dark.png").write_bytes(cv2.imencode(".png", picture(1).astype(np.uint16) * 16)[1].tobytes())
    done = main_runner(
        "Global.mode=predict", f"Global.output={tmp_path / 'out'}", "Global.device=cpu", f"Predict.model_dir={trained}",
        f"Predict.input={parts}",
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    result = result_of(tmp_path / "out", "predict")
    assert result["images"] == 5
    assert {os.path.basename(one["input_path"]) for one in result["failed"]} == {
        "pipe.png", "gone.png", "pages.tif", "huge.png", "dark.png",
    }  # fmt: skip
    assert result["passed_over"] == {"broken_links": 1, "special_files": 1, "folders_seen_already": 1}
    for words in ("holds 3 pages", "33000 x 33000 pixels", "values reach only", "not a regular file", "leads nowhere"):
        assert words in done.stderr


@pytest.mark.parametrize(
    ("mode", "name"),
    [("check_dataset", "val.txt"), ("check_dataset", "train.txt"), ("check_dataset", "good/0.png"),
     ("check_dataset", "masks/12.png"), ("train", "train.txt"), ("train", "good/0.png")],
)  # fmt: skip
def test_a_fifo_in_a_data_set_never_hangs(mode: str, name: str, main_runner: Runner, tmp_path: Path) -> None:
    root = data_set(tmp_path / "data")
    (root / name).unlink()
    os.mkfifo(root / name)
    done = main_runner(f"Global.mode={mode}", f"Global.dataset_dir={root}", f"Global.output={tmp_path / 'out'}")
    assert done.returncode == 1
    assert "it is not a regular file, but a FIFO" in result_of(tmp_path / "out", mode)["err_msg"]


@pytest.mark.parametrize("layout", ["Folder", "MVTec_AD"])
def test_a_conversion_passes_over_fifos_and_follows_links(layout: str, main_runner: Runner, tmp_path: Path) -> None:
    root = data_set(tmp_path / "data")
    if layout == "MVTec_AD":
        for old, new in (("good", "train/good"), ("bad", "test/bad"), ("masks", "ground_truth/bad")):
            (root / new).parent.mkdir(exist_ok=True)
            (root / old).rename(root / new)
    good = root / ("good" if layout == "Folder" else "train/good")
    shutil.move(good, tmp_path / "elsewhere")
    good.symlink_to(tmp_path / "elsewhere")
    os.mkfifo(good / "pipe.png")
    (good / "loop").symlink_to(root)
    (good / "photo.cr2").write_bytes(b"raw")
    if layout == "MVTec_AD":
        (root / "test" / "good").mkdir()
        os.replace(good / "11.png", root / "test" / "good" / "11.png")
    done = main_runner(
        "Global.mode=check_dataset", f"Global.dataset_dir={root}", f"Global.output={tmp_path / 'out'}",
        "CheckDataset.convert.enable=True", f"CheckDataset.convert.src_dataset_type={layout}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = result_of(tmp_path / "out", "check_dataset")
    assert result["attributes"]["train_samples"] + result["attributes"]["val_samples"] == 13
    expected = {"not_images": {".cr2": 1}, "special_files": 1, "folders_seen_already": 1}
    assert result["passed_over"] == expected
    assert "1 file is no image this program can read (.cr2: 1); " in done.stderr


def test_a_data_set_whose_path_is_not_utf_8_is_checked(main_runner: Runner, tmp_path: Path) -> None:
    root = data_set(tmp_path / os.fsdecode(b"donn\xe9es"))
    done = main_runner("Global.mode=check_dataset", f"Global.dataset_dir={root}", f"Global.output={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr


def test_an_output_that_paddle_cannot_write_is_refused_before_the_training(main_runner: Runner, tmp_path: Path) -> None:
    root, output = data_set(tmp_path / "data"), tmp_path / os.fsdecode(b"mod\xe8le")
    done = main_runner("Global.mode=train", f"Global.dataset_dir={root}", f"Global.output={output}")
    assert done.returncode == 1
    assert result_of(output, "train")["err_msg"].startswith("the output folder's path is not UTF-8, and Paddle cannot")
