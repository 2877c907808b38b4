"""Read, transform, run, decide: the one path from an image to its result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from itertools import chain, islice
from typing import Any, Union

import cv2
import numpy as np

from paddlex.errors import ModelError, PaddleXError
from paddlex.inference import reading
from paddlex.inference.backends import Backend, open_backend
from paddlex.inference.checked import named, optional, whole
from paddlex.inference.inputs import Source, describe, expand, is_camera, origin, read_image
from paddlex.inference.model_folder import checked_argument
from paddlex.inference.official_models import open_model
from paddlex.inference.parallel import in_order
from paddlex.inference.postprocess import Limits, anomaly_mask, anomaly_score
from paddlex.inference.preparation import NOTHING
from paddlex.inference.reading import Reading
from paddlex.inference.regions import find_regions
from paddlex.inference.results import AnomalyResult
from paddlex.inference.tiling import Tiling, blended_map
from paddlex.inference.view import View, judged
from paddlex.utils.devices import resolve_device
from paddlex.utils.logging import logger
from paddlex.utils.paddle_environment import default_threads

#: What becomes of one image.
Outcome = Union[AnomalyResult, PaddleXError]

#: From how many batches a thread on it pays to open the network a second time, for many at once.
_MANY = 4

#: What one image can do to its own judging; anything else is an error in the program.
_FAILURES = (PaddleXError, cv2.error, MemoryError)


class AnomalyPredictor:
    """A trained model, ready to judge images.

    Args:
        model_dir, model_name: which model, see ``open_model``.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:0``.
        batch_size: images that the network takes at once, where ``predict`` is not told.
        run_mode: how the network is run: ``auto`` or one of ``backends.RUN_MODES``.
        threads: CPU threads to use; None for ``OMP_NUM_THREADS``, or all cores.
        threshold, score_threshold, target_fpr, min_area: other limits than the model's own, see ``ModelFolder.limits_at``.
        tiling: how large images are cut, see ``Tiling.of``; None as the model was made, 0 not at all.
        bit_depth: what the values of 16-bit pictures mean, see ``Reading``; None as the model was made.
        max_megapixels: a larger image is an error; None for ``MAX_MEGAPIXELS``.
        quiet: do not log which model runs where.

    Raises:
        ModelError: the folder cannot be used or holds another model, or nothing says where normal ends.
        DownloadError: the official model cannot be fetched.
        DeviceError: the device is not there.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None,
        *,
        model_name: str | None = None,
        device: str | None = None,
        batch_size: int = 1,
        run_mode: str = "auto",
        threads: int | None = None,
        threshold: float | None = None,
        score_threshold: float | None = None,
        target_fpr: float | None = None,
        min_area: float | None = None,
        tiling: Tiling | Mapping[str, Any] | int | None = None,
        bit_depth: int | None = None,
        max_megapixels: float | None = None,
        quiet: bool = False,
    ) -> None:
        threads = named("threads", optional(whole(1)), threads)
        self.folder = open_model(model_name, model_dir)
        self.limits = self.folder.limits_at(
            threshold=threshold, score_threshold=score_threshold, target_fpr=target_fpr, min_area=min_area
        )
        self.preparation = self.folder.own.preparation or NOTHING
        self.device = resolve_device(device)
        self.backend = open_backend(self.folder, run_mode, self.device, threads, quiet=quiet)
        self.batch_size = named("batch_size", whole(1), batch_size)
        self._threads = threads or default_threads()
        self._concurrent: Backend | None = None
        self.tiling = self.folder.own.tiling if tiling is None else Tiling.of(tiling)
        self.reading = Reading(
            checked_argument("bit_depth", optional(reading.bit_depth), bit_depth) or self.folder.own.bit_depth,
            checked_argument("max_megapixels", optional(reading.megapixels), max_megapixels) or reading.MAX_MEGAPIXELS,
        )
        if quiet:
            return
        if len(self.device.indices) > 1:
            logger.warning("Only gpu:%d of %s is used; one model a GPU: --engine ray.", self.device.index, self.device)
        logger.info(
            "Model %s from %s on %s, run mode %s.",
            self.folder.model_name, self.folder.path, self.device, self.backend.run_mode,
        )  # fmt: skip
        if not self.folder.is_calibrated:
            logger.warning(
                "The model in %s is not calibrated. Its threshold: %s.", self.folder.path, self.limits.source
            )
        if doubt := self.folder.doubt(self.limits, target_fpr):
            logger.warning("In %s %s.", self.folder.path, doubt)
        self._log_tiling()

    def predict(
        self,
        input: Source | Iterable[Source],
        batch_size: int | None = None,
        on_error: Callable[[Source, PaddleXError], None] | None = None,
        read_ahead: bool | None = None,
    ) -> Iterator[AnomalyResult]:
        """Yield one result an image, in order, at the image's own size; only a few batches are in memory at a time.

        Args:
            input: a file, folder, glob, URL, video, camera (0 or ``camera:0``), encoded bytes, array (uint8 [H, W, 3], BGR) or
                an iterable of these. Of a video or camera every frame has a result.
            batch_size: images that the network takes at once, None for the model's; the results do not depend on it.
            on_error: called with the source and the error for an image that cannot be read or judged, which is then left
                out; without it the error is raised.
            read_ahead: whether later images may be read, and worked on by other threads, before the results of earlier ones
                are taken. None: for a folder, glob, list or tuple yes; for a camera or a generator no, since it
                may stand for a line that waits for its results.

        Raises:
            ImageReadError: an image that cannot be read.
            NotFiniteError: the network's answer to an image has a value that is not finite.
            ModelError: an image cannot be judged for another reason.
        """
        batch_size = self.batch_size if batch_size is None else batch_size
        batch_size = named("batch_size", whole(1), batch_size)
        if self.tiling is not None:  # its tiles are batch enough, and several large images at once would be too large
            batch_size, read_ahead = 1, False
        root = os.fspath(input) if isinstance(input, (str, os.PathLike)) and os.path.isdir(input) else None
        sources = expand(input)
        batches = iter(lambda: list(islice(sources, batch_size)), [])
        if read_ahead is None:
            read_ahead = isinstance(input, (str, os.PathLike, list, tuple)) and not is_camera(input)
        for batch in self._side_by_side(batches) if read_ahead else map(self._work, batches):
            for source, outcome in batch:
                if isinstance(outcome, AnomalyResult):
                    outcome.root = root
                    yield outcome
                elif on_error is None:
                    raise outcome
                else:
                    on_error(source, outcome)

    def _side_by_side(self, batches: Iterator[list[Source]]) -> Iterator[list[tuple[Source, Outcome]]]:
        """``_work`` for each batch, in order, on several threads: while one decodes, another runs the network."""
        workers = max(2, self._threads)
        first = list(islice(batches, _MANY * workers))
        if len(first) <= 1:
            return map(self._work, first)
        worker = self if len(first) < _MANY * workers else self._opened_for_many()
        return in_order(worker._work, chain(first, batches), workers)

    def _opened_for_many(self) -> AnomalyPredictor:
        """The same model with one network run on each core at once, where the backend can.

        That judges more images a second than all cores on one image after the other, which answers a single image sooner.
        """
        is_worth_it = self.backend.is_concurrent and self._threads > 1 and not self.device.is_gpu
        if self._concurrent is None and is_worth_it:
            self._concurrent = open_backend(self.folder, self.backend.run_mode, self.device, 1, self._threads)
        other = copy(self)
        other.backend = self._concurrent or self.backend
        return other

    def _work(self, sources: list[Source]) -> list[tuple[Source, Outcome]]:
        """Read and judge one batch; an image that cannot be read or judged has its error for an outcome."""
        images: list[np.ndarray] = []
        errors: list[PaddleXError | None] = []
        for source in sources:
            try:
                images.append(read_image(source, self.reading))
                errors.append(None)
            except PaddleXError as error:
                errors.append(error)
        read = [source for source, error in zip(sources, errors, strict=True) if error is None]
        outcomes = iter(self.outcomes(images, read))
        return [(source, error or next(outcomes)) for source, error in zip(sources, errors, strict=True)]

    def judge(
        self, images: Sequence[np.ndarray], sources: Sequence[Source | None] | None = None
    ) -> list[AnomalyResult]:
        """Judge images that are read already, all at once.

        Args:
            images: uint8 [H, W, 3] BGR, of any sizes.
            sources: where each comes from, for ``input_path``; None where that has no name.

        Raises:
            NotFiniteError: the network's answer to an image has a value that is not finite.
            ModelError: an image cannot be judged for another reason.
        """
        results = []
        for outcome in self.outcomes(images, sources):
            if isinstance(outcome, PaddleXError):
                raise outcome
            results.append(outcome)
        return results

    def outcomes(self, images: Sequence[np.ndarray], sources: Sequence[Source | None] | None = None) -> list[Outcome]:
        """What ``judge`` does, but an image that cannot be judged has its error for an outcome, and the others are judged."""
        sources = [None] * len(images) if sources is None else sources
        if not images:
            return []
        try:
            views = [self.preparation(image) for image in images]
            maps = self._maps(views)
            return [self._outcome(*item) for item in zip(sources, images, views, maps, strict=True)]
        except _FAILURES as error:
            if len(images) == 1:
                return [_as_outcome(error, sources[0])]
        return [self.outcomes([image], [source])[0] for image, source in zip(images, sources, strict=True)]

    def photo_maps(self, images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """uint8 [H, W, 3] BGR images of any sizes -> the raw map of each in its own pixels, float32 [H, W]: a result's
        ``anomaly_map`` without the rest of it.

        Raises:
            NotFiniteError: the network's answer to an image has a value that is not finite.
            ModelError: an image cannot be judged for another reason.
        """
        views = [self.preparation(image) for image in images]
        for image, view, anomaly_map in zip(images, views, self._maps(views), strict=True):
            anomaly_score(anomaly_map)
            yield view.in_photo(judged(anomaly_map, view.inspected), *image.shape[:2])

    def many_photo_maps(self, images: Iterable[np.ndarray], batch_size: int = 1) -> Iterator[np.ndarray]:
        """``photo_maps`` of many images, in order; the network runs on several threads, and a few images are taken ahead.

        Args:
            images: uint8 [H, W, 3] BGR, of any sizes.
            batch_size: images that the network takes at once; the maps do not depend on it.

        Raises:
            NotFiniteError, ModelError: as ``photo_maps`` does.
        """
        source = iter(images)
        batches = iter(lambda: list(islice(source, batch_size)), [])
        worker = self._opened_for_many()
        for maps in in_order(lambda batch: list(worker.photo_maps(batch)), batches, max(2, self._threads)):
            yield from maps

    def anomaly_maps(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Prepared images, uint8 [H, W, 3] BGR of any sizes -> raw maps at the network's resolution, float32 [N, h, w].

        Raises:
            ModelError: the graph cannot run, or its answer is no map for each image.
        """
        return self._output(images, self.folder.output)

    def paper_maps(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """The same as the model's paper has them, the graph's first output: what upstream PaddleX sees of a model."""
        return self._output(images, 0)

    def _output(self, images: Sequence[np.ndarray], number: int) -> np.ndarray:
        outputs = self.backend.run(self.folder.transform(images))
        if number >= len(outputs) or outputs[number].ndim != 4 or outputs[number].shape[:2] != (len(images), 1):
            shapes = ", ".join(str(list(output.shape)) for output in outputs)
            raise ModelError(
                f"the graph's output {number} is no map for each image; it gives {shapes} for {len(images)}",
                where=self.folder.path,
                remedy="Give a model for anomaly detection, or export it again",
            )
        return outputs[number][:, 0]

    def _maps(self, views: Sequence[View]) -> Iterable[np.ndarray]:
        """A map for each view: at the network's resolution, or with tiling at the view's own, one after another."""
        images = [view.image for view in views]
        if self.tiling is None:
            return self.anomaly_maps(images)
        return (blended_map(image, self.tiling, self.anomaly_maps) for image in images)

    def _limits_for(self, height: int, width: int) -> Limits:
        """The limits for an image of a size: with tiling, ``min_area`` is a share of a tile, not of however large an image."""
        if self.tiling is None:
            return self.limits
        share_of_image = min(1.0, self.tiling.tile_size**2 / (height * width))
        return replace(self.limits, min_area=self.limits.min_area * share_of_image)

    def _log_tiling(self) -> None:
        if self.tiling is not None:
            logger.info("Images are scanned in %s.", self.tiling)
        if self.tiling != self.folder.own.tiling:
            logger.warning(
                "The model was made for %s, and its thresholds are for these; %s may need a threshold of their own.",
                self.folder.own.tiling or "whole images", self.tiling or "whole images",
            )  # fmt: skip

    def _outcome(self, source: Source | None, image: np.ndarray, view: View, anomaly_map: np.ndarray) -> Outcome:
        try:
            return self._result(source, image, view, anomaly_map)
        except _FAILURES as error:
            return _as_outcome(error, source)

    def _result(self, source: Source | None, image: np.ndarray, view: View, anomaly_map: np.ndarray) -> AnomalyResult:
        height, width = image.shape[:2]
        anomaly_score(anomaly_map)  # every value must be finite, also where nothing is judged
        anomaly_map = judged(anomaly_map, view.inspected)
        raw_score = anomaly_score(anomaly_map)
        full_map = view.in_photo(anomaly_map, height, width)
        mask = anomaly_mask(full_map, self._limits_for(height, width), view.inspected_in_photo(height, width))
        values: dict[str, Any] = {
            **origin(source),
            "is_anomalous": raw_score > self.limits.image.threshold,
            "score": float(self.limits.image.normalise(raw_score)),
            "raw_score": raw_score,
            "threshold": self.limits.image.threshold,
            "pixel_threshold": self.limits.pixel.threshold,
            "anomalous_area": float(np.count_nonzero(mask) / mask.size),
            "regions": find_regions(mask[0], full_map, self.limits.pixel),
            "pred": mask,
            "anomaly_map": full_map,
            "input_img": image,
        }
        return AnomalyResult(values, self.limits.pixel)


def _as_outcome(error: Exception, source: Source | None) -> PaddleXError:
    """The error of one image, with the image's name where it has none."""
    where = None if source is None else describe(source)
    if isinstance(error, PaddleXError):
        return type(error)(error.what, where=where, remedy=error.remedy) if error.where is None else error
    reason = " ".join(str(error).split()) or type(error).__name__
    return ModelError(f"the image cannot be judged: {reason}", where=where, remedy="Try it alone, or a smaller one")
