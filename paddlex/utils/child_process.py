"""Processes of our own that run this package."""

from __future__ import annotations

import os
from pathlib import Path

import paddlex


def environment_of_child() -> dict[str, str]:
    """The environment of the process itself, in which a child finds this package too, wherever it is started."""
    package_folder = str(Path(paddlex.__file__).parent.parent)
    search = os.pathsep.join(filter(None, [package_folder, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": search}
