"""Videos and cameras: a result for each frame, and an annotated video."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex.errors import ImageReadError
from paddlex.inference import inputs, video, video_output
from paddlex.inference.batch_job import predict_to_folder
from paddlex.inference.inputs import expand, read_image
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.rle import rle_to_mask
from paddlex.inference.video import VideoOptions

FRAMES, RATE = 12, 8.0


def write_video(path: Path, pictures: list[np.ndarray], code: str = "MJPG") -> Path:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), RATE, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


@pytest.fixture(scope="module")
def pictures(images: list[str]) -> list[np.ndarray]:
    """Twelve frames: a good part, and from frame 4 to 7 a bad one."""
    good, bad = cv2.imread(images[2]), cv2.imread(images[1])
    return [bad if 4 <= number < 8 else good for number in range(FRAMES)]


@pytest.fixture(scope="module")
def film(pictures, tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("film") / "line 3.avi", pictures)


@pytest.fixture
def camera(film, monkeypatch) -> list[object]:
    """A camera that shows the film once and is opened by its number, as a real one is; returns what was opened."""
    opened = []
    original = cv2.VideoCapture

    def open_capture(source: object) -> cv2.VideoCapture:
        opened.append(source)
        return original(str(film)) if source == 3 else original(source)

    monkeypatch.setattr(video.cv2, "VideoCapture", open_capture)
    return opened


# Frames


def test_every_frame_comes_in_order_with_its_number_and_time(film, pictures):
    frames = list(expand(str(film)))
    assert [frame.frame for frame in frames] == list(range(FRAMES))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(FRAMES) / RATE, atol=1e-3)
    for frame, picture in zip(frames, pictures, strict=True):
        assert frame.input_path == str(film)
        assert np.abs(read_image(frame).astype(int) - picture).mean() < 12  # Motion JPEG loses a little


@pytest.mark.parametrize(("suffix", "code"), [(".mp4", "mp4v"), (".webm", "VP80"), (".mkv", "MJPG"), (".MOV", "mp4v")])
def test_containers_and_codecs_are_read(pictures, tmp_path, suffix, code):
    path = write_video(tmp_path / f"a{suffix}", pictures, code)
    assert [frame.frame for frame in expand(path)] == list(range(FRAMES))


def test_frames_are_decoded_only_as_they_are_asked_for(film, monkeypatch):
    grabbed = []
    original = cv2.VideoCapture

    class Counting:
        def __init__(self, source: object) -> None:
            self._capture = original(source)

        def grab(self) -> bool:
            grabbed.append(True)
            return self._capture.grab()

        def __getattr__(self, name: str) -> object:
            return getattr(self._capture, name)

    monkeypatch.setattr(video.cv2, "VideoCapture", Counting)
    frames = expand(str(film))
    assert not grabbed
    list(islice(frames, 3))
    assert len(grabbed) == 3


def test_memory_does_not_grow_with_the_video(pictures, tmp_path):
    path = write_video(tmp_path / "long.avi", pictures * 10)
    tracemalloc.start()
    count = sum(1 for _ in expand(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 10 * FRAMES
    assert peak < 5 * pictures[0].nbytes


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (VideoOptions(every=5), [0, 5, 10]),
        (VideoOptions(max_frames=4), [0, 1, 2, 3]),
        (VideoOptions(every=5, max_frames=2), [0, 5]),
        (VideoOptions(every=100), [0]),
    ],
)
def test_some_frames_can_be_chosen(film, options, numbers):
    frames = list(expand(str(film), options))
    assert [frame.frame for frame in frames] == numbers
    assert all(frame.error is None for frame in frames)


def test_videos_in_a_list_or_a_glob_stand_beside_images(film, images):
    assert len(list(expand([images[0], str(film)]))) == 1 + FRAMES
    assert len(list(expand(f"{film.parent}/*.avi"))) == FRAMES


# Broken videos and missing cameras


def test_what_is_no_video_says_what_to_do(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    (frame,) = expand(tmp_path / "a.mp4")
    with pytest.raises(ImageReadError, match=r"damaged, truncated or of an unknown format .*a\.mp4.*ffmpeg -i"):
        read_image(frame)


def test_a_video_that_breaks_off_gives_its_frames_and_then_an_error(pictures, tmp_path):
    path = write_video(tmp_path / "a.avi", pictures * 4)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = list(expand(path))
    assert len(frames) > FRAMES
    assert all(frame.error is None for frame in frames[:-1])
    with pytest.raises(ImageReadError, match=r"breaks off after \d+ frames of 48"):
        read_image(frames[-1])


def test_a_truncated_mp4_cannot_be_opened(pictures, tmp_path):
    path = write_video(tmp_path / "a.mp4", pictures, "mp4v")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = list(expand(path))
    with pytest.raises(ImageReadError):
        read_image(frames[-1])


def test_a_broken_video_among_others_is_told_of_and_left_out(predictor: AnomalyPredictor, film, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    told = []
    results = list(predictor.predict([tmp_path / "a.mp4", film], on_error=lambda source, error: told.append(error)))
    assert len(results) == FRAMES
    assert [type(error) for error in told] == [ImageReadError]


@pytest.mark.parametrize("source", [-1, 10**10, "camera:-1", "camera:10000000000"])
def test_a_number_that_no_camera_has_is_refused_before_opencv_gets_it(source: int | str) -> None:
    with pytest.raises(ImageReadError, match="names no camera"):
        next(inputs.expand(source))


@pytest.mark.parametrize("source", [97, "camera:97"])
def test_a_camera_that_is_not_there_is_a_clear_error(predictor: AnomalyPredictor, source):
    with pytest.raises(ImageReadError, match=r"the camera cannot be opened \(camera:97\).*plugged in"):
        next(predictor.predict(source))


def test_a_camera_needs_a_number(predictor: AnomalyPredictor):
    with pytest.raises(ImageReadError, match="names no camera"):
        next(predictor.predict("camera:front"))
    with pytest.raises(ImageReadError, match="For a camera give camera:0"):
        next(predictor.predict("0"))
    with pytest.raises(ImageReadError, match="a bool is not an image source"):
        next(predictor.predict(True))


def test_an_unplugged_camera_is_told_of(camera):
    *frames, last = expand(3)
    assert len(frames) == FRAMES
    with pytest.raises(ImageReadError, match=f"gave no more pictures after {FRAMES} frames"):
        read_image(last)


# Results


def test_each_frame_has_a_result_with_its_place(predictor: AnomalyPredictor, film, pictures):
    results = list(predictor.predict(film, batch_size=5))
    assert [(result["input_path"], result["frame"]) for result in results] == [(str(film), n) for n in range(FRAMES)]
    assert [result["time"] for result in results] == pytest.approx(np.arange(FRAMES) / RATE, abs=1e-3)
    assert [result["is_anomalous"] for result in results] == [4 <= number < 8 for number in range(FRAMES)]
    assert results[5].json["res"]["frame"] == 5


def test_a_frame_s_files_are_named_after_it(predictor: AnomalyPredictor, film, tmp_path):
    result = next(predictor.predict(film))
    assert result.save_to_json(tmp_path).name == "line 3_000000_res.json"
    assert json.loads((tmp_path / "line 3_000000_res.json").read_text())["time"] == 0


def test_a_picture_s_result_has_no_frame(predictor: AnomalyPredictor, images):
    assert not {"frame", "time"} & set(next(predictor.predict(images[0])))


def test_a_camera_is_judged_frame_by_frame_and_not_ahead(predictor: AnomalyPredictor, camera, monkeypatch):
    read = []
    original = inputs.camera_frames

    def counted(*arguments: object) -> Iterator[object]:
        for frame in original(*arguments):
            read.append(frame)
            yield frame

    monkeypatch.setattr(inputs, "camera_frames", counted)
    results = predictor.predict("camera:3")
    first = next(results)
    assert (first["input_path"], first["frame"]) == ("camera:3", 0)
    assert first["time"] >= 0
    assert len(read) == 1
    assert camera == [3]


# Files


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def frames_of(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(RATE, rel=0.01)
    found = []
    while (read := capture.read())[0]:
        found.append(read[1])
    return found


def test_a_video_becomes_a_video_and_a_line_for_each_frame(predictor: AnomalyPredictor, film, tmp_path, capfd):
    output = tmp_path / "output"
    report = predict_to_folder(predictor, str(film), output, batch_size=2)
    assert {path.name for path in output.iterdir()} == {"line 3_res.webm", "line 3_res.jsonl", "summary.csv"}
    assert (report["images"], report["anomalous"]) == (FRAMES, 4)
    lines = [json.loads(line) for line in (output / "line 3_res.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["frame"] for line in lines] == list(range(FRAMES))
    assert "pred" not in lines[0] and lines[5]["regions"]
    marked = rle_to_mask(lines[5]["mask"])
    assert np.count_nonzero(marked) == sum(region["area"] for region in lines[5]["regions"]) > 0
    rows = rows_of(output)
    assert [(row["frame"], row["image"], row["json"]) for row in rows[:2]] == [
        ("0", "line 3_res.webm", "line 3_res.jsonl"), ("1", "line 3_res.webm", "line 3_res.jsonl"),
    ]  # fmt: skip
    assert "tag" not in capfd.readouterr().err


def test_the_annotated_video_shows_the_verdict_of_each_frame(predictor: AnomalyPredictor, film, tmp_path):
    """The bar at its top is red on the frames of the bad part and green on the others."""
    predict_to_folder(predictor, str(film), tmp_path, batch_size=1)
    shown = frames_of(tmp_path / "line 3_res.webm")
    assert len(shown) == FRAMES
    for number, picture in enumerate(shown):
        _, green, red = picture[5:35, 300:340].reshape(-1, 3).mean(axis=0)
        assert (red > green) == (4 <= number < 8), number


def test_images_and_videos_of_one_run_keep_their_own_files(predictor: AnomalyPredictor, film, images, tmp_path):
    again = tmp_path / "other"
    again.mkdir()
    os.link(film, again / film.name)
    sources = [images[0], str(film), str(again / film.name), str(film)]
    predict_to_folder(predictor, sources, tmp_path / "output", batch_size=3, video=VideoOptions(max_frames=2))
    assert {path.name for path in (tmp_path / "output").iterdir()} == {
        "000_res.png", "000_res.json", "summary.csv",
        *(f"line 3{number}_res.{suffix}" for number in ("", "_2", "_3") for suffix in ("webm", "jsonl")),
    }  # fmt: skip
    assert [row["frame"] for row in rows_of(tmp_path / "output")] == ["", "0", "1", "0", "1", "0", "1"]


def test_frames_of_changing_sizes_fit_into_one_video(predictor: AnomalyPredictor, pictures, tmp_path, monkeypatch):
    """A camera may change its format; the result keeps each frame's size, the video that of its first frame."""
    sizes = [(128, 128), (128, 128), (101, 77), (64, 200)]
    frames = [
        video.VideoFrame("camera:0", number, number / 10, cv2.resize(pictures[0], size))
        for number, size in enumerate(sizes)
    ]
    monkeypatch.setattr(inputs, "camera_frames", lambda index, options: iter(frames))
    report = predict_to_folder(predictor, "camera:0", tmp_path, batch_size=1)
    assert report["images"] == 4
    capture = cv2.VideoCapture(str(tmp_path / "camera_0_res.webm"))
    shapes = set()
    while (read := capture.read())[0]:
        shapes.add(read[1].shape)
    assert len(shapes) == 1


