"""Predict many images into a folder: a picture and a JSON for each, a video for each video, and a summary."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from paddlex.errors import ImageReadError, PaddleXError
from paddlex.inference.coco import CocoCollector
from paddlex.inference.inputs import Source, describe, expand, is_camera
from paddlex.inference.parallel import in_order
from paddlex.inference.pictures import draw_result
from paddlex.inference.postprocess import Limit
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.results import AnomalyResult, name_of
from paddlex.inference.video import ALL_FRAMES, VideoOptions, frame_rate
from paddlex.inference.video_output import VideoOutput
from paddlex.utils.files import atomic_path, write_json
from paddlex.utils.logging import logger
from paddlex.utils.paddle_environment import default_threads
from paddlex.utils.progress import progress
from paddlex.utils.signals import StopRequest

_COLUMNS = ("input_path", "is_anomalous", "score", "raw_score", "anomalous_area", "image", "json", "frame", "time")


def predict_to_folder(
    predictor: AnomalyPredictor,
    source: str | Sequence[str],
    folder: Path,
    batch_size: int,
    save_coco: bool = False,
    *,
    video: VideoOptions = ALL_FRAMES,
    on_result: Callable[[AnomalyResult, Path, Path], None] | None = None,
    on_error: Callable[[Source, PaddleXError], None] | None = None,
) -> dict[str, Any]:
    """Write ``<name>_res.png`` and ``<name>_res.json`` for each image, summary.csv, and coco.json if asked to.

    A video or a camera gets ``<name>_res.webm`` and ``<name>_res.jsonl`` instead, see ``VideoOutput``. A camera is recorded
    until ``video.max_frames``, Ctrl-C or SIGTERM, and what it has given so far is written.

    Images below an input folder keep their sub-folders. An image that cannot be read is logged, counted and left out; what an
    earlier run wrote to ``folder`` is not taken for input.

    Args:
        predictor: the model.
        source: files, folders, globs or URLs.
        folder: where to write; it is made.
        batch_size: images that the network takes at once.
        save_coco: also write all regions as one COCO file.
        video: which frames of a video or camera are judged.
        on_result: called with each result, its picture and its JSON, when both are written; those of a frame are written
            when its video ends.
        on_error: called with each image that cannot be read, and the error.

    Returns:
        images, anomalous, failed (what could not be read, the first hundred), threshold, and where things are.

    Raises:
        ImageReadError: not one image could be read.
    """
    failed: list[dict[str, str]] = []
    failures = 0

    def note(broken: Source, error: PaddleXError) -> None:
        nonlocal failures
        failures += 1
        logger.error("%s", error)
        if len(failed) < 100:
            failed.append({"input_path": describe(broken), "error": str(error)})
        if on_error is not None:
            on_error(broken, error)

    count = anomalous = 0
    coco = CocoCollector() if save_coco else None
    start = time.monotonic()
    with ExitStack() as opened:
        temporary = opened.enter_context(atomic_path(folder / "summary.csv"))
        file = opened.enter_context(temporary.open("w", newline="", encoding="utf-8"))
        videos = opened.enter_context(_Videos(video))
        stop = opened.enter_context(StopRequest()) if is_camera(source) else StopRequest()  # a camera has no other end
        table = csv.DictWriter(file, _COLUMNS)
        table.writeheader()
        sources = _outside(expand(source, video), folder)
        results = predictor.predict(sources, batch_size, on_error=note, read_ahead=not is_camera(source))
        named = _named(results, _Names(source, folder))
        save = partial(_save, pixel_limit=predictor.limits.pixel)
        for result, stem, picture in progress(in_order(save, named, default_threads()), "Predict"):
            image, json_file = _files_of(stem) if picture is None else videos.add(result, stem, picture)
            row = {key: result.get(key) for key in _COLUMNS}
            table.writerow({**row, "image": image.relative_to(folder), "json": json_file.relative_to(folder)})
            if coco is not None:
                place = f"#{result['frame']}" if "frame" in result else ""
                coco.add(result, result["input_path"] + place)
            count += 1
            anomalous += result["is_anomalous"]
            if on_result is not None:
                on_result(result, image, json_file)
            if stop.signal_number is not None:
                logger.info("Stopped by signal %d after %d images.", stop.signal_number, count)
                break
        if not count:
            what = f"none of the {failures} images could be read"
            raise ImageReadError(what, where=source, remedy="See the log above")
    if coco is not None:
        write_json(folder / "coco.json", coco.to_dict())
    logger.info("%d of %d images are anomalous; pictures and JSON are in %s.", anomalous, count, folder)
    return {
        "images": count,
        "anomalous": anomalous,
        "failed_images": failures,
        "failed": failed,
        "image_threshold": predictor.limits.image.threshold,
        "pixel_threshold": predictor.limits.pixel.threshold,
        "threshold_source": predictor.limits.source,
        "model_dir": str(predictor.folder.path),
        "teacher_weights": predictor.folder.own.get("teacher_weights"),
        "output": folder.name,
        "summary": f"{folder.name}/summary.csv",
        "images_per_second": round((count + failures) / max(time.monotonic() - start, 1e-9), 2),
    }


def _named(results: Iterable[AnomalyResult], names: _Names) -> Iterator[tuple[AnomalyResult, Path]]:
    """Each result with the path of its files, without ``_res`` and suffix; all frames of a video have the same."""
    last: tuple[str, int] | None = None
    stem = Path()
    for result in results:
        path, frame = result["input_path"], result.get("frame")
        is_next = frame is not None and last is not None and last[0] == path and last[1] < frame
        if not is_next:
            stem = names.stem(path)
        last = None if frame is None else (path, frame)
        yield result, stem


def _save(named: tuple[AnomalyResult, Path], pixel_limit: Limit) -> tuple[AnomalyResult, Path, np.ndarray | None]:
    """Write the picture and the JSON of an image; of a frame, whose turn must be waited for, draw the picture alone."""
    result, stem = named
    if "frame" in result:
        return result, stem, draw_result(result, pixel_limit)
    image, json_file = _files_of(stem)
    result.save_to_img(image)
    result.save_to_json(json_file)
    return result, stem, None


def _files_of(stem: Path) -> tuple[Path, Path]:
    """Where the picture and the JSON of an image are."""
    return stem.with_name(f"{stem.name}_res.png"), stem.with_name(f"{stem.name}_res.json")


def _outside(sources: Iterable[Source], folder: Path) -> Iterator[Source]:
    """Leave out the files below ``folder``: the output may lie inside the input."""
    below = os.path.join(os.path.abspath(folder), "")
    for source in sources:
        if not isinstance(source, (str, os.PathLike)) or not os.path.abspath(source).startswith(below):
            yield source


class _Videos:
    """The video that is being written; the next begins where the path of the files changes."""

    def __init__(self, options: VideoOptions) -> None:
        self._every = options.every
        self._opened = ExitStack()
        self._stem: Path | None = None

    def __enter__(self) -> _Videos:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._opened.__exit__(*exception)

    def add(self, result: AnomalyResult, stem: Path, picture: np.ndarray) -> tuple[Path, Path]:
        """Take in the next frame; returns where the video and the lines of JSON will be."""
        if stem != self._stem:
            self._opened.close()
            self._stem = stem
            rate = frame_rate(result["input_path"]) / self._every
            self._output = self._opened.enter_context(VideoOutput(stem, rate))
        self._output.add(result, picture)
        return self._output.video, self._output.lines


class _Names:
    """Where each input's files go: no two inputs share a name, and a second run gives each the same name again."""

    def __init__(self, source: str | Sequence[str], folder: Path) -> None:
        self._root = source if isinstance(source, str) and os.path.isdir(source) else None
        self._folder = folder
        self._parent = folder
        self._used: set[str] = set()
        self._numbers: dict[str, int] = {}

    def stem(self, input_path: str) -> Path:
        path = Path(input_path.partition("?")[0])
        parent = self._folder
        if self._root is not None:
            parent /= os.path.relpath(path.parent, self._root)
            if parent != self._parent:  # a folder is walked once, so its names need not be remembered
                self._parent, self._used, self._numbers = parent, set(), {}
        name = own = name_of(input_path)
        while name in self._used:  # a.png and a.jpg; the free name a_2 may be another input's own
            number = self._numbers[own] = self._numbers.get(own, 1) + 1
            name = f"{own}_{number}"
        self._used.add(name)
        return parent / name
