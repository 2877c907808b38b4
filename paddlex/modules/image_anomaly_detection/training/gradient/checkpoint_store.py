"""The checkpoints of one output folder: written in order, the last few kept, the last good one found again.

The best model so far is a checkpoint like any other, which the later ones name together with its checksum. So one renaming
saves everything, and there is no moment at which a kill could leave a best model and a state that do not belong together.
"""

from __future__ import annotations

import errno
import math
import shutil
from pathlib import Path

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import FILES, WEIGHTS, Run
from paddlex.modules.image_anomaly_detection.training.manifest import Manifest, damage
from paddlex.utils.files import atomic_directory, copy_files
from paddlex.utils.logging import logger

CHECKPOINTS = "checkpoints"


class CheckpointStore:
    """The folder ``checkpoints`` of one output folder.

    Args:
        folder: it need not exist yet.
        keep: how many of the newest checkpoints stay; with them stay the best models that they name.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self._keep = keep
        self._superseded: list[Path] = []

    def path(self, step: int) -> Path:
        """Where the checkpoint after so many steps is, or will be."""
        return self.folder / f"step_{step:07d}"

    def save(self, run: Run) -> Path:
        """Write a checkpoint, then delete those that are no longer needed.

        Raises:
            TrainingError: it cannot be written; the earlier ones are untouched. Or the best model is no longer there.
        """
        path = self.path(run.progress.step)
        manifest = Manifest(self._next_order(), self._best_of(run))
        try:
            run.save(path, manifest)
            self._forget(path)
        except OSError as error:
            good = next((old for old in self._readable() if old != path), None)
            rest = f" from {good.name}, the last that is whole" if good else "; there is no earlier one yet"
            raise cannot_write(f"the checkpoint of step {run.progress.step}", path, error, rest) from error
        return path

    def newest_first(self) -> list[Path]:
        """All checkpoints, damaged ones too, the one written last in front; before it those that do not say when."""
        manifests = {path: Manifest.read(path) for path in self.folder.glob("step_*") if path.is_dir()}
        return sorted(
            manifests,
            key=lambda path: (math.inf if (manifest := manifests[path]) is None else manifest.order, path.name),
            reverse=True,
        )

    def find_last_good(self) -> tuple[Path | None, list[str]]:
        """The last checkpoint that is whole and whose best model is, None if there is none; and a warning for each passed over.

        Those that were passed over stay until the next one has been written.
        """
        passed_over: list[tuple[Path, str]] = []
        good = None
        for path in self.newest_first():
            what = damage(path, FILES) or damage_of_best(path)
            if what is None:
                good = path
                break
            passed_over.append((path, what))
        self._superseded = [path for path, _ in passed_over]
        instead = f"resumed from {good.name} instead" if good else "no other one is left: the run starts anew"
        return good, [f"The checkpoint {path} cannot be used ({what}); {instead}." for path, what in passed_over]

    def supersede(self) -> None:
        """The checkpoints that are here belong to another run: the first one of this run takes their place."""
        self._superseded = self.newest_first()
        if self._superseded:
            logger.info("The checkpoints of the training before go when this one saves its first: %s.", self.folder)

    def adopt_best(self, checkpoint: Path) -> None:
        """Copy the best model that a checkpoint of another folder names."""
        manifest = Manifest.read(checkpoint)
        if manifest is None or not manifest.best:
            return
        source = checkpoint.parent / manifest.best["folder"]
        with atomic_directory(self.folder / source.name) as temporary:
            copy_files(source, temporary)
            Manifest(self._next_order()).write(temporary)

    def _best_of(self, run: Run) -> dict[str, str]:
        """The best model as a manifest names it; {} where there is none, or where it is the checkpoint itself."""
        step = run.progress.best_step
        if step in (0, run.progress.step):
            return {}
        manifest = Manifest.read(self.path(step))
        if manifest is None:
            raise TrainingError(
                "the best model so far has disappeared during the training",
                where=self.path(step),
                remedy="Let nothing delete what is in checkpoints, and train again",
            )
        return {"folder": self.path(step).name, "sha256": manifest.files[WEIGHTS]}

    def _next_order(self) -> int:
        return 1 + max((manifest.order for manifest in self._readable().values()), default=0)

    def _readable(self) -> dict[Path, Manifest]:
        """The checkpoints that have a manifest, newest first."""
        manifests = ((path, Manifest.read(path)) for path in self.newest_first())
        return {path: manifest for path, manifest in manifests if manifest is not None}

    def _forget(self, newest: Path) -> None:
        for old in self._superseded:
            if old != newest and old.is_dir():
                shutil.rmtree(old)
        self._superseded = []
        checkpoints = self._readable()
        kept = list(checkpoints)[: self._keep]
        named = {checkpoints[path].best.get("folder") for path in kept}
        for old in self.newest_first():
            if old not in kept and old.name not in named:
                shutil.rmtree(old)


def last_checkpoint(output: Path) -> Path | None:
    """The newest checkpoint below ``Global.output`` that is whole: a training may be killed while it removes an older one."""
    return CheckpointStore(output / CHECKPOINTS, 1).find_last_good()[0]


def damage_of_best(checkpoint: Path) -> str | None:
    """What is wrong with the best model that a checkpoint names, in words; None if nothing."""
    manifest = Manifest.read(checkpoint)
    if manifest is None or not manifest.best:
        return None
    best = checkpoint.parent / manifest.best["folder"]
    if not best.is_dir():
        return f"its best model so far, {best.name}, is missing"
    what = damage(best, FILES)
    if what is None:
        of_best = Manifest.read(best)
        is_same = of_best is not None and of_best.files.get(WEIGHTS) == manifest.best["sha256"]
        what = None if is_same else "it is not the one that was saved with it"
    return what and f"its best model so far, {best.name}: {what}"


def cannot_write(what: str, where: Path, error: OSError, rest: str = "") -> TrainingError:
    """An error for what does not fit on the disk, or must not be written there.

    Args:
        what: could not be written.
        where: its path.
        error: from the operating system.
        rest: what else to say about going on.
    """
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "Free some space" if is_full else "Make the folder writable"
    return TrainingError(
        f"{what} cannot be written: {error.strerror or error}",
        where=where,
        remedy=f"{remedy}, then go on with -o Train.resume_path=auto{rest}",
    )
