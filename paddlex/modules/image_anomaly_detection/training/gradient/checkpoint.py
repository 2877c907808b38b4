"""A training run and its state on disk: what ``Train.resume_path`` needs to go on as if nothing had happened."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import paddle
from pydantic import TypeAdapter, ValidationError

from paddlex.errors import TrainingError, WeightsError
from paddlex.modules.image_anomaly_detection.model import save_arrays
from paddlex.modules.image_anomaly_detection.model_card import SUFFIX, ModelCard
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork
from paddlex.modules.image_anomaly_detection.training.completion import WEIGHTS
from paddlex.modules.image_anomaly_detection.training.manifest import Manifest, damage
from paddlex.modules.image_anomaly_detection.training.settings_difference import different_settings
from paddlex.utils.files import atomic_directory
from paddlex.utils.tensor_files import read_arrays

EMA = "model.pdema"
OPTIMISER = "model.pdopt"
FILES = (WEIGHTS, EMA, OPTIMISER, f"model{SUFFIX}")
_VELOCITY = "_velocity_0"  # what Paddle's Momentum adds to a parameter's name


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        step: optimiser steps done.
        epoch: epochs done.
        batch: batches done of the epoch that is under way.
        loss_sum: sum of the losses of those batches.
        best_score: the best selection score so far (higher is better), None before the first evaluation.
        best_epoch, best_step: the epoch and the step that it was reached after; the checkpoint of that step is the best model.
        start_loss: the loss on held-out images before the first step, None where it is not a number.
        history: one dict an evaluation: epoch, step, train_loss, held_out_loss, maybe image_auroc.
        processes: how many processes made the last step together.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    best_score: float | None = None
    best_epoch: int = 0
    best_step: int = 0
    start_loss: float | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    processes: int = 1


@dataclass
class Run:
    """All that changes while a student is trained.

    Attributes:
        network: teacher and student.
        optimiser: of the student's parameters.
        ema: the student's parameters, smoothed (an exponential moving average), by their names in the network.
        card: the model without its weights.
        settings: what must be the same when the run goes on.
        progress: how far it has come.
    """

    network: AnomalyNetwork
    optimiser: paddle.optimizer.Optimizer
    ema: dict[str, paddle.Tensor]
    card: ModelCard
    settings: dict[str, Any]
    progress: Progress = field(default_factory=Progress)

    def update_ema(self, decay: float) -> None:
        """Let the smoothed parameters follow: faster in the first steps, when they still remember random weights."""
        decay = min(decay, (1 + self.progress.step) / (10 + self.progress.step))
        with paddle.no_grad():
            for name, parameter in self.network.student.named_parameters():
                smoothed = self.ema[f"student.{name}"]
                smoothed.set_value(decay * smoothed + (1 - decay) * parameter)

    def save(self, folder: Path, manifest: Manifest) -> None:
        """Write model.pdparams, .pdema, .pdopt, .pdstates and manifest.json: all or none; a folder of that name is replaced."""
        with atomic_directory(folder) as temporary:
            weights = self.network.state_dict()
            save_arrays(weights, temporary / WEIGHTS)
            save_arrays({**weights, **self.ema}, temporary / EMA)
            save_arrays(self._velocities(), temporary / OPTIMISER)
            training = {**asdict(self.progress), "settings": self.settings}
            replace(self.card, training=training).save(temporary / WEIGHTS)
            manifest.write(temporary)

    def restore(self, folder: Path) -> None:
        """Take over the state that ``save`` wrote.

        Raises:
            TrainingError: files are missing or damaged, or the checkpoint was made with other settings.
            WeightsError: a file is unsafe.
        """
        what = damage(folder, FILES)
        card = None if what else ModelCard.load(folder / WEIGHTS)
        if card is None or "settings" not in card.training:
            raise TrainingError(
                f"the run cannot be resumed: {what or 'it is not a training checkpoint'}",
                where=folder,
                remedy="Train.resume_path=auto takes the last checkpoint of Global.output that is whole",
            )
        training = dict(card.training)
        _check_settings(training.pop("settings"), self.settings, folder)
        try:
            self.progress = TypeAdapter(Progress).validate_python(training)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            what = f"{'.'.join(map(str, problem['loc']))} in its training state is wrong: {problem['msg']}"
            remedy = "Resume from another checkpoint, or start anew without Train.resume_path"
            raise TrainingError(f"the run cannot be resumed: {what}", where=folder, remedy=remedy) from None
        weights = read_tensors(folder / WEIGHTS)
        # the statistics of a finished model are no part of a training's state
        self.network.set_state_dict({name: t for name, t in weights.items() if not name.startswith("fusion.")})
        smoothed = read_tensors(folder / EMA)
        self.ema = {name: smoothed[name] for name in self.ema}
        names = {name: parameter.name for name, parameter in self.network.student.named_parameters()}
        velocities = read_tensors(folder / OPTIMISER)
        self.optimiser.set_state_dict({names[name] + _VELOCITY: tensor for name, tensor in velocities.items()})

    def made(self, folder: Path) -> bool:
        """Whether a finished model is of this run, or of one with the same settings and the same course."""
        try:
            card = ModelCard.load(folder / WEIGHTS)
        except WeightsError:
            return False
        if card is None or "settings" not in card.training:
            return False
        history = card.training["history"]
        is_same_course = history == self.progress.history[: len(history)]
        return is_same_course and not different_settings(card.training["settings"], self.settings)

    def _velocities(self) -> dict[str, paddle.Tensor]:
        """The optimiser's state by the parameters' names; Paddle's own names count the layers made in the process."""
        state = self.optimiser.state_dict()
        parameters = self.network.student.named_parameters()
        return {name: state[p.name + _VELOCITY] for name, p in parameters if p.name + _VELOCITY in state}


def read_tensors(path: Path) -> dict[str, paddle.Tensor]:
    """Read a file that ``save_arrays`` wrote.

    Raises:
        WeightsError: it is damaged or unsafe.
    """
    return {name: paddle.to_tensor(array) for name, array in read_arrays(path).items()}


def _check_settings(stored: dict[str, Any], current: dict[str, Any], folder: Path) -> None:
    if different := different_settings(stored, current):
        key = different[0]
        raise TrainingError(
            f"the checkpoint was made with other settings: {', '.join(different)} "
            f"({key} was {stored.get(key)}, now {current.get(key)})",
            where=folder,
            remedy="Resume with the config.yaml of that run, or start a new one without Train.resume_path",
        )
