"""How the optional parts of this package are installed, for messages that ask for one."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

from paddlex.errors import MissingPackageError, PaddleXError, in_one_line
from paddlex.utils.logging import logger

DISTRIBUTION = "image-anomaly-toolkit"


def install(*extras: str) -> str:
    """The command, for any folder, that adds extras to the package; to its source where it is not installed."""
    try:
        importlib.metadata.version(DISTRIBUTION)
        base = DISTRIBUTION
    except importlib.metadata.PackageNotFoundError:
        base = str(Path(__file__).resolve().parents[2])
    return f'pip install "{base}[{",".join(extras)}]"'


def status_with(extra: str, who: str, task: Callable[[], int]) -> int:
    """Run a command that needs an extra; what the user can put right becomes one line and status 1.

    Args:
        extra: that it needs.
        who: needs it, the first words of a sentence.
        task: returns the exit status.
    """
    try:
        return task()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("paddlex"):
            raise
        logger.error("%s needs %s, which is not installed. Install it: %s", who, error.name, install(extra))
    except (PaddleXError, OSError, MemoryError) as error:
        logger.error("%s", in_one_line(error))
    return 1


def missing_for_making(error: Exception) -> MissingPackageError | None:
    """What to say where making a model needs a package that is not installed; None of other errors, and of our own modules."""
    if not isinstance(error, ModuleNotFoundError) or (error.name or "paddlex").startswith("paddlex"):
        return None
    what = f"making a model needs {error.name}, which is not installed"
    return MissingPackageError(what, remedy=f"Install it: {install('train', 'cpu')}")
