"""The command lines of main.py and ``paddlex``: how they are read, and ``-c`` and ``-o``, which they share."""

from __future__ import annotations

import argparse
from typing import NoReturn

from paddlex.utils.console import visible


class Parser(argparse.ArgumentParser):
    """What is wrong with a command line is one line, whatever the file names in it hold."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))


def add_config_arguments(parser: argparse.ArgumentParser, required: bool) -> None:
    """Add them to a parser."""
    group = parser.add_argument_group(
        "one mode of a config (check_dataset, train, evaluate, export, predict, benchmark)"
    )
    group.add_argument(
        "-c", "--config", required=required, metavar="FILE",
        help="the config, for example paddlex/configs/image_anomaly_detection/STFPM.yaml",
    )  # fmt: skip
    group.add_argument(
        "-o", "--override", action="append", default=[], metavar="KEY=VALUE",
        help="set one key, for example Global.mode=train; may be repeated",
    )  # fmt: skip
