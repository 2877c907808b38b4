"""From trained weights to a model that can be used: calibrated on held-out images, exported, held against val.txt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from paddle import nn

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
from paddlex.modules.image_anomaly_detection.export.exporter import export, export_distances, write_inference_config
from paddlex.modules.image_anomaly_detection.model import save_arrays
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches, consecutive
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import WEIGHTS, read_tensors
from paddlex.modules.image_anomaly_detection.training.manifest import Manifest
from paddlex.utils.devices import resolve_device
from paddlex.utils.files import atomic_directory, copy_files
from paddlex.utils.logging import logger

INFERENCE = "inference"


class Completion:
    """Makes models complete.

    Args:
        config: the whole config; Train and Global are read.
        device: the resolved device's name.
        held_out: normal images that the student is not trained on.

    Raises:
        DatasetError, TrainingError: val.txt is asked for, by ``best_by`` or ``calibration.rule``, and cannot serve.
    """

    def __init__(self, config: Config, device: str, held_out: ImageBatches) -> None:
        self._options, self._device, self._held_out = config.Train, device, held_out
        self._dataset_dir, self._most = config.Global.dataset_dir or "", config.Global.max_megapixels
        for key, wants_validation in (
            ("Train.best_by=loss", self._options.best_by == "auroc"),
            ("Train.calibration.rule=target_fpr", self._options.calibration.rule == "best_f1"),
        ):
            if wants_validation:
                self._check_validation_list(remedy=f"Set {key}, or list normal images and defective ones with masks")

    def complete(self, network: nn.Layer, checkpoint: Path, folder: Path, keep: Path | None = None) -> Calibration:
        """Make a folder like a checkpoint, but calibrated and with the inference folder in it: whole or not at all.

        Args:
            network: takes the weights; it is left in evaluation mode.
            checkpoint: is read.
            folder: replaced if it exists; it may be the checkpoint itself.
            keep: the name that the folder which is replaced gets; None deletes it.
        """
        with atomic_directory(folder, keep) as temporary:
            copy_files(checkpoint, temporary)
            calibration = self._complete_in_place(network, temporary)
            manifest = Manifest.read(checkpoint) or Manifest(order=0)
            manifest.write(temporary)
        return calibration

    def copy(self, complete: Path, checkpoint: Path) -> None:
        """Replace a checkpoint by a complete folder of the same weights: whole or not at all."""
        manifest = Manifest.read(checkpoint) or Manifest(order=0)
        with atomic_directory(checkpoint) as temporary:
            copy_files(complete, temporary)
            manifest.write(temporary)

    def _complete_in_place(self, network: nn.Layer, folder: Path) -> Calibration:
        network.eval()
        network.set_state_dict(read_tensors(folder / WEIGHTS))
        card = ModelCard.load(folder / WEIGHTS)
        if card is None:
            raise TrainingError("the model's card is missing", where=folder, remedy="Train again")
        calibration = self._calibrate(network, card)
        export(network, replace(card, calibration=calibration), folder / INFERENCE)
        calibration = self._consider_best_f1(calibration, folder / INFERENCE)
        card = replace(card, calibration=calibration)
        save_arrays(network.state_dict(), folder / WEIGHTS)
        card.save(folder / WEIGHTS)
        write_inference_config(card, folder / INFERENCE, network)
        return calibration

    def validation_auroc(self, network: nn.Layer, card: ModelCard) -> float:
        """Image AUROC on val.txt of a network as it would be exported now; it is left in the mode it was in.

        Raises:
            TrainingError: the masks of val.txt leave no normal or no anomalous image.
        """
        with self.predictor(network, card) as predictor:
            ranking = self._validation_ranking(predictor)
        return _known(ranking, remedy="Set Train.best_by=loss").auroc()

    @contextmanager
    def predictor(self, network: nn.Layer, card: ModelCard) -> Iterator[AnomalyPredictor]:
        """A network as it would be exported now, ready to judge images; it is left in the mode it was in."""
        was_training = network.training
        network.eval()
        card = replace(card, calibration=self._calibrate(network, card))
        with TemporaryDirectory() as folder:
            export(network, card, Path(folder) / INFERENCE)
            if was_training:
                network.train()
            yield AnomalyPredictor(Path(folder) / INFERENCE, device=self._device, max_megapixels=self._most, quiet=True)

    def _calibrate(self, network: nn.Layer, card: ModelCard) -> Calibration:
        batches = consecutive(len(self._held_out), self._options.batch_size)
        images, options = self._held_out(batches), self._options.calibration
        if card.tiling is not None:
            return self._calibrate_tiles(network, card, card.tiling, images)
        return calibrate(network, images, options, (card.image_size, card.image_size))

    def _calibrate_tiles(
        self, network: nn.Layer, card: ModelCard, tiling: Tiling, batches: Iterable[np.ndarray]
    ) -> Calibration:
        """All tiles of all held-out photos go through the network: by the hundreds, so by the backend that ``predict`` has."""
        tiles = [sample for sample in self._held_out.samples if isinstance(sample, TileSample)]
        device = resolve_device(self._device)
        with TemporaryDirectory() as folder:
            graph = export_distances(network, card, Path(folder))
            distances = open_backend(graph, "paddle" if device.is_gpu else "mkldnn", device).run
            return calibrate_tiles(
                network, distances, batches, tiles, self._options.calibration, tiling, card.transform
            )

    def _consider_best_f1(self, calibration: Calibration, inference: Path) -> Calibration:
        """Add the image threshold with the highest F1 on val.txt, if that has anomalous images; let it rule if it is to."""
        rules = self._options.calibration.rule == "best_f1"
        if self._options.tiling.tile_size and not rules:
            return calibration  # hundreds of tiles a photo, for a figure that evaluate tells as well
        try:
            predictor = AnomalyPredictor(inference, device=self._device, max_megapixels=self._most, quiet=True)
            ranking = self._validation_ranking(predictor)
        except PaddleXError as error:
            if rules:
                raise
            logger.warning("The threshold of the highest F1 is not known: %s", error)
            return calibration
        if not rules:
            return replace(calibration, best_f1_threshold=None if ranking is None else ranking.best_f1()[1])
        best = _known(ranking, remedy="Set Train.calibration.rule=target_fpr").best_f1()[1]
        method = "highest F1 on the validation images; figures measured on the same images flatter it"
        return replace(calibration, best_f1_threshold=best, image_threshold=best, method=method)

    def _validation_ranking(self, predictor: AnomalyPredictor) -> Ranking | None:
        """The image scores of val.txt; None without normal or without anomalous images."""
        samples = read_samples(self._dataset_dir, VAL_LIST, Reading(max_megapixels=self._most))
        normal, anomalous = validation_scores(predictor, samples)
        return Ranking.of_samples(normal, anomalous) if normal.size and anomalous.size else None

    def _check_validation_list(self, remedy: str) -> None:
        with_mask = [sample.mask is not None for sample in read_samples(self._dataset_dir, VAL_LIST)]
        if all(with_mask) or not any(with_mask):
            missing = "normal" if all(with_mask) else "anomalous"
            where = Path(self._dataset_dir) / VAL_LIST
            raise TrainingError(f"the list has no {missing} images to choose by", where=where, remedy=remedy)


def _known(ranking: Ranking | None, remedy: str) -> Ranking:
    """What a choice rests on; the lists looked right at the start, but only the masks themselves tell."""
    if ranking is None:
        raise TrainingError("val.txt has no normal or no anomalous images to choose by", remedy=remedy)
    return ranking
