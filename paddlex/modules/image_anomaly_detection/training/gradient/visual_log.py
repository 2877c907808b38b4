"""The course of a training for VisualDL: one file that a resumed run carries on, without gaps and without repetitions."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddlex.data.dataset import Sample
from paddlex.errors import ConfigError
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.utils.extras import install
from paddlex.utils.files import atomic_path
from paddlex.utils.private_imports import import_visualdl

FOLDER = "visualdl"
FILE = "vdlrecords.train.log"  # VisualDL knows its files by "vdlrecords"

LOSS, RATE = "train/loss", "train/learning_rate"
HELD_OUT_LOSS, AUROC = "evaluation/held_out_loss", "evaluation/image_auroc"
HEAT_MAPS = "heat_maps"

_LENGTH = struct.Struct("<Q")  # before each record


class VisualLog:
    """Writes ``visualdl/vdlrecords.train.log``; a context manager.

    Args:
        output: ``Global.output``.
        samples: images to draw heat maps of.
        predictor: opens the network as it would be exported now.

    Raises:
        ConfigError: VisualDL is not installed.
    """

    def __init__(
        self,
        output: Path,
        samples: Iterable[Sample],
        predictor: Callable[[], AbstractContextManager[AnomalyPredictor]],
    ) -> None:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                import_visualdl()
        except ImportError as error:
            raise ConfigError(
                f"VisualDL cannot be imported: {error}",
                where="Train.visualdl",
                remedy=f"Install it: {install('visualdl')}; or set Train.visualdl=False",
            ) from error
        self.path = output / FOLDER / FILE
        self._samples = {f"{HEAT_MAPS}/{sample.image}": sample for sample in samples}
        self._predictor = predictor
        self._writer: Any = None

    def start(self, step: int, evaluated: bool) -> None:
        """Open the file, without what it may hold from after the moment at which the run goes on.

        Args:
            step: steps done; 0 begins anew.
            evaluated: whether the evaluation after this step is done.
        """
        from visualdl import LogWriter

        self.path.parent.mkdir(parents=True, exist_ok=True)
        _cut(self.path, step, evaluated)
        with contextlib.redirect_stdout(io.StringIO()):  # it says that the file exists
            self._writer = LogWriter(logdir=str(self.path.parent), file_name=self.path.name)

    def __enter__(self) -> VisualLog:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def step(self, step: int, loss: float, rate: float) -> None:
        """Note a training step."""
        self._writer.add_scalar(LOSS, loss, step)
        self._writer.add_scalar(RATE, rate, step)

    def evaluation(self, entry: Mapping[str, Any]) -> None:
        """Note an evaluation, and draw heat maps of the same few images as in all others."""
        step = entry["step"]
        self._writer.add_scalar(HELD_OUT_LOSS, entry["held_out_loss"], step)
        if "image_auroc" in entry:
            self._writer.add_scalar(AUROC, entry["image_auroc"], step)
        with self._predictor() as predictor:
            for tag, sample in self._samples.items():
                (result,) = predictor.predict(sample.image_path)
                picture = np.asarray(result.img["res"])
                half = (picture.shape[1] // 2, picture.shape[0] // 2)  # enough to look at, a quarter of the bytes
                self._writer.add_image(tag, cv2.resize(picture, half, interpolation=cv2.INTER_AREA), step)

    def flush(self) -> None:
        """Write out what was noted: a checkpoint that is saved afterwards finds all of it in the file."""
        if self._writer is not None:
            self._writer.flush()


def choose_samples(good: Iterable[Sample], validation: Iterable[Sample]) -> list[Sample]:
    """The first two good images, and one image with a mask of each of up to four kinds of defects."""
    defects = {sample.defect_type: sample for sample in validation if sample.mask is not None}
    return [*list(good)[:2], *(defects[name] for name in sorted(defects)[:4])]


def _cut(path: Path, step: int, evaluated: bool) -> None:
    """Keep the whole records up to a step; a process that was killed may have left half a one at the end."""
    from visualdl.proto.record_pb2 import Record

    if not path.is_file():
        return
    data, start, kept = path.read_bytes(), 0, bytearray()
    while start + _LENGTH.size <= len(data):
        end = start + _LENGTH.size + _LENGTH.unpack_from(data, start)[0]
        if end > len(data):
            break
        record = Record()
        record.ParseFromString(data[start + _LENGTH.size : end])
        if step and all(_is_before(value, step, evaluated) for value in record.values):
            kept += data[start:end]
        start = end
    with atomic_path(path) as temporary:
        temporary.write_bytes(kept)


def _is_before(value: Any, step: int, evaluated: bool) -> bool:
    return value.id < step or (value.id == step and (evaluated or value.tag in (LOSS, RATE)))
