"""``Model.fit`` of the models in which a student learns from a teacher by gradients.

Of their network it needs, beside what every ``AnomalyNetwork`` has: ``teacher`` and ``student``, backbones of which the first
is frozen; ``teacher_features(x)``, what the student has to match; and ``loss(teacher, student)`` of these and the student's.
"""

from __future__ import annotations

from pathlib import Path

from paddlex.config_schema import Config
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.training.completion import WEIGHTS
from paddlex.modules.image_anomaly_detection.training.gradient.distributed import join_world
from paddlex.modules.image_anomaly_detection.training.gradient.train_curve import TRAIN_CURVE
from paddlex.modules.image_anomaly_detection.training.gradient.trainer import Trainer
from paddlex.utils.devices import Device


def fit(config: Config, device: Device) -> Fitted:
    """Train, alone or as one of several processes, of which the first one writes all files; see ``Trainer``."""
    trainer = Trainer(config, str(device), join_world(device.is_gpu))
    folders = trainer.train()
    run, output = trainer.run, config.output
    selection = trainer.options.best_by
    previous, log = trainer.previous_best, trainer.visual_log
    return Fitted(
        card=run.card,
        folders=folders,
        scores={name: _score(folder, selection) for name, folder in folders.items()},
        facts={
            "visualdl_log": "" if log is None else log.path.relative_to(output).as_posix(),
            "train_curve": TRAIN_CURVE,
            "previous_best_model": None if previous is None else previous.relative_to(output).as_posix(),
            "best_chosen_by": f"validation {selection}" if selection == "auroc" else "loss on held-out normal images",
            "best_epoch": run.progress.best_epoch,
            "epochs": run.progress.epoch,
            "start_loss": run.progress.start_loss,
            "history": run.progress.history,
        },
        warnings=trainer.warnings,
        suspects=trainer.suspects,
    )


def _score(folder: Path, selection: str) -> float:
    """What a model was chosen by."""
    card = ModelCard.load(folder / WEIGHTS)
    assert card is not None
    last = card.training["history"][-1]
    return float(last["image_auroc"] if selection == "auroc" else last["held_out_loss"])
