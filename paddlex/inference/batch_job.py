"""Predict many images into a folder: a picture and a JSON for each, and a summary."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from paddlex.errors import ImageReadError, PaddleXError
from paddlex.inference.coco import CocoCollector
from paddlex.inference.inputs import Source, describe, expand
from paddlex.inference.parallel import in_order
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.results import AnomalyResult
from paddlex.utils.files import atomic_path, write_json
from paddlex.utils.logging import logger
from paddlex.utils.paddle_environment import default_threads
from paddlex.utils.progress import progress

_COLUMNS = ("input_path", "is_anomalous", "score", "raw_score", "anomalous_area", "image", "json")


def predict_to_folder(
    predictor: AnomalyPredictor, source: str | Sequence[str], folder: Path, batch_size: int, save_coco: bool = False
) -> dict[str, Any]:
    """Write ``<name>_res.png`` and ``<name>_res.json`` for each image, summary.csv, and coco.json if asked to.

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
    names = _Names(source, folder)
    coco = CocoCollector() if save_coco else None
    start = time.monotonic()
    with atomic_path(folder / "summary.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, _COLUMNS)
        table.writeheader()
        sources = _outside(expand(source), folder)
        results = predictor.predict(sources, batch_size, on_error=note, read_ahead=True)
        named = ((result, names.stem(result["input_path"])) for result in results)
        for result, image, json_file in progress(in_order(_save, named, default_threads()), "Predict"):
            row = {key: result[key] for key in _COLUMNS[:5]}
            table.writerow({**row, "image": image.relative_to(folder), "json": json_file.relative_to(folder)})
            if coco is not None:
                coco.add(result, result["input_path"])
            count += 1
            anomalous += result["is_anomalous"]
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


def _save(named: tuple[AnomalyResult, Path]) -> tuple[AnomalyResult, Path, Path]:
    """Write the picture and the JSON of one result; returns where they are."""
    result, stem = named
    image, json_file = (stem.with_name(stem.name + suffix) for suffix in ("_res.png", "_res.json"))
    result.save_to_img(image)
    result.save_to_json(json_file)
    return result, image, json_file


def _outside(sources: Iterable[Source], folder: Path) -> Iterator[Source]:
    """Leave out the files below ``folder``: the output may lie inside the input."""
    below = os.path.join(os.path.abspath(folder), "")
    for source in sources:
        if not isinstance(source, (str, os.PathLike)) or not os.path.abspath(source).startswith(below):
            yield source


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
        name = path.stem
        while name in self._used:  # a.png and a.jpg; the free name a_2 may be another input's own
            number = self._numbers[path.stem] = self._numbers.get(path.stem, 1) + 1
            name = f"{path.stem}_{number}"
        self._used.add(name)
        return parent / name
