"""Read, transform, run, decide: the one path from an image to its result."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from paddlex.errors import ModelError, PartNotFoundError
from paddlex.inference.backends import Backend, open_backend
from paddlex.inference.batch_predictor import FAILURES, BatchPredictor, Outcome, as_outcome, reading_for
from paddlex.inference.calibration import scaled
from paddlex.inference.checked import named, optional, whole
from paddlex.inference.inputs import Source, origin
from paddlex.inference.official_models import open_model
from paddlex.inference.parallel import in_order
from paddlex.inference.position import NOT_FOUND, NOT_FOUND_SCORE
from paddlex.inference.postprocess import Limits, anomaly_mask, anomaly_score
from paddlex.inference.preparation import NOTHING
from paddlex.inference.regions import ZoneAt, find_regions
from paddlex.inference.results import AnomalyResult
from paddlex.inference.tiling import Tiling, blended_map
from paddlex.inference.view import View, judged
from paddlex.utils.devices import resolve_device
from paddlex.utils.logging import logger
from paddlex.utils.paddle_environment import default_threads

if TYPE_CHECKING:
    from paddlex.inference.refit import RefitResult


class AnomalyPredictor(BatchPredictor):
    """A trained model, ready to judge images.

    Args:
        model_dir, model_name, product: which model, see ``open_model``.
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
        product: str | None = None,
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
        self.product = product
        self.folder = open_model(model_name, model_dir, product)
        self.limits = self.folder.limits_at(
            threshold=threshold, score_threshold=score_threshold, target_fpr=target_fpr, min_area=min_area
        )
        self.preparation = self.folder.own.preparation or NOTHING
        self.device = resolve_device(device)
        self.backend = open_backend(self.folder, run_mode, self.device, threads, quiet=quiet)
        self.batch_size = named("batch_size", whole(1), batch_size)
        self.threads = threads or default_threads()
        self._concurrent: Backend | None = None
        self.tiling = self.folder.own.tiling if tiling is None else Tiling.of(tiling)
        self.reading = reading_for(self.folder.own.bit_depth, bit_depth, max_megapixels)
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

    @property
    def takes_one(self) -> bool:
        """With tiling: an image's tiles are batch enough, and several large images at once would be too large."""
        return self.tiling is not None

    def opened_for_many(self) -> AnomalyPredictor:
        """The same model with one network run on each core at once, where the backend can.

        That judges more images a second than all cores on one image after the other, which answers a single image sooner.
        """
        is_worth_it = self.backend.is_concurrent and self.threads > 1 and not self.device.is_gpu
        if self._concurrent is None and is_worth_it:
            self._concurrent = open_backend(self.folder, self.backend.run_mode, self.device, 1, self.threads)
        other = copy(self)
        other.backend = self._concurrent or self.backend
        return other

    def refit(self, images: Source | Iterable[Source], save_dir: str | os.PathLike[str], **options: Any) -> RefitResult:
        """Let the model learn anew from these good parts alone, and write it as a new folder; this one goes on as it is.

        Args:
            images: good parts, as ``predict`` takes them.
            save_dir: the new folder, which ``create_model`` opens.
            options: ``false_alarms``, ``seed``, ``target_fpr``, ``regions`` and ``progress`` of ``refit.refit``, where all is
                explained.
        """
        from paddlex.inference.refit import refit

        run_mode = self.backend.run_mode if self.backend.run_mode in ("onnx", "openvino") else "auto"
        depth, most = self.reading.bit_depth, self.reading.max_megapixels
        given = {"run_mode": run_mode, "bit_depth": depth, "max_megapixels": most, **options}
        return refit(self.folder.path, images, save_dir, **given)

    def outcomes(self, images: Sequence[np.ndarray], sources: Sequence[Source | None] | None = None) -> list[Outcome]:
        """What ``judge`` does, but an image that cannot be judged has its error for an outcome, and the others are judged."""
        sources = [None] * len(images) if sources is None else sources
        if not images:
            return []
        try:
            views, maps = self._views_and_maps(images)
            return [self._outcome(*item) for item in zip(sources, images, views, maps, strict=True)]
        except FAILURES as error:
            if len(images) == 1:
                return [as_outcome(error, sources[0])]
        return [self.outcomes([image], [source])[0] for image, source in zip(images, sources, strict=True)]

    def photo_maps(self, images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """uint8 [H, W, 3] BGR images of any sizes -> the raw map of each in its own pixels, float32 [H, W]: a result's
        ``anomaly_map`` without the rest of it.

        Raises:
            NotFiniteError: the network's answer to an image has a value that is not finite.
            ModelError: an image cannot be judged for another reason.
        """
        views, maps = self._views_and_maps(images)
        for image, view, anomaly_map in zip(images, views, maps, strict=True):
            anomaly_score(anomaly_map)
            yield view.in_photo(self._judged(anomaly_map, view), *image.shape[:2])

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
        worker = self.opened_for_many()
        for maps in in_order(lambda batch: list(worker.photo_maps(batch)), batches, max(2, self.threads)):
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

    def _views_and_maps(self, images: Sequence[np.ndarray]) -> tuple[list[View], Iterator[np.ndarray]]:
        """What the network sees of each image, and its map; the network does not see one in which the part is not found."""
        views = [self.preparation(image) for image in images]
        maps = iter(self._maps([view for view in views if view.is_found]))
        not_found = np.full((1, 1), NOT_FOUND_SCORE, np.float32)
        return views, (next(maps) if view.is_found else not_found for view in views)

    def _maps(self, views: Sequence[View]) -> Iterable[np.ndarray]:
        """A map for each view: at the network's resolution, or with tiling at the view's own, one after another."""
        images = [view.image for view in views]
        if not images:
            return []
        if self.tiling is None:
            return self.anomaly_maps(images)
        return (blended_map(image, self.tiling, self.anomaly_maps) for image in images)

    def _judged(self, anomaly_map: np.ndarray, view: View) -> np.ndarray:
        """The map of a view where it is judged, in each zone brought to the scale of the thresholds."""
        if not view.is_found:
            return anomaly_map
        regions, calibration = self.preparation.regions, self.folder.calibration
        if regions is not None and calibration is not None and calibration.zones:
            anomaly_map = scaled(anomaly_map, regions.zones_at(*anomaly_map.shape), calibration.zones)
        return judged(anomaly_map, view.inspected)

    def _zones_in(self, view: View, height: int, width: int) -> ZoneAt | None:
        """From a pixel of a photo of a size to the name of its zone."""
        regions = self.preparation.regions
        if regions is None or not regions.zones:
            return None
        return lambda x, y: regions.zone_of(*view.place_of(x, y, height, width))

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
        except FAILURES as error:
            return as_outcome(error, source)

    def _result(self, source: Source | None, image: np.ndarray, view: View, anomaly_map: np.ndarray) -> AnomalyResult:
        height, width = image.shape[:2]
        position = view.position
        if position is not None and not position.found and self.preparation.refuses:
            remedy = "Look at the part and the camera, or take another model"
            raise PartNotFoundError(f"{NOT_FOUND} ({position.reason})", remedy=remedy)
        anomaly_score(anomaly_map)  # every value must be finite, also where nothing is judged
        anomaly_map = self._judged(anomaly_map, view)
        raw_score = anomaly_score(anomaly_map)
        full_map = view.in_photo(anomaly_map, height, width)
        inspected = view.inspected_in_photo(height, width)
        mask = anomaly_mask(full_map, self._limits_for(height, width), inspected)
        values: dict[str, Any] = {
            **origin(source),
            **({} if self.product is None else {"product": self.product}),
            **({} if position is None else {"position": position.to_dict()}),
            "is_anomalous": raw_score > self.limits.image.threshold or not view.is_found,
            "score": float(self.limits.image.normalise(raw_score)),
            "raw_score": raw_score,
            "threshold": self.limits.image.threshold,
            "pixel_threshold": self.limits.pixel.threshold,
            "anomalous_area": float(np.count_nonzero(mask) / mask.size),
            "regions": find_regions(mask[0], full_map, self.limits.pixel, self._zones_in(view, height, width)),
            "pred": mask,
            "anomaly_map": full_map,
            "input_img": image,
        }
        if inspected is not None:
            values |= {"inspected_area": float(inspected.mean()), "inspected": inspected}
        if self.preparation.regions is not None and self.preparation.regions.zones:
            zones = self.preparation.regions.zones_at(*view.image.shape[:2])
            values["zones"] = view.numbers_in_photo(zones, height, width)
        return AnomalyResult(values, self.limits.pixel)
