"""``-c`` and ``-o``: the arguments that main.py and the ``paddlex`` command share."""

from __future__ import annotations

import argparse


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
