"""From trained weights to a model that can be used: calibrated on held-out images, exported, held against val.txt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from paddlex.config_schema import Config
from paddlex.data.dataset import VAL_LIST, read_samples
from paddlex.data.tiles import TileSample
from paddlex.errors import PaddleXError, TrainingError
from paddlex.evaluation.evaluator import validation_scores
from paddlex.evaluation.metrics.curves import Ranking
from paddlex.inference.backends import open_backend
from paddlex.inference.calibration import Calibration
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.reading import Reading
from paddlex.inference.tiling import Tiling
from paddlex.modules.image_anomaly_detection.calibration.calibrator import calibrate, calibrate_tiles
from paddlex.modules.image_anomaly_detection.export.exporter import (
    add_onnx,
    export,
    export_partial_maps,
    write_inference_config,
)
from paddlex.modules.image_anomaly_detection.model import save_arrays
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches, consecutive
from paddlex.modules.image_anomaly_detection.training.manifest import Manifest
from paddlex.utils.devices import resolve_device
from paddlex.utils.files import atomic_directory
from paddlex.utils.logging import logger
from paddlex.utils.progress import begin_step

BEST_MODEL = "best_model"

#: Where the best model of the training before this one is kept; that of the one before it goes.
PREVIOUS_BEST_MODEL = "best_model_previous"

INFERENCE = "inference"
WEIGHTS = "model.pdparams"

#: What helps where val.txt cannot serve, besides asking for nothing that needs it.
LIST_BOTH = "or list normal images and defective ones with masks"


class Completion:
    """Makes models complete.

    Args:
        config: the whole config; Train and Global are read.
        device: the resolved device's name.

    Raises:
        DatasetError, TrainingError: ``calibration.rule`` asks for val.txt, and it cannot serve.
    """

    def __init__(self, config: Config, device: str) -> None:
        self._options, self._device, self._output = config.Train, device, config.output
        self._dataset_dir, self._most = config.Global.dataset_dir or "", config.Global.max_megapixels
        if self._options.calibration.rule == "best_f1":
            self.check_validation_list(f"Set Train.calibration.rule=target_fpr, {LIST_BOTH}")

    def finish(
        self, network: AnomalyNetwork, card: ModelCard, calibration: Calibration, folder: Path, *, onnx: bool = False
    ) -> ModelCard:
        """Write weights, card and inference folder of a calibrated network into a folder that is there.

        Args:
            network: in evaluation mode.
            card: what is known of it, but for its thresholds.
            calibration: these.
            folder: where to.
            onnx: whether the ONNX file is written now: val.txt is then judged several times as fast.

        Returns:
            The card, with its thresholds.
        """
        export(network, replace(card, calibration=calibration), folder / INFERENCE)
        if onnx:
            try_to_add_onnx(folder / INFERENCE, network)
        card = replace(card, calibration=self._consider_best_f1(calibration, folder / INFERENCE))
        save_arrays(network.state_dict(), folder / WEIGHTS)
        card.save(folder / WEIGHTS)
        write_inference_config(card, folder / INFERENCE, network)
        return card

    def publish(
        self, network: AnomalyNetwork, card: ModelCard, calibration: Calibration, warnings: Sequence[str] = ()
    ) -> Fitted:
        """Make of a calibrated network the best model below ``Global.output``, whole or not at all; the one before is kept.

        Args:
            network: in evaluation mode.
            card: what is known of it, but for its thresholds.
            calibration: these.
            warnings: what the user should know, in sentences.
        """
        best, previous = self._output / BEST_MODEL, self._output / PREVIOUS_BEST_MODEL
        keep = previous if best.is_dir() else None
        begin_step("Exporting the model")
        with atomic_directory(best, keep) as temporary:
            card = self.finish(network, card, calibration, temporary, onnx=True)
            Manifest(order=0).write(temporary)
        assert card.calibration is not None
        log_thresholds(card.calibration, keep)
        facts = {"previous_best_model": keep and keep.relative_to(self._output).as_posix()}
        return Fitted(card, {"best": best}, facts=facts, warnings=list(warnings))

    def calibrate(self, network: AnomalyNetwork, card: ModelCard, held_out: ImageBatches) -> Calibration:
        """Statistics and thresholds from normal images that the network has not seen; it must be in evaluation mode."""
        images, options = held_out(consecutive(len(held_out), self._options.batch_size)), self._options.calibration
        if card.tiling is not None:
            return self._calibrate_tiles(network, card, card.tiling, held_out, images)
        return calibrate(network, images, options, card.size, held_out.inspected, card.regions)

    def _calibrate_tiles(
        self,
        network: AnomalyNetwork,
        card: ModelCard,
        tiling: Tiling,
        held_out: ImageBatches,
        batches: Iterable[np.ndarray],
    ) -> Calibration:
        """All tiles of all held-out photos go through the network: by the hundreds, so by the backend that ``predict`` has."""
        tiles = [sample for sample in held_out.samples if isinstance(sample, TileSample)]
        device = resolve_device(self._device)
        with TemporaryDirectory() as folder:
            graph = export_partial_maps(network, card, Path(folder))
            distances = open_backend(graph, "paddle" if device.is_gpu else "mkldnn", device).run
            return calibrate_tiles(
                network,
                distances,
                batches,
                tiles,
                self._options.calibration,
                tiling,
                card.transform,
                held_out.inspected,
                card.regions,
            )

    def validation_ranking(self, inference: Path) -> Ranking | None:
        """The image scores of val.txt by an exported model; None without normal or without anomalous images."""
        predictor = AnomalyPredictor(inference, device=self._device, max_megapixels=self._most, quiet=True)
        samples = read_samples(self._dataset_dir, VAL_LIST, Reading(max_megapixels=self._most))
        normal, anomalous = validation_scores(predictor, samples)
        return Ranking.of_samples(normal, anomalous) if normal.size and anomalous.size else None

    def _consider_best_f1(self, calibration: Calibration, inference: Path) -> Calibration:
        """Add the image threshold with the highest F1 on val.txt, if that has anomalous images; let it rule if it is to."""
        rules = self._options.calibration.rule == "best_f1"
        if self._options.tiling.tile_size and not rules:
            return calibration  # hundreds of tiles a photo, for a figure that evaluate tells as well
        try:
            ranking = self.validation_ranking(inference)
        except PaddleXError as error:
            if rules:
                raise
            logger.warning("The threshold of the highest F1 is not known: %s", error)
            return calibration
        if not rules:
            return replace(calibration, best_f1_threshold=None if ranking is None else ranking.best_f1()[1])
        best = known(ranking, remedy="Set Train.calibration.rule=target_fpr").best_f1()[1]
        method = "highest F1 on the validation images; figures measured on the same images flatter it"
        return replace(calibration, best_f1_threshold=best, image_threshold=best, method=method)

    def check_validation_list(self, remedy: str) -> None:
        """Refuse a validation list that nothing can be chosen by.

        Raises:
            DatasetError, TrainingError: val.txt cannot be read, or all of its images are of one kind.
        """
        with_mask = [sample.mask is not None for sample in read_samples(self._dataset_dir, VAL_LIST)]
        if all(with_mask) or not any(with_mask):
            missing = "normal" if all(with_mask) else "anomalous"
            where = Path(self._dataset_dir) / VAL_LIST
            raise TrainingError(f"the list has no {missing} images to choose by", where=where, remedy=remedy)


def known(ranking: Ranking | None, remedy: str) -> Ranking:
    """What a choice rests on; the lists looked right at the start, but only the masks themselves tell."""
    if ranking is None:
        raise TrainingError("val.txt has no normal or no anomalous images to choose by", remedy=remedy)
    return ranking


def log_thresholds(calibration: Calibration, previous_best: Path | None) -> None:
    """Say what a finished training has found, and where the model is that it has replaced."""
    if previous_best is not None:
        logger.info("The best model of the training before is kept in %s, until the next one.", previous_best)
    logger.info(
        "Thresholds: image %.4g (%s), pixel %.4g.",
        calibration.image_threshold, calibration.method, calibration.pixel_threshold,
    )  # fmt: skip


def try_to_add_onnx(inference: Path, network: AnomalyNetwork | None = None) -> None:
    """Let a model run in the engines for ONNX as well; nothing fails for want of it."""
    try:
        add_onnx(inference, network)
    except (PaddleXError, OSError) as error:
        logger.warning("The model has no ONNX file: %s", error)
