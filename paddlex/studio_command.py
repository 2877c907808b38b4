"""What ``paddlex --studio`` does: open a workspace and serve it until it is told to stop."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from paddlex.errors import PaddleXError, in_one_line
from paddlex.utils.logging import log_to_console, logger

DATABASE_VARIABLE = "PADDLEX_STUDIO_DATABASE"


def add_studio_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--studio`` and what belongs to it."""
    group = parser.add_argument_group("a studio: teach, judge and correct in the browser")
    group.add_argument(
        "--studio",
        type=os.path.expanduser,
        metavar="WORKSPACE",
        help="serve a workspace, a folder that is made if it is not there; with --host, --port and the like as --serve",
    )
    group.add_argument(
        "--database",
        metavar="URL",
        help=f"its database, such as postgresql+psycopg://user@host/name (default: a file in the workspace; with a "
        f"password rather set {DATABASE_VARIABLE})",
    )


def run_studio(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status: 0 after a clean stop."""
    log_to_console()
    try:
        from paddlex.inference.serving.server import run_server
        from paddlex.serve_command import read_settings
        from paddlex.studio.studio import Studio
        from paddlex.studio.workspace import Workspace

        settings = read_settings(arguments)
        os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(4 * settings.max_pixels))
        workspace = Workspace(Path(arguments.studio), arguments.database or os.environ.get(DATABASE_VARIABLE))
        studio = Studio(workspace, arguments.device)
        return run_server({}, studio.load, settings, extension=studio)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("paddlex"):
            raise
        logger.error(
            'The studio needs %s, which is not installed. In the checkout: pip install ".[studio]"', error.name
        )
    except (PaddleXError, OSError, MemoryError) as error:
        logger.error("%s", in_one_line(error))
    return 1
