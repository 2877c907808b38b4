"""Predict many images into a folder: the files that are asked for of each, a video for each video, and a summary."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from paddlex.errors import (
    ConfigError,
    DownloadError,
    ImageReadError,
    Interrupted,
    PaddleXError,
    ResultFileError,
    in_one_line,
)
from paddlex.inference.bank_predictor import BankPredictor
from paddlex.inference.coco import CocoCollector
from paddlex.inference.inputs import Source, describe, expand, is_camera, origin
from paddlex.inference.parallel import in_order
from paddlex.inference.pictures import draw_result
from paddlex.inference.position import in_words
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.result_names import Names, stem_for
from paddlex.inference.results import DEFAULT_FILES, FILES, AnomalyResult
from paddlex.inference.video import ALL_FRAMES, VideoOptions
from paddlex.inference.video_output import VideoOutputs
from paddlex.inference.walk import PassedOver
from paddlex.utils.csv_file import csv_file
from paddlex.utils.files import write_json
from paddlex.utils.leftovers import tidy_up
from paddlex.utils.locks import exclusive_folder
from paddlex.utils.logging import logger
from paddlex.utils.paddle_environment import default_threads
from paddlex.utils.paths import is_url
from paddlex.utils.progress import progress
from paddlex.utils.signals import StopRequest

_VALUES = ("input_path", "is_anomalous", "score", "raw_score", "anomalous_area")
_PRODUCT = ("product", "product_distance")
_COLUMNS = (*_VALUES, "image", "json", "frame", "time", "mask", "heatmap", "map", "error", *_PRODUCT, "position")

#: What a file is called in the summary.
_NAMES = {what: "image" if what == "picture" else what for what in FILES}


def predict_to_folder(
    predictor: AnomalyPredictor | BankPredictor,
    source: str | Sequence[str],
    folder: Path,
    batch_size: int,
    save_coco: bool = False,
    *,
    files: Collection[str] = DEFAULT_FILES,
    anomalous_only: bool = False,
    video: VideoOptions = ALL_FRAMES,
    on_result: Callable[[AnomalyResult, Mapping[str, Path]], None] | None = None,
    on_error: Callable[[Source, PaddleXError], None] | None = None,
    passed: PassedOver | None = None,
) -> dict[str, Any]:
    """Write the files of each image, such as ``<name>_res.png``; summary.csv; and coco.json if asked to.

    The picture and the JSON of a video or a camera are ``<name>_res.webm`` and ``<name>_res.jsonl``, see ``VideoOutput``; its
    other files are numbered by the frame. A camera is recorded until ``video.max_frames``, Ctrl-C or SIGTERM.

    The first Ctrl-C or SIGTERM lets the images that are under way be the last: the summary has all until then.

    Images below an input folder keep their sub-folders. An image that cannot be read, or whose files cannot be written, is
    logged, counted and has its error in the summary; the others go on. What an earlier run wrote to ``folder`` is not taken
    for input.

    Args:
        predictor: the model.
        source: files, folders, globs or URLs.
        folder: where to write; it is made.
        batch_size: images that the network takes at once.
        save_coco: also write all regions as one COCO file.
        files: which of ``results.FILES`` are written.
        anomalous_only: write them only for anomalous images. The summary has all; a video or camera keeps all its frames.
        video: which frames of a video or camera are judged.
        on_result: called with each result and its files, by the names of the summary's columns, when they are written; the
            video of a frame is there when it ends.
        on_error: called with each image that cannot be read or saved, and the error.
        passed: counts what is passed over.

    Returns:
        images, anomalous, failed (what could not be read or saved, the first hundred), passed_over (counts of what was no
        image), threshold (with a bank those of each product that was seen, in products), and where things are. If an image was
        read but could not be judged or saved, also ``done_flag`` False, ``err_type`` and ``err_msg``: that is no fault of the
        image.

    Raises:
        ConfigError: an input lies in ``folder``, or another run is writing there.
        ImageReadError: not one image could be read and saved.
        Interrupted: a signal came, and the source is no camera.
    """
    tidy_up(folder)
    start = time.monotonic()
    _refuse_input_inside(folder, source)
    passed = PassedOver() if passed is None else passed
    coco = CocoCollector() if save_coco else None
    count = anomalous = 0
    folder.mkdir(parents=True, exist_ok=True)
    remedy = "Wait for it to end, or give another folder"
    refusal = ConfigError("another run is writing its results to this folder", where=folder, remedy=remedy)
    with ExitStack() as opened:
        opened.enter_context(exclusive_folder(folder, refusal))
        write_row = opened.enter_context(csv_file(folder / "summary.csv"))
        write_row(_COLUMNS)
        failures = _Failures(write_row, on_error)
        videos = opened.enter_context(VideoOutputs(video, files))
        stop = opened.enter_context(StopRequest())
        sources = takewhile(lambda _: stop.signal_number is None, _outside(expand(source, video, passed), folder))
        results = predictor.predict(sources, batch_size, on_error=failures.note, read_ahead=not is_camera(source))
        save = partial(_save, files=files, anomalous_only=anomalous_only)
        for saved in progress(in_order(save, _named(results, source, folder), default_threads()), "Predict"):
            result = saved.result
            try:
                if saved.error is not None:
                    raise saved.error
                if "frame" in result:
                    saved.files.update(videos.add(result, saved.stem, saved.picture))
            except Exception as error:
                failures.note_unsaved(result, saved.stem, error)
                continue
            names = {_NAMES[what]: path for what, path in saved.files.items()}
            places = {name: path.relative_to(folder) for name, path in names.items()}
            position = {"position": in_words(result.get("position"))}
            write_row({**result, **places, **position}.get(column) for column in _COLUMNS)
            if coco is not None:
                place = f"#{result['frame']}" if "frame" in result else ""
                coco.add(result, result["input_path"] + place)
            count += 1
            anomalous += result["is_anomalous"]
            if on_result is not None:
                on_result(result, names)
        for unsaved in videos.finish():
            failures.note_unsaved(*unsaved)
    stopped = None if is_camera(source) else stop.signal_number  # a camera has no other end
    if not count and stopped is None:
        what = f"none of the {failures.count} images could be judged" + (" and saved" if failures.unsaved else "")
        raise ImageReadError(what, where=source, remedy="See the log above")
    if coco is not None:
        write_json(folder / "coco.json", coco.to_dict())
    if stopped is not None:
        what = f"stopped by signal {stopped} after {count + failures.count} images, which summary.csv has"
        raise Interrupted(what, signal_number=stopped, where=folder, remedy="Start it again to judge them all")
    logger.info("%d of %d images are anomalous; the results are in %s.", anomalous, count, folder)
    return {
        **failures.verdict(),
        "images": count,
        "anomalous": anomalous,
        "failed_images": failures.count,
        "failed": failures.first,
        "passed_over": passed.to_dict(),
        **_model_of(predictor),
        "output": folder.name,
        "summary": f"{folder.name}/summary.csv",
        "images_per_second": round((count + failures.count) / max(time.monotonic() - start, 1e-9), 2),
    }


def _model_of(predictor: AnomalyPredictor | BankPredictor) -> dict[str, Any]:
    """What has judged; of a bank, each product's model that was needed."""
    if isinstance(predictor, BankPredictor):
        products = {product: _model_of(one) for product, one in predictor.loaded.items()}
        return {"model_dir": str(predictor.path), "products": products}
    return {
        "image_threshold": predictor.limits.image.threshold,
        "pixel_threshold": predictor.limits.pixel.threshold,
        "threshold_source": predictor.limits.source,
        "model_dir": str(predictor.folder.path),
        "teacher_weights": dict(predictor.folder.own.teacher_weights) or None,
    }


