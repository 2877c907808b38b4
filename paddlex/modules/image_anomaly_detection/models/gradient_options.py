"""What the ``Train`` sections of all models that learn by gradients have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from paddlex.config_schema import BackboneSection, Config, HoldoutSection, PositiveInt, Section, TrainSection, UserPath
from paddlex.utils.devices import Device
from paddlex.utils.processes import processes_to_start

DEFAULT_LEARNING_RATE = 1.6


class EarlyStoppingSection(Section):
    """Stopping when the best model has not got better for a while."""

    patience: PositiveInt | None = None
    min_delta: Annotated[float, Field(ge=0)] = 0.0


class GradientSection(BackboneSection):
    """Mode train, for models that learn by gradients.

    ``epochs_iters`` and ``eval_interval`` count epochs, ``warmup_steps`` and ``log_interval`` steps. ``save_interval`` is in
    minutes.
    """

    epochs_iters: PositiveInt | None = None
    processes: PositiveInt | None = None
    learning_rate: Annotated[float, Field(gt=0)] = DEFAULT_LEARNING_RATE
    lr_schedule: Literal["one_cycle", "constant"] = "one_cycle"
    warmup_steps: Annotated[int, Field(ge=0, strict=True)] | None = None
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.95
    amp: Literal["bfloat16", "float16"] | None = None
    resume_path: UserPath | None = None
    log_interval: PositiveInt = 10
    eval_interval: PositiveInt | None = None
    best_by: Literal["loss", "auroc"] = "loss"
    keep_checkpoints: PositiveInt = 2
    save_interval: Annotated[float, Field(gt=0)] | None = 10
    early_stopping: EarlyStoppingSection = EarlyStoppingSection()
    augment: list[str] = []  # noqa: RUF012  (pydantic copies it)
    visualdl: bool = False
    calibration: HoldoutSection = HoldoutSection()

    @classmethod
    def of(cls, config: Config) -> GradientSection:
        """The section of a config that is for such a model."""
        assert isinstance(config.Train, cls)
        return config.Train

    @property
    def is_resumed(self) -> bool:
        return bool(self.resume_path)

    @property
    def needs_validation(self) -> bool:
        return self.best_by == "auroc" or super().needs_validation

    def __str__(self) -> str:
        length = f"{self.epochs_iters} epochs" if self.epochs_iters else "as many epochs as usual"
        share = 100 - self.calibration.holdout_percent
        return (
            f"{length}, batch {self.batch_size}, learning rate {self.learning_rate:g} ({self.lr_schedule}), {share:g} % of "
            "the training images"
        )

    def from_the_start(self) -> TrainSection:
        return self.model_copy(update={"resume_path": None})

    def processes_to_start(self, device: Device) -> int:
        return processes_to_start(self.processes, device, self.batch_size)