def test_the_video_of_a_slow_camera_runs_at_the_speed_of_life(
    predictor: AnomalyPredictor, pictures, tmp_path, monkeypatch
):
    """Three frames over one second; at ten frames a second each is shown until the next."""
    frames = [video.VideoFrame("camera:0", n, 0.5 * n, pictures[n]) for n in range(3)]
    monkeypatch.setattr(inputs, "camera_frames", lambda index, options: iter(frames))
    predict_to_folder(predictor, "camera:0", tmp_path, batch_size=1)
    capture = cv2.VideoCapture(str(tmp_path / "camera_0_res.webm"))
    count = 0
    while capture.read()[0]:
        count += 1
    assert count == 11  # 0.0 to 0.9 s, and the last frame


def test_a_signal_ends_the_recording_of_a_camera_and_keeps_what_there_is(
    predictor: AnomalyPredictor, pictures, tmp_path, monkeypatch, ask_to_stop
):
    def endless(index: int, options: VideoOptions) -> Iterator[video.VideoFrame]:
        number = 0
        while True:
            if number == 5:
                ask_to_stop()
            yield video.VideoFrame("camera:0", number, number / 10, pictures[0])
            number += 1

    assert threading.current_thread() is threading.main_thread()
    monkeypatch.setattr(inputs, "camera_frames", endless)
    report = predict_to_folder(predictor, "camera:0", tmp_path, batch_size=1)
    assert 0 < report["images"] < 20
    assert len((tmp_path / "camera_0_res.jsonl").read_text().splitlines()) == report["images"]
    assert {path.name for path in tmp_path.iterdir()} == {"camera_0_res.webm", "camera_0_res.jsonl", "summary.csv"}


