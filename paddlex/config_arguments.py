"""The command lines of main.py and ``paddlex``: how they are read, and ``-c`` and ``-o``, which they share."""

from __future__ import annotations

import argparse
import difflib
from typing import NoReturn

from paddlex.utils.console import visible


class Parser(argparse.ArgumentParser):
    """What is wrong with a command line is one line, whatever the file names in it hold, and below one on where to look."""

    def error(self, message: str) -> NoReturn:
        usage = f"usage: {self.prog} [options]; {self.prog} --help explains them"
        self.exit(2, f"{usage}\n{self.prog}: error: {visible(message + self._hint(message))}\n")

    def _hint(self, message: str) -> str:
        """What may have been meant by an argument that there is not."""
        if not message.startswith("unrecognized arguments: "):
            return ""
        given = message.split()[2].partition("=")[0]
        options = [option for action in self._actions for option in action.option_strings]
        if near := difflib.get_close_matches(given, options, n=1, cutoff=0.75):
            return f"; did you mean {near[0]}?"
        return "" if given.startswith("-") else "; every argument belongs to an option, as in -o Global.mode=train"


def add_config_arguments(parser: argparse.ArgumentParser, required: bool) -> None:
    """Add them to a parser."""
    group = parser.add_argument_group(
        "one mode of a config (check_dataset, train, evaluate, export, predict, benchmark)"
    )
    group.add_argument(
        "-c", "--config", required=required, metavar="FILE",
        help="the config: a file of paddlex/configs/image_anomaly_detection, or your own",
    )  # fmt: skip
    group.add_argument(
        "-o", "--override", action="append", default=[], metavar="KEY=VALUE",
        help="set one key, for example Global.mode=train; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--progress", metavar="FILE", help="tell in a JSON file how far the mode is, for another program to read"
    )
