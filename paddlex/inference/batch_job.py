"""Predict many images into a folder: a picture and a JSON for each, a video for each video, and a summary."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from paddlex.errors import ImageReadError, PaddleXError
from paddlex.inference.coco import CocoCollector
from paddlex.inference.inputs import Source, describe, expand, is_camera
from paddlex.inference.postprocess import Limit
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.results import AnomalyResult, name_of
from paddlex.inference.video import VideoOptions, frame_rate
from paddlex.inference.video_output import VideoOutput
from paddlex.utils.files import atomic_path, write_json
from paddlex.utils.logging import logger
from paddlex.utils.progress import progress
from paddlex.utils.signals import StopRequest

_COLUMNS = ("input_path", "is_anomalous", "score", "raw_score", "anomalous_area", "image", "json", "frame", "time")


def predict_to_folder(
    predictor: AnomalyPredictor,
    source: str | Sequence[str],
    folder: Path,
    batch_size: int,
    save_coco: bool = False,
    video: VideoOptions = VideoOptions(),
) -> dict[str, Any]:
    """Write ``<name>_res.png`` and ``<name>_res.json`` for each image, summary.csv, and coco.json if asked to.

    A video or a camera gets ``<name>_res.webm`` and ``<name>_res.jsonl`` instead, see ``VideoOutput``. A camera is recorded
    until ``video.max_frames``, Ctrl-C or SIGTERM, and what it has given so far is written.

    Images below an input folder keep their sub-folders. An image that cannot be read is logged, counted and left out; what an
    earlier run wrote to ``folder`` is not taken for input.

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

    count = anomalous = 0
    coco = CocoCollector() if save_coco else None
    start = time.monotonic()
    with ExitStack() as opened:
        temporary = opened.enter_context(atomic_path(folder / "summary.csv"))
        file = opened.enter_context(temporary.open("w", newline="", encoding="utf-8"))
        files = opened.enter_context(_Files(_Names(source, folder), predictor.limits.pixel, video))
        stop = opened.enter_context(StopRequest()) if is_camera(source) else StopRequest()  # a camera has no other end
        table = csv.DictWriter(file, _COLUMNS)
        table.writeheader()
        sources = _outside(expand(source, video), folder)
        for result in progress(predictor.predict(sources, batch_size, on_error=note), "Predict"):
            image, json_file = files.add(result)
            row = {key: result.get(key) for key in _COLUMNS}
            table.writerow({**row, "image": image.relative_to(folder), "json": json_file.relative_to(folder)})
            if coco is not None:
                place = f"#{result['frame']}" if "frame" in result else ""
                coco.add(result, result["input_path"] + place)
            count += 1
            anomalous += result["is_anomalous"]
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


def _outside(sources: Iterable[Source], folder: Path) -> Iterator[Source]:
    """Leave out the files below ``folder``: the output may lie inside the input."""
    below = os.path.join(os.path.abspath(folder), "")
    for source in sources:
        if not isinstance(source, (str, os.PathLike)) or not os.path.abspath(source).startswith(below):
            yield source


class _Files:
    """The files of the results: those of an image at once, those of a video when it ends."""

    def __init__(self, names: _Names, pixel_limit: Limit, options: VideoOptions) -> None:
        self._names, self._pixel_limit, self._options = names, pixel_limit, options
        self._video: VideoOutput | None = None
        self._opened = ExitStack()
        self._last: tuple[str, int] | None = None

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._opened.__exit__(*exception)

    def add(self, result: AnomalyResult) -> tuple[Path, Path]:
        """Write a result; returns where its picture and its JSON are."""
        path, frame = result["input_path"], result.get("frame")
        is_next = frame is not None and self._last is not None and self._last[0] == path and self._last[1] < frame
        if not is_next:
            self._opened.close()
            self._video = None
        self._last = None if frame is None else (path, frame)
        if frame is None:
            stem = self._names.stem(path)
            image, json_file = (stem.with_name(stem.name + suffix) for suffix in ("_res.png", "_res.json"))
            result.save_to_img(image)
            result.save_to_json(json_file)
            return image, json_file
        if self._video is None:
            output = VideoOutput(self._names.stem(path), frame_rate(path) / self._options.every)
            self._video = self._opened.enter_context(output)
        self._video.add(result, self._pixel_limit)
        return self._video.video, self._video.lines


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