def test_an_opencv_that_cannot_write_webm_says_so_once_and_every_frame_is_judged(
    predictor: AnomalyPredictor, film, tmp_path, monkeypatch
):
    monkeypatch.setattr(video_output.cv2.VideoWriter, "fourcc", lambda *letters: 0x20202020)
    report = predict_to_folder(predictor, str(film), tmp_path / "output", batch_size=1)
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["summary.csv"]
    rows = rows_of(tmp_path / "output")
    assert [row["frame"] for row in rows] == [str(number) for number in range(FRAMES)]
    assert "cannot write WebM videos" in rows[0]["error"]
    assert not any(row["error"] for row in rows[1:])
    assert report["failed_images"] == 1


def test_frames_have_the_other_files_by_their_numbers(predictor: AnomalyPredictor, film, tmp_path):
    predict_to_folder(predictor, str(film), tmp_path, 2, files=("mask", "json"), anomalous_only=True)
    rows = rows_of(tmp_path)
    assert [row["mask"] for row in rows if row["mask"]] == [f"line 3_{number:06d}_mask.png" for number in (4, 5, 6, 7)]
    names = {"line 3_res.jsonl", "summary.csv", *(row["mask"] for row in rows if row["mask"])}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_the_encoder_s_settings_do_not_stay_in_the_environment(
    predictor: AnomalyPredictor, film, tmp_path, monkeypatch
):
    name = "OPENCV_FFMPEG_WRITER_OPTIONS"
    monkeypatch.delenv(name, raising=False)
    predict_to_folder(predictor, str(film), tmp_path, batch_size=1, video=VideoOptions(max_frames=1))
    assert name not in os.environ
    monkeypatch.setenv(name, "deadline;best")
    predict_to_folder(predictor, str(film), tmp_path, batch_size=1, video=VideoOptions(max_frames=1))
    assert os.environ[name] == "deadline;best"


