"""What ``paddlex --studio`` does: open a workspace and serve it until it is told to stop."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from paddlex.utils.extras import status_with
from paddlex.utils.logging import log_to_console

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
    group.add_argument(
        "--behind_proxy",
        action="store_true",
        help="a proxy of yours hands on every request, and sets X-Forwarded-For and X-Forwarded-Proto",
    )
    group.add_argument(
        "--set_password",
        metavar="NAME",
        help="give a user of the workspace another password, read from standard input, and exit",
    )
    group.add_argument("--verify_audit", action="store_true", help="see whether the audit trail is whole, and exit")
    group.add_argument(
        "--expect",
        metavar="HASH",
        help="with --verify_audit: the hash of an entry that must be there, noted down before",
    )


def check_studio_arguments(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Let the parser say which of these arguments lacks another one."""
    if not arguments.studio and (arguments.set_password is not None or arguments.verify_audit):
        parser.error("--set_password and --verify_audit need --studio WORKSPACE")
    if arguments.expect is not None and not arguments.verify_audit:
        parser.error("--expect is for --verify_audit")
    if arguments.verify_audit and arguments.set_password is not None:
        parser.error("--verify_audit and --set_password are two tasks")


def run_studio(arguments: argparse.Namespace) -> int:
    """Do what is asked with a workspace: serve it until SIGTERM or SIGINT, or one task beside a studio that does.

    Returns:
        The exit status: 0 after a clean stop, or when the task is done.
    """
    log_to_console()
    return status_with("studio", "The studio", lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    from paddlex.inference.serving.server import run_server
    from paddlex.serve_command import read_settings
    from paddlex.studio.studio import Studio
    from paddlex.studio.workspace import Workspace

    database = arguments.database or os.environ.get(DATABASE_VARIABLE)
    if arguments.set_password is not None or arguments.verify_audit:
        return _run_task(arguments, database)
    settings = read_settings(arguments)
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(4 * settings.max_pixels))
    workspace = Workspace(Path(arguments.studio), database)
    studio = Studio(workspace, arguments.device, behind_proxy=arguments.behind_proxy)
    return run_server({}, studio.load, settings, extension=studio)


def _run_task(arguments: argparse.Namespace, database: str | None) -> int:
    from paddlex.studio.console import set_password, verify_audit
    from paddlex.studio.workspace import Workspace

    workspace = Workspace(Path(arguments.studio), database, is_shared=True)
    try:
        if arguments.verify_audit:
            return verify_audit(workspace, arguments.expect)
        return set_password(workspace, arguments.set_password)
    finally:
        workspace.close()
