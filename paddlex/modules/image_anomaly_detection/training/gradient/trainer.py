"""Training: the student learns to match the teacher on normal images. ``train`` reads from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddlex.config_schema import Config
from paddlex.data.dataset import VAL_LIST, Sample, read_samples
from paddlex.data.tiles import into_tiles
from paddlex.errors import DatasetError, TrainingError, TrainingInterrupted
from paddlex.modules.image_anomaly_detection.models.gradient_options import GradientSection
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches, shuffled
from paddlex.modules.image_anomaly_detection.training.completion import BEST_MODEL, PREVIOUS_BEST_MODEL, log_thresholds
from paddlex.modules.image_anomaly_detection.training.gradient.augment import Augmentation
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint_completion import CheckpointCompletion
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint_store import (
    CHECKPOINTS,
    CheckpointStore,
    cannot_write,
)
from paddlex.modules.image_anomaly_detection.training.gradient.clock import TrainingClock
from paddlex.modules.image_anomaly_detection.training.gradient.distributed import Shard, World
from paddlex.modules.image_anomaly_detection.training.gradient.early_stopping import stops_early
from paddlex.modules.image_anomaly_detection.training.gradient.feature_files import FeatureFiles
from paddlex.modules.image_anomaly_detection.training.gradient.held_out import HeldOutLoss
from paddlex.modules.image_anomaly_detection.training.gradient.new_run import new_run
from paddlex.modules.image_anomaly_detection.training.gradient.resume import resume
from paddlex.modules.image_anomaly_detection.training.gradient.schedule import (
    learning_rate_at,
    usual_epochs,
    usual_interval,
)
from paddlex.modules.image_anomaly_detection.training.gradient.step import TrainingStep, features_of_shard
from paddlex.modules.image_anomaly_detection.training.gradient.teacher_features import TeacherFeatures
from paddlex.modules.image_anomaly_detection.training.gradient.train_curve import TRAIN_CURVE, draw_train_curve
from paddlex.modules.image_anomaly_detection.training.gradient.trouble import (
    check_divergence,
    warn_of_learning,
)
from paddlex.modules.image_anomaly_detection.training.gradient.visual_log import VisualLog, choose_samples
from paddlex.modules.image_anomaly_detection.training.normal_images import hold_out, normal_images, warn_of_images
from paddlex.modules.image_anomaly_detection.training.screening import find_suspects, learnt_from
from paddlex.modules.image_anomaly_detection.training.suspects import Suspect
from paddlex.modules.image_anomaly_detection.training.suspects_page import report_suspects
from paddlex.modules.image_anomaly_detection.training.training_list import signed_card_of, training_samples
from paddlex.utils.caches import cache_path
from paddlex.utils.devices import Device, resolve_device
from paddlex.utils.logging import logger
from paddlex.utils.progress import progress_bar
from paddlex.utils.signals import StopRequest


class Trainer:
    """One training run.

    Args:
        config: the whole config; Train and Global are read.
        device: the resolved device's name.
        world: the processes that train together; alone by default. The first one alone writes files.

    Raises:
        DatasetError, WeightsError: what is needed cannot be read.
        TrainingError: too few images, or the processes were started with different settings.
        ConfigError: an augmentation that is not known.

    Attributes:
        run: all that changes.
        warnings: what the user should know, in sentences; they are in the log too.
        suspects: the training images that may show defects; only the first process knows.
    """

    def __init__(self, config: Config, device: str, world: World | None = None) -> None:
        self.options, self.output, self.world = GradientSection.of(config), config.output, world or World()
        augmentation = Augmentation(self.options.augment, self.options.seed) if self.options.augment else None
        self.warnings: list[str] = []
        self.suspects: list[Suspect] = []
        samples = training_samples(config)
        holdout_percent = self.options.calibration.holdout_percent
        photos = self._without_suspects(normal_images(samples), config, resolve_device(device))
        paddle.seed(self.options.seed)
        fit, held_out = hold_out(photos, holdout_percent, self.options.seed)
        self.photos = [*held_out, *fit]
        self.fit_samples, self.held_out_samples = into_tiles(fit, held_out, self.options)
        if self.world.size > len(self.fit_samples):
            raise TrainingError(
                f"{len(self.fit_samples)} images to train on cannot be divided among {self.world.size} processes",
                remedy="Lower Train.processes, or list fewer GPUs in Global.device",
            )
        batches = len(self._batches(epoch=0))
        self.epochs = self.options.epochs_iters or usual_epochs(batches)
        self.eval_interval = self.options.eval_interval or usual_interval(self.epochs)
        self.total_steps = batches * self.epochs
        length = {"epochs_iters": self.epochs, "eval_interval": self.eval_interval}
        self.run = new_run(config, signed_card_of(config, samples), photos, length)
        logger.info("%d images to train on for %d epochs, %d held out.", len(fit), self.epochs, len(held_out))
        self.run.progress.processes = self.world.size
        self.world.check_same(self.run.settings)
        self.step = TrainingStep(self.run, self.world, self.options.ema_decay, self.options.amp)
        self.fit = ImageBatches(self.fit_samples, self.run.card.transform, augmentation=augmentation)
        self.held_out = ImageBatches(self.held_out_samples, self.run.card.transform)
        files = FeatureFiles(cache_path("teacher_features"))
        self.kept_features = TeacherFeatures(self.run.network, files=files)
        # an augmented image is another one in every epoch: nothing may be kept
        self.teacher_features = TeacherFeatures(self.run.network, 0) if augmentation else self.kept_features
        self.held_out_loss = HeldOutLoss(
            self.run.network, self.held_out, self.kept_features, self.options.batch_size, self.world
        )
        self.completion = CheckpointCompletion(config, device, self.held_out, self.options.best_by)
        self.checkpoints = CheckpointStore(self.output / CHECKPOINTS, self.options.keep_checkpoints)
        self.visual_log = self._visual_log(config) if self.options.visualdl and self.world.is_main else None
        self.previous_best: Path | None = None

    def _without_suspects(self, photos: Sequence[Sample], config: Config, device: Device) -> list[Sample]:
        """What there is to learn from and to hold out; the first process looks for suspects."""

        def lines() -> list[int]:
            self.suspects = find_suspects(photos, config, device)
            self.warnings += report_suspects(self.suspects, config)
            return [photo.line for photo in learnt_from(photos, self.suspects, self.options.robust)]

        remaining = set(self.world.by_main(lines))
        return [photo for photo in photos if photo.line in remaining]

    def train(self) -> dict[str, Path]:
        """Train, choose the best model on held-out normal images, calibrate it and export it.

        Writes below ``Global.output``: checkpoints/step_…/ and best_model/, each with model.* and inference/.

        Returns:
            The two folders: {best, last_1}; in all but the first of several processes, none.

        Raises:
            ImageReadError: an image that cannot be read.
            TrainingError: a loss that is not a number, or a run that cannot be resumed.
            TrainingInterrupted: SIGINT or SIGTERM came; a checkpoint was saved first.
        """
        is_resumed = self._resume()
        self._look_at_images()
        if not is_resumed:
            self._begin()
        progress, total_steps = self.run.progress, self.total_steps
        clock, self._saved_at = TrainingClock(progress.step), time.monotonic()
        if self.visual_log is not None:
            self.visual_log.start(progress.step, evaluated=progress.batch == 0)
        with (
            StopRequest(patient=self.world.size > 1) as stop,
            progress_bar(total_steps, progress.step, "Train", "step") as bar,
            self.visual_log or nullcontext(),
        ):
            while not self._is_over():
                batches = self._batches(progress.epoch)[progress.batch :]
                shards = [self.world.shard(batch) for batch in batches]
                pictures = self.fit([shard.numbers for shard in shards], progress.epoch)
                for shard, images in zip(shards, pictures, strict=True):
                    rate = self._learning_rate(progress.step)
                    self._step(shard, images, rate)
                    bar.update()
                    clock.count(shard.total)
                    if progress.step % self.options.log_interval == 0:
                        self._log_step(total_steps, rate, clock)
                    self._stop_if_asked(stop)
                    if self._is_time_to_save():
                        self._save_checkpoint()
                self._finish_epoch()
                self._stop_if_asked(stop)
            # a signal that comes now is too late to stop what takes seconds
            return self._finish() if self.world.is_main else {}

    def _resume(self) -> bool:
        """Go on from the checkpoint of ``resume_path``, which the first process alone has to see; whether there is one."""
        run, path = self.run, self.options.resume_path
        is_resumed = self.world.by_main(lambda: resume(run, self.checkpoints, path, self._warn))
        if is_resumed:
            with self.world.folder_of_main(lambda: self.checkpoints.path(run.progress.step)) as folder:
                if not self.world.is_main:
                    run.restore(folder)
        if run.progress.processes != self.world.size:
            self._warn(
                f"So far {run.progress.processes} process(es) trained, now {self.world.size}: the result is the same to "
                "rounding, not to the bit."
            )
            run.progress.processes = self.world.size
        return is_resumed

    def _look_at_images(self) -> None:
        """Read every image once, before hours are spent; the teacher's features of all are made in a fixed order."""
        if self.world.is_main:
            constant = [*self.fit.constant(), *self.held_out.constant()]
            for warning in warn_of_images(len(self.photos), constant):
                self._warn(warning)
        # one by one, and not as the steps come by: in which batch an image is may decide how the last bits of its features
        # are rounded, and the batches of a resumed run, or of another one that has left them in files, are others
        for name, images in (("held out", self.held_out), *(() if self.options.augment else (("fit", self.fit),))):
            batches = self.world.own_batches(len(images), 1)
            for (number,), image in zip(batches, images(batches), strict=True):
                self.kept_features([(name, number)], paddle.to_tensor(image))
        self.world.meet()

    def _begin(self) -> None:
        """Start a new run."""
        self.checkpoints.supersede()
        loss, _ = self.held_out_loss.measure()
        self.run.progress.start_loss = loss if math.isfinite(loss) else None

    def _is_over(self) -> bool:
        progress, stopping = self.run.progress, self.options.early_stopping
        scores = [self._score(entry) for entry in progress.history]
        is_stopped = stops_early(scores, stopping.patience, stopping.min_delta)
        return is_stopped or progress.epoch >= self.epochs

    def _batches(self, epoch: int) -> list[list[int]]:
        return shuffled(len(self.fit_samples), self.options.batch_size, self.options.seed, epoch)

    def _learning_rate(self, step: int) -> float:
        options = self.options
        return learning_rate_at(
            step, self.total_steps, options.learning_rate, options.lr_schedule, options.warmup_steps
        )

    def _step(self, shard: Shard, images: np.ndarray, rate: float) -> None:
        """One step of the optimiser."""
        x = paddle.to_tensor(images)
        self.step(x, features_of_shard(self.teacher_features, self.run.network, shard, x), rate, shard)

    def _finish_epoch(self) -> None:
        """Count the epoch; every ``eval_interval`` and at the end evaluate, keep the best model, save a checkpoint."""
        options, progress = self.options, self.run.progress
        self.step.settle()
        train_loss = progress.loss_sum / max(1, progress.batch)
        progress.epoch, progress.batch, progress.loss_sum = progress.epoch + 1, 0, 0.0
        if progress.epoch % self.eval_interval and progress.epoch != self.epochs:
            return
        entry = {"epoch": progress.epoch, "step": progress.step, "train_loss": train_loss}
        entry["held_out_loss"] = self.held_out_loss.checked(progress.step)
        if options.best_by == "auroc":
            entry["image_auroc"] = self.world.by_main(
                lambda: self.completion.validation_auroc(self.run.network, self.run.card)
            )
        score = self._score(entry)
        progress.history.append(entry)
        figures = ", ".join(f"{key} {value:.4f}" for key, value in entry.items() if isinstance(value, float))
        logger.info("Epoch %d/%d: %s.", progress.epoch, self.epochs, figures)
        if progress.best_score is None or score > progress.best_score:
            progress.best_score, progress.best_epoch, progress.best_step = score, progress.epoch, progress.step
        self._draw_curve()
        check_divergence(progress.history, progress.start_loss)  # before it is saved: nobody should go on from there
        if self.visual_log is not None:
            self.visual_log.evaluation(entry)
        self._save_checkpoint()

    def _score(self, entry: Mapping[str, Any]) -> float:
        """What the best model is chosen by; higher is better."""
        return entry["image_auroc"] if self.options.best_by == "auroc" else -entry["held_out_loss"]

    def _finish(self) -> dict[str, Path]:
        """Calibrate and export the best and the last model."""
        progress = self.run.progress
        for warning in warn_of_learning(progress.history, progress.start_loss, len(self.run.card.layers)):
            self._warn(warning)
        if progress.epoch < self.epochs:
            logger.info("Stopped early, after epoch %d of %d.", progress.epoch, self.epochs)
        self._draw_curve()
        best, last = self.output / BEST_MODEL, self.checkpoints.path(progress.step)
        try:
            self.previous_best = self._previous_of(best)
            calibration = self.completion.complete(
                self.run.network, self.checkpoints.path(progress.best_step), best, self.previous_best
            )
            if progress.best_step == progress.step:
                self.completion.copy(best, last)
            else:
                self.completion.complete(self.run.network, last, last)
        except OSError as error:
            raise cannot_write("the finished model", best, error, "; the training itself is done") from error
        logger.info("Best model: epoch %d of %d, in %s.", progress.best_epoch, progress.epoch, best)
        log_thresholds(calibration, self.previous_best)
        return {"best": best, "last_1": last}

    def _previous_of(self, best: Path) -> Path | None:
        """Where the model of another run that is in the way is to be kept; None where there is none."""
        return self.output / PREVIOUS_BEST_MODEL if best.is_dir() and not self.run.made(best) else None

    def _stop_if_asked(self, stop: StopRequest) -> None:
        """Stop, with a checkpoint, after a signal; all processes at the same step, whichever of them the signal came to."""
        signal_number = int(self.world.maximum([stop.signal_number or 0])[0])
        if not signal_number:
            return
        folder = self._save_checkpoint()
        self.world.leave()
        raise TrainingInterrupted(
            f"training was stopped by signal {signal_number} after step {self.run.progress.step}",
            signal_number=signal_number,
            where=folder,
            remedy=f"Go on with -o Train.resume_path={folder}",
        )

    def _is_time_to_save(self) -> bool:
        minutes = self.options.save_interval
        if minutes is None:
            return False
        return bool(self.world.maximum([time.monotonic() - self._saved_at >= 60 * minutes])[0])

    def _save_checkpoint(self) -> Path:
        self.step.settle()  # a loss that is not a number is found before it is saved
        if self.visual_log is not None:
            self.visual_log.flush()
        folder = self.world.by_main(lambda: str(self.checkpoints.save(self.run)))
        self._saved_at = time.monotonic()
        return Path(folder)

    def _draw_curve(self) -> None:
        if not self.world.is_main:
            return
        rates = [self._learning_rate(step) for step in range(self.run.progress.step)]
        draw_train_curve(self.output / TRAIN_CURVE, self.run.progress, rates, self.options.best_by)

    def _visual_log(self, config: Config) -> VisualLog:
        validation = []
        with suppress(DatasetError):  # without val.txt there are pictures of good parts only
            validation = read_samples(config.Global.dataset_dir or "", VAL_LIST, self.photos[0].reading)
        samples = choose_samples(self.photos, validation)
        return VisualLog(self.output, samples, lambda: self.completion.predictor(self.run.network, self.run.card))

    def _warn(self, text: str) -> None:
        if self.world.is_main:
            logger.warning("%s", text)
            self.warnings.append(text)

    def _log_step(self, total_steps: int, rate: float, clock: TrainingClock) -> None:
        progress, loss = self.run.progress, self.step.settle()
        if self.visual_log is not None:
            self.visual_log.step(progress.step, loss, rate)
        logger.info(
            "epoch %d/%d step %d/%d loss %.4f lr %.4g %.1f images/s, %s left",
            progress.epoch + 1, self.epochs, progress.step, total_steps,
            loss, rate, clock.images_per_second(), clock.left(progress.step, total_steps),
        )  # fmt: skip