def test_a_video_without_a_frame_leaves_no_files(predictor: AnomalyPredictor, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(ImageReadError, match="none of the 1 images could be judged"):
        predict_to_folder(predictor, str(tmp_path / "a.mp4"), tmp_path / "output", batch_size=1)
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["summary.csv"]


def test_a_name_that_is_not_utf_8_does_not_end_the_process(tmp_path: Path) -> None:
    """OpenCV's videos crash over such a name, both ways; so it is tried in a process of its own."""
    write_video(tmp_path / "a.avi", [np.full((64, 64, 3), 20 * number, np.uint8) for number in range(5)])
    code = """if True:
        import os, sys
        from pathlib import Path
        from paddlex.inference.inputs import expand
        from paddlex.inference.video import utf_8_path
        import cv2
        folder = Path(sys.argv[1])
        name = os.fsdecode(os.fsencode(folder) + b"/caf\\xe9.avi")
        os.rename(folder / "a.avi", name)
        print(len([frame for frame in expand(name) if frame.error is None]))
        new = os.fsdecode(os.fsencode(folder) + b"/n\\xe9w.webm")
        Path(new).touch()
        with utf_8_path(new) as path:
            writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"VP80"), 5, (64, 64))
            for frame in expand(name):
                writer.write(frame.image)
            writer.release()
        print(os.path.getsize(new) > 0)
    """
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, ["5", "True"]), done.stderr
