"""The output folder of a training: it can be written, it is used by one training at a time, and killed ones are tidied up."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from paddlex.errors import TrainingError
from paddlex.utils.leftovers import tidy_up
from paddlex.utils.locks import exclusive_folder
from paddlex.utils.logging import logger

#: What every training alone writes through temporary names.
_OWN_NAMES = r"best_model|config\.yaml|label_dict\.txt|train_result\.json"


@contextmanager
def training_folder(output: Path, writes: Mapping[str, str] | None = None) -> Iterator[None]:
    """Make the folder if need be, and keep other trainings out of it while the block runs.

    The lock is the kernel's own on the folder: it goes with the process, however that ends. Under it, whatever has the
    temporary name of a training's file was left by one that was killed, and is tidied up. Where the file system knows no
    locks nothing is tidied up.

    Args:
        output: ``Global.output``.
        writes: see ``Model.writes``.

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
            _tidy_up(output, writes or {})
        yield


def _tidy_up(output: Path, writes: Mapping[str, str]) -> None:
    folders = {**writes, ".": "|".join([_OWN_NAMES, *([writes["."]] if "." in writes else [])])}
    left = [
        (output / folder / name).relative_to(output).as_posix()
        for folder, names in folders.items()
        for name in tidy_up(output / folder, re.compile(names))
    ]
    if left:
        logger.info("Tidied up what a killed training left half done: %s.", ", ".join(left))
