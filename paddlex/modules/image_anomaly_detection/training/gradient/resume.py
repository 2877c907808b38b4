"""Going on with a run that was interrupted: which checkpoint is meant, and whether it can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import WEIGHTS, Run
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint_store import CheckpointStore, damage_of_best
from paddlex.utils.logging import logger

#: ``Train.resume_path``: the last checkpoint of the output folder that is whole, a new run if there is none.
AUTO = "auto"


def resume(run: Run, store: CheckpointStore, resume_path: str | None, warn: Callable[[str], None]) -> bool:
    """Take over the state that ``Train.resume_path`` asks for.

    Args:
        run: a new one; takes over the state.
        store: of the run's own output folder.
        resume_path: ``auto``, a checkpoint of this or another output folder, or None for a new run.
        warn: called with a sentence for each checkpoint that had to be passed over.

    Returns:
        Whether there was a state to take over; if not, a new run begins.

    Raises:
        TrainingError: the checkpoint that is asked for is missing, damaged or of another run.
    """
    if not resume_path:
        return False
    if resume_path == AUTO:
        folder, warnings = store.find_last_good()
        for warning in warnings:
            warn(warning)
        if folder is None:
            logger.info("There is no checkpoint in %s to resume from: a new run starts.", store.folder)
            return False
    else:
        folder = find_checkpoint(resume_path)
    run.restore(folder)
    what = damage_of_best(folder)
    if what:
        raise TrainingError(
            f"the run cannot be resumed: {what}",
            where=folder,
            remedy="Put it back beside the checkpoint, or start a new run without Train.resume_path",
        )
    logger.info("Resumed from %s: epoch %d, step %d.", folder, run.progress.epoch, run.progress.step)
    if folder.resolve().parent != store.folder.resolve():  # the run goes on in another output folder
        store.supersede()
        store.adopt_best(folder)
        store.save(run)
    return True


def find_checkpoint(resume_path: str) -> Path:
    """The checkpoint folder that a user means by the folder itself, any of its files, or ``<folder>/model``.

    Raises:
        TrainingError: there is none.
    """
    path = Path(resume_path)
    for folder in (path, path.parent):
        if (folder / WEIGHTS).is_file():
            return folder
    raise TrainingError(
        "there is no checkpoint to resume from",
        where=path,
        remedy="Look under <output>/checkpoints, or set Train.resume_path=auto",
    )