class _Failures:
    """What could not be read or saved: told of, counted, the first hundred kept."""

    def __init__(
        self,
        write_row: Callable[[Iterable[object]], object],
        on_error: Callable[[Source, PaddleXError], None] | None,
    ) -> None:
        self.count = self.unsaved = self._grave = 0
        self._gravest: PaddleXError | None = None
        self.first: list[dict[str, str]] = []
        self._write_row, self._on_error = write_row, on_error

    def note(self, broken: Source, error: PaddleXError, values: Mapping[str, Any] | None = None) -> None:
        """Take in an image and why it failed; ``values`` is what is known of it all the same."""
        self.count += 1
        if not isinstance(error, (ImageReadError, DownloadError)):
            self._grave += 1
            self._gravest = self._gravest or error
        logger.error("%s", error)
        if len(self.first) < 100:
            self.first.append({"input_path": describe(broken), "error": str(error)})
        position = {"position": in_words((values or {}).get("position"))}
        row = {**origin(broken), **(values or {}), **position, "error": str(error)}
        row["input_path"] = row["input_path"] or describe(broken)
        self._write_row(row.get(column) for column in _COLUMNS)
        if self._on_error is not None:
            self._on_error(broken, error)

    def verdict(self) -> dict[str, Any]:
        """What makes the whole run a failure: images that were read, and have no verdict or no files all the same."""
        if self._gravest is None:
            return {}
        what = f"{self._grave} images could be read, but not judged or saved, the first: {self._gravest}"
        return {"done_flag": False, "err_type": type(self._gravest).__name__, "err_msg": what}

    def note_unsaved(self, result: AnomalyResult, stem: Path, error: Exception) -> None:
        """Take in an image that was judged, but whose files, at ``stem``, could not be written."""
        self.unsaved += 1
        place = result["input_path"] + (f" frame {result['frame']}" if "frame" in result else "")
        reason = error.strerror if isinstance(error, OSError) and error.strerror else in_one_line(error)
        what = f"the result files {stem}_* cannot be written: {reason.removesuffix('.')}"
        self.note(place, ResultFileError(what, where=place, remedy="Check the folder and its space"), result)


