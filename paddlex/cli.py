"""The ``paddlex`` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from paddlex import __version__
from paddlex.engine import add_config_arguments, run_config


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 for a failure, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="paddlex", description="Image anomaly detection: find the bad parts.")
    parser.add_argument("--version", action="version", version=f"paddlex {__version__}")
    add_config_arguments(parser, required=False)
    parser.add_argument(
        "--make_demo_dataset", metavar="FOLDER", help="write the demonstration data set (a woven metal grid) and exit"
    )
    arguments = parser.parse_args(argv)
    if arguments.make_demo_dataset:
        return _make_demo_dataset(arguments.make_demo_dataset)
    if arguments.config:
        return run_config(arguments.config, arguments.override)
    parser.error("give -c CONFIG or --make_demo_dataset FOLDER")


def _make_demo_dataset(folder: str) -> int:
    from paddlex.errors import PaddleXError
    from paddlex.modules.image_anomaly_detection.demo import make_demo_dataset

    try:
        print(make_demo_dataset(folder))
    except (PaddleXError, OSError) as error:
        print(f"paddlex: {error}", file=sys.stderr)
        return 1
    return 0
