"""From a checkpoint to a model that can be used, and how good it is on val.txt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from paddlex.config_schema import Config
from paddlex.errors import TrainingError
from paddlex.inference.calibration import Calibration
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.modules.image_anomaly_detection.export.exporter import export
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches
from paddlex.modules.image_anomaly_detection.training.completion import INFERENCE, LIST_BOTH, WEIGHTS, Completion, known
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import read_tensors
from paddlex.modules.image_anomaly_detection.training.manifest import Manifest
from paddlex.utils.files import atomic_directory, copy_files


class CheckpointCompletion:
    """Makes checkpoints complete.

    Args:
        config: the whole config; Train and Global are read.
        device: the resolved device's name.
        held_out: normal images that the student is not trained on.

    Raises:
        DatasetError, TrainingError: val.txt is asked for, by ``best_by`` or ``calibration.rule``, and cannot serve.
    """

    def __init__(self, config: Config, device: str, held_out: ImageBatches, best_by: str) -> None:
        self._common = Completion(config, device)
        self._device, self._held_out, self._most = device, held_out, config.Global.max_megapixels
        if best_by == "auroc":
            self._common.check_validation_list(f"Set Train.best_by=loss, {LIST_BOTH}")

    def complete(
        self, network: AnomalyNetwork, checkpoint: Path, folder: Path, keep: Path | None = None
    ) -> Calibration:
        """Make a folder like a checkpoint, but calibrated and with the inference folder in it: whole or not at all.

        Args:
            network: takes the weights; it is left in evaluation mode.
            checkpoint: is read.
            folder: replaced if it exists; it may be the checkpoint itself.
            keep: the name that the folder which is replaced gets; None deletes it.
        """
        with atomic_directory(folder, keep) as temporary:
            copy_files(checkpoint, temporary)
            network.eval()
            network.set_state_dict(read_tensors(temporary / WEIGHTS))
            card = ModelCard.load(temporary / WEIGHTS)
            if card is None:
                raise TrainingError("the model's card is missing", where=checkpoint, remedy="Train again")
            calibration = self._common.calibrate(network, card, self._held_out)
            card = self._common.finish(network, card, calibration, temporary)
            manifest = Manifest.read(checkpoint) or Manifest(order=0)
            manifest.write(temporary)
        assert card.calibration is not None
        return card.calibration

    def copy(self, complete: Path, checkpoint: Path) -> None:
        """Replace a checkpoint by a complete folder of the same weights: whole or not at all."""
        manifest = Manifest.read(checkpoint) or Manifest(order=0)
        with atomic_directory(checkpoint) as temporary:
            copy_files(complete, temporary)
            manifest.write(temporary)

    def validation_auroc(self, network: AnomalyNetwork, card: ModelCard) -> float:
        """Image AUROC on val.txt of a network as it would be exported now; it is left in the mode it was in.

        Raises:
            TrainingError: the masks of val.txt leave no normal or no anomalous image.
        """
        with self._exported(network, card) as inference:
            ranking = self._common.validation_ranking(inference)
        return known(ranking, remedy="Set Train.best_by=loss").auroc()

    @contextmanager
    def predictor(self, network: AnomalyNetwork, card: ModelCard) -> Iterator[AnomalyPredictor]:
        """A network as it would be exported now, ready to judge images; it is left in the mode it was in."""
        with self._exported(network, card) as inference:
            yield AnomalyPredictor(inference, device=self._device, max_megapixels=self._most, quiet=True)

    @contextmanager
    def _exported(self, network: AnomalyNetwork, card: ModelCard) -> Iterator[Path]:
        was_training = network.training
        network.eval()
        card = replace(card, calibration=self._common.calibrate(network, card, self._held_out))
        with TemporaryDirectory() as folder:
            export(network, card, Path(folder) / INFERENCE)
            if was_training:
                network.train()
            yield Path(folder) / INFERENCE