@dataclass
class _Saved:
    """A result and where its files are; of a frame its picture, for the video.

    Attributes:
        stem: the path of its files without ending; all frames of a video have the same.
        error: why they could not be written.
    """

    result: AnomalyResult
    stem: Path
    files: dict[str, Path] = field(default_factory=dict)
    picture: np.ndarray | None = None
    error: Exception | None = None


def _named(
    results: Iterable[AnomalyResult], source: str | Sequence[str], folder: Path
) -> Iterator[tuple[AnomalyResult, Path]]:
    """Each result with the path of its files, without ending; all frames of a video have the same."""
    root = source if isinstance(source, str) and os.path.isdir(source) else None
    names = Names()
    last: tuple[str, int] | None = None
    stem = Path()
    for result in results:
        path, frame = result["input_path"], result.get("frame")
        is_next = frame is not None and last is not None and last[0] == path and last[1] < frame
        if not is_next:
            stem = names.claim(stem_for(folder, root, path), {})
        last = None if frame is None else (path, frame)
        yield result, stem


def _save(named: tuple[AnomalyResult, Path], files: Collection[str], anomalous_only: bool) -> _Saved:
    """Write the files of an image; of a frame, whose turn in the video must be waited for, draw the picture alone."""
    result, stem = named
    saved = _Saved(result, stem)
    is_frame = "frame" in result
    try:
        if is_frame and "picture" in files:
            saved.picture = draw_result(result, result.pixel_limit)
        if anomalous_only and not result["is_anomalous"]:
            return saved
        name = f"{stem.name}_{result['frame']:06d}" if is_frame else stem.name
        for what in files:
            if not (is_frame and what in DEFAULT_FILES):
                path = stem.with_name(f"{name}{FILES[what][0]}")
                result.write(what, path)
                saved.files[what] = path
    except Exception as error:  # whatever it is, it is this image's alone
        saved.error = error
    return saved


def _refuse_input_inside(folder: Path, source: str | Sequence[str]) -> None:
    """What is written might replace an image or a mask, and what an earlier run wrote would be taken for an image."""
    for given in [source] if isinstance(source, str) else source:
        path = os.path.join(os.path.realpath(given), "")
        if not (is_url(given) or is_camera(given)) and path.startswith(os.path.join(os.path.realpath(folder), "")):
            remedy = "Give another folder for the results"
            raise ConfigError(
                "the input lies in the folder that the results are written to", where=given, remedy=remedy
            )


def _outside(sources: Iterable[Source], folder: Path) -> Iterator[Source]:
    """Leave out the files below ``folder``, by whatever links they are reached: the output may lie inside the input."""
    below = os.path.join(os.path.realpath(folder), "")
    last, is_below = None, False
    for source in sources:
        if isinstance(source, (str, os.PathLike)) and not is_url(source):
            here = os.path.dirname(os.path.abspath(source))
            if here != last:
                last, is_below = here, os.path.join(os.path.realpath(here), "").startswith(below)
            if is_below:
                continue
        yield source
