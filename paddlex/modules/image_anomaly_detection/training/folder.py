"""The output folder of a training: it can be written, it is used by one training at a time, and killed ones are tidied up."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paddlex.errors import TrainingError
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint_store import CHECKPOINTS
from paddlex.modules.image_anomaly_detection.training.gradient.visual_log import FOLDER as VISUAL_LOG
from paddlex.utils.leftovers import tidy_up
from paddlex.utils.locks import exclusive_folder
from paddlex.utils.logging import logger

#: What a training alone writes through temporary names, by the folder below its output.
_OWN_NAMES = {
    ".": re.compile(r"best_model|config\.yaml|label_dict\.txt|train_curve\.png|train_result\.json"),
    CHECKPOINTS: re.compile(r"step_\d+"),
    VISUAL_LOG: re.compile(r"vdlrecords\.train\.log"),
}


@contextmanager
def training_folder(output: Path) -> Iterator[None]:
    """Make the folder if need be, and keep other trainings out of it while the block runs.

    The lock is the kernel's own on the folder: it goes with the process, however that ends. Under it, whatever has the
    temporary name of a training's file was left by one that was killed, and is tidied up. Where the file system knows no
    locks nothing is tidied up.

    Raises:
        TrainingError: the folder cannot be written, or another training is at work there.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise TrainingError(
            f"the output folder cannot be written: {error.strerror}",
            where=output,
            remedy="Set Global.output to a folder on a disk that can be written and has room",
        ) from error
    refusal = TrainingError(
        "another training is writing to the output folder",
        where=output,
        remedy="Wait for it to end, or set Global.output to another folder",
    )
    with exclusive_folder(output, refusal) as is_held:
        if is_held:
            _tidy_up(output)
        yield


def _tidy_up(output: Path) -> None:
    left = [
        (output / folder / name).relative_to(output).as_posix()
        for folder, names in _OWN_NAMES.items()
        for name in tidy_up(output / folder, names)
    ]
    if left:
        logger.info("Tidied up what a killed training left half done: %s.", ", ".join(left))
