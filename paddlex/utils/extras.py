"""How the optional parts of this package are installed, for messages that ask for one."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

DISTRIBUTION = "image-anomaly-toolkit"


def install(*extras: str) -> str:
    """The command, for any folder, that adds extras to the package; to its source where it is not installed."""
    try:
        importlib.metadata.version(DISTRIBUTION)
        base = DISTRIBUTION
    except importlib.metadata.PackageNotFoundError:
        base = str(Path(__file__).resolve().parents[2])
    return f'pip install "{base}[{",".join(extras)}]"'
