"""Training: the student learns to match the teacher on normal images. ``train`` reads from top to bottom."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddlex.config_schema import Config, TrainSection
from paddlex.errors import TrainingError, TrainingInterrupted
from paddlex.modules.image_anomaly_detection.batches import ImageBatches, consecutive, shuffled
from paddlex.modules.image_anomaly_detection.checkpoint import (
    WEIGHTS,
    Run,
    find_checkpoint,
    keep_newest,
)
from paddlex.modules.image_anomaly_detection.completion import Completion
from paddlex.modules.image_anomaly_detection.dataset import TRAIN_LIST, Sample, read_samples
from paddlex.modules.image_anomaly_detection.feature_files import FeatureFiles
from paddlex.modules.image_anomaly_detection.model import new_network
from paddlex.modules.image_anomaly_detection.model_card import ModelCard
from paddlex.modules.image_anomaly_detection.networks.stfpm import feature_matching_loss
from paddlex.modules.image_anomaly_detection.schedule import learning_rate_at
from paddlex.modules.image_anomaly_detection.teacher_features import TeacherFeatures
from paddlex.modules.image_anomaly_detection.tiles import into_tiles
from paddlex.modules.image_anomaly_detection.training_step import TrainingStep, check_finite
from paddlex.utils.downloads import cache_folder
from paddlex.utils.files import atomic_directory
from paddlex.utils.logging import logger
from paddlex.utils.progress import progress_bar
from paddlex.utils.signals import StopRequest

BEST_MODEL = "best_model"
CHECKPOINTS = "checkpoints"

#: What may change between the parts of one run without changing its result.
_FREE_SETTINGS = {"resume_path", "pretrain_weight_path", "log_interval", "keep_checkpoints", "calibration"}


class Trainer:
    """One training run.

    Args:
        config: the whole config; Train and Global are read.
        device: the resolved device's name.

    Raises:
        DatasetError, WeightsError: what is needed cannot be read.
        TrainingError: too few images.
    """

    def __init__(self, config: Config, device: str) -> None:
        self.options, self.output = config.Train, config.output
        paddle.seed(self.options.seed)
        samples = read_samples(config.Global.dataset_dir or "", TRAIN_LIST)
        holdout_percent = self.options.calibration.holdout_percent
        fit, held_out = hold_out(samples, holdout_percent, self.options.seed)
        logger.info("%d images to train on, %d held out.", len(fit), len(held_out))
        self.fit_samples, self.held_out_samples = into_tiles(fit, held_out, self.options)
        self.run = _new_run(config, samples)
        self.fit = ImageBatches(self.fit_samples, self.run.card.transform)
        self.held_out = ImageBatches(self.held_out_samples, self.run.card.transform)
        files = FeatureFiles(cache_folder() / "teacher_features")
        self.teacher_features = TeacherFeatures(self.run.network, files=files)
        self.step = TrainingStep(self.run, self.options.ema_decay, self.options.amp)
        self.completion = Completion(config, device, self.held_out)

    def train(self) -> dict[str, Path]:
        """Train, choose the best model on held-out normal images, calibrate it and export it.

        Writes below ``Global.output``: checkpoints/step_…/ and best_model/, each with model.* and inference/.

        Returns:
            The two folders: {best, last_1}.

        Raises:
            ImageReadError: an image that cannot be read.
            TrainingError: a loss that is not a number, or a run that cannot be resumed.
            TrainingInterrupted: SIGINT or SIGTERM came; a checkpoint was saved first.
        """
        if self.options.resume_path:
            self._resume(find_checkpoint(self.options.resume_path))
        progress = self.run.progress
        steps_per_epoch = len(self._batches(epoch=0))
        total_steps = steps_per_epoch * self.options.epochs_iters
        clock = _Clock(progress.step)
        with StopRequest() as stop, progress_bar(total_steps, progress.step, "Train", "step") as bar:
            while progress.epoch < self.options.epochs_iters:
                batches = self._batches(progress.epoch)[progress.batch :]
                for numbers, images in zip(batches, self.fit(batches), strict=True):
                    rate = self._learning_rate(total_steps)
                    self._step(numbers, images, rate)
                    bar.update()
                    clock.count(len(numbers))
                    if progress.step % self.options.log_interval == 0:
                        self._log_step(total_steps, rate, clock)
                    if stop.signal_number is not None:
                        self._interrupt(stop.signal_number)
                self._finish_epoch()
                if stop.signal_number is not None:
                    self._interrupt(stop.signal_number)
            return self._finish()  # a signal that comes now is too late to stop what takes seconds

    def _batches(self, epoch: int) -> list[list[int]]:
        return shuffled(len(self.fit_samples), self.options.batch_size, self.options.seed, epoch)

    def _learning_rate(self, total_steps: int) -> float:
        options = self.options
        return learning_rate_at(
            self.run.progress.step, total_steps, options.learning_rate, options.lr_schedule, options.warmup_steps
        )

    def _step(self, numbers: Sequence[int], images: np.ndarray, rate: float) -> None:
        """One step of the optimiser."""
        x = paddle.to_tensor(images)
        self.step(x, self.teacher_features([("fit", n) for n in numbers], x), rate)

    def _finish_epoch(self) -> None:
        """Count the epoch; every ``eval_interval`` and at the end evaluate, keep the best model, save a checkpoint."""
        options, progress = self.options, self.run.progress
        self.step.settle()
        train_loss = progress.loss_sum / max(1, progress.batch)
        progress.epoch, progress.batch, progress.loss_sum = progress.epoch + 1, 0, 0.0
        if progress.epoch % options.eval_interval and progress.epoch != options.epochs_iters:
            return
        entry = {"epoch": progress.epoch, "step": progress.step, "train_loss": train_loss}
        entry["held_out_loss"] = self._held_out_loss()
        score = -entry["held_out_loss"]
        if options.best_by == "auroc":
            score = entry["image_auroc"] = self.completion.validation_auroc(self.run.network, self.run.card)
        progress.history.append(entry)
        figures = ", ".join(f"{key} {value:.4f}" for key, value in entry.items() if isinstance(value, float))
        logger.info("Epoch %d/%d: %s.", progress.epoch, options.epochs_iters, figures)
        if progress.best_score is None or score > progress.best_score:
            progress.best_score, progress.best_epoch = score, progress.epoch
            self.run.save(self.output / BEST_MODEL)
        self._save_checkpoint()

    def _held_out_loss(self) -> float:
        """The mean loss over the held-out images, with the batch statistics frozen."""
        self.run.network.eval()
        batches = consecutive(len(self.held_out_samples), self.options.batch_size)
        total, peaks = 0.0, np.zeros(len(self.run.card.layers))
        with paddle.no_grad():
            for numbers, images in zip(batches, self.held_out(batches), strict=True):
                x = paddle.to_tensor(images)
                teacher = self.teacher_features([("held out", n) for n in numbers], x)
                student = self.run.network.student(x)
                total += float(feature_matching_loss(teacher, student)) * len(numbers)
                peaks = np.maximum(peaks, [features.numpy().max() for features in student])
        self.run.network.train()
        loss = total / len(self.held_out_samples)
        check_finite(loss, f"on held-out images after step {self.run.progress.step}")
        if not peaks.all():
            raise TrainingError(
                f"the student is dead after step {self.run.progress.step}: its features are all zero",
                remedy="Lower Train.learning_rate",
            )
        return loss

    def _finish(self) -> dict[str, Path]:
        """Calibrate and export the best and the last model."""
        progress = self.run.progress
        best, last = self.output / BEST_MODEL, self._checkpoint_folder()
        calibration = self.completion.complete(self.run.network, best)
        if progress.best_epoch == progress.epoch:
            with atomic_directory(last) as temporary:
                shutil.copytree(best, temporary, dirs_exist_ok=True)
        else:
            self.completion.complete(self.run.network, last)
        logger.info("Best model: epoch %d of %d, in %s.", progress.best_epoch, progress.epoch, best)
        logger.info(
            "Thresholds: image %.4g (%s), pixel %.4g.",
            calibration.image_threshold, calibration.method, calibration.pixel_threshold,
        )  # fmt: skip
        return {"best": best, "last_1": last}

    def _resume(self, folder: Path) -> None:
        self.run.restore(folder)
        progress, own_best = self.run.progress, self.output / BEST_MODEL
        logger.info("Resumed from %s: epoch %d, step %d.", folder, progress.epoch, progress.step)
        best = folder if folder.name == BEST_MODEL else folder.parent.parent / BEST_MODEL
        if progress.best_epoch and not (best / WEIGHTS).is_file():
            raise TrainingError(
                f"the run cannot be resumed: its best model so far, of epoch {progress.best_epoch}, is missing",
                where=best,
                remedy="Put it back, or start a new run without Train.resume_path",
            )
        if progress.best_epoch and best.resolve() != own_best.resolve():  # the run goes on in another output folder
            with atomic_directory(own_best) as temporary:
                shutil.copytree(best, temporary, dirs_exist_ok=True)
            self._save_checkpoint()

    def _interrupt(self, signal_number: int) -> None:
        folder = self._save_checkpoint()
        raise TrainingInterrupted(
            f"training was stopped by signal {signal_number} after step {self.run.progress.step}",
            signal_number=signal_number,
            where=folder,
            remedy=f"Go on with -o Train.resume_path={folder}",
        )

    def _save_checkpoint(self) -> Path:
        self.step.settle()  # a loss that is not a number is found before it is saved
        folder = self._checkpoint_folder()
        self.run.save(folder)
        keep_newest(folder.parent, self.options.keep_checkpoints)
        return folder

    def _checkpoint_folder(self) -> Path:
        return self.output / CHECKPOINTS / f"step_{self.run.progress.step:07d}"

    def _log_step(self, total_steps: int, rate: float, clock: _Clock) -> None:
        progress, loss = self.run.progress, self.step.settle()
        logger.info(
            "epoch %d/%d step %d/%d loss %.4f lr %.4g %.1f images/s, %s left",
            progress.epoch + 1, self.options.epochs_iters, progress.step, total_steps,
            loss, rate, clock.images_per_second(), clock.left(progress.step, total_steps),
        )  # fmt: skip


class _Clock:
    """Speed since the last reading, and the time left at the mean speed so far."""

    def __init__(self, first_step: int) -> None:
        self._start = self._last = time.monotonic()
        self._first_step = first_step
        self._images = 0

    def count(self, images: int) -> None:
        self._images += images

    def images_per_second(self) -> float:
        now = time.monotonic()
        speed = self._images / max(now - self._last, 1e-9)
        self._last, self._images = now, 0
        return speed

    def left(self, step: int, total_steps: int) -> str:
        seconds = (time.monotonic() - self._start) / max(1, step - self._first_step) * (total_steps - step)
        return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def hold_out(samples: Sequence[Sample], percent: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """Divide the training samples into those to train on and those to choose and calibrate with, at least two of each.

    Raises:
        TrainingError: there are too few.
    """
    unique = list({sample.image: sample for sample in samples}.values())
    count = max(2, round(len(unique) * percent / 100))
    if len(unique) - count < 2:
        raise TrainingError(
            f"{len(unique)} different training images are too few: some train, at least 2 are held out",
            where=samples[0].root / TRAIN_LIST,
            remedy="Take more photos of good parts; 50 are a start, 200 are better",
        )
    held_out = set(np.random.default_rng([seed, len(unique)]).permutation(len(unique))[:count].tolist())
    return (
        [sample for number, sample in enumerate(unique) if number not in held_out],
        [sample for number, sample in enumerate(unique) if number in held_out],
    )


def _new_run(config: Config, samples: Sequence[Sample]) -> Run:
    options = config.Train
    network, card = new_network(ModelCard.from_config(config.Global.model, options), options.pretrain_weight_path)
    network.train()
    optimiser = paddle.optimizer.Momentum(
        learning_rate=options.learning_rate,
        momentum=options.momentum,
        use_nesterov=options.nesterov,
        weight_decay=options.weight_decay,
        parameters=network.student.parameters(),
    )
    ema = {f"student.{name}": parameter.clone().detach() for name, parameter in network.student.named_parameters()}
    return Run(network, optimiser, ema, card, _settings(options, card, samples))


def _settings(options: TrainSection, card: ModelCard, samples: Sequence[Sample]) -> dict[str, Any]:
    """What decides a run's result; a run that is resumed must have the same."""
    return {
        **options.model_dump(exclude=_FREE_SETTINGS),
        "calibration.holdout_percent": options.calibration.holdout_percent,
        "teacher weights (sha256)": card.teacher_weights["sha256"],
        "training images (sha256 of their names)": hashlib.sha256(
            "\n".join(sample.image for sample in samples).encode()
        ).hexdigest(),
    }
