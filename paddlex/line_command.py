"""What ``paddlex --line`` does: run a station until it is told to stop."""

from __future__ import annotations

import argparse
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from paddlex.errors import PaddleXError, in_one_line
from paddlex.utils.console import say
from paddlex.utils.extras import status_with
from paddlex.utils.logging import log_to_console, logger

if TYPE_CHECKING:
    from paddlex.line.config import LineConfig

_POLL = 0.2
_GIGABYTE = 1e9

#: Seconds for which a stop may take longer than it waits for deadlines and ports.
_GRACE = 10.0
_LOCK = "lock"


def add_line_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--line`` and what belongs to it."""
    group = parser.add_argument_group("a line: from a trigger to a verdict, for as long as the machine runs")
    group.add_argument(
        "--line",
        type=os.path.expanduser,
        metavar="FILE",
        help="run the station of a YAML file; start from paddlex/configs/line/line.yaml",
    )
    group.add_argument(
        "--check",
        action="store_true",
        help="with --line: load the model, ask the camera and each port once, say what works, and exit",
    )


def run_line(arguments: argparse.Namespace) -> int:
    """Run a station until SIGTERM or SIGINT; returns the exit status: 0 after a clean stop, 1 where it could not go on."""
    log_to_console()

    def run() -> int:
        from paddlex.line.config import load_line_config

        config = load_line_config(arguments.line)
        return _check(config) if arguments.check else _run(config)

    return status_with("line", "The line", run)


def _run(config: LineConfig) -> int:
    from paddlex.line.judge import Judge
    from paddlex.line.outbox import Outbox
    from paddlex.line.station import Station
    from paddlex.line.systemd import Systemd
    from paddlex.utils.locks import exclusive
    from paddlex.utils.signals import StopRequest

    line, systemd = config.line, Systemd()
    folder = Path(line.outbox)
    with exclusive(folder / _LOCK), StopRequest() as stop:
        outbox = Outbox(folder, list(config.ports), int(line.outbox_gb * _GIGABYTE))
        station = Station(config, Judge(line), outbox)
        station.start()
        ports = ", ".join(config.ports) or "none"
        logger.info("The station is ready. Ports: %s.", ports)
        systemd.say("READY=1")
        while stop.signal_number is None and station.is_alive():
            systemd.say("WATCHDOG=1")
            time.sleep(min(_POLL, systemd.interval or _POLL))
        systemd.say("STOPPING=1")
        if stop.signal_number is None:
            logger.error("The station hangs: it ends, so that whoever watches it starts it anew.")
            stopping = threading.Thread(target=station.stop, daemon=True)
            stopping.start()
            stopping.join(line.deadline_s + line.stop_s + _GRACE)
            os._exit(1)  # what hangs in a library cannot be ended in another way
        station.stop()
        outbox.close()
    logger.info("The station has stopped.")
    return 0


def _check(config: LineConfig) -> int:
    """Say in a line each what works."""
    from paddlex.line.judge import Judge
    from paddlex.line.outbox import Outbox
    from paddlex.utils.locks import exclusive

    def model() -> str:
        return str(Judge(config.line))

    def outbox() -> str:
        folder = Path(config.line.outbox)
        with exclusive(folder / _LOCK):
            opened = Outbox(folder, list(config.ports), int(config.line.outbox_gb * _GIGABYTE))
            waiting = max(opened.undelivered().values(), default=0)
            opened.close()
        return f"{opened.path} can be written; {waiting} answers wait to be delivered"

    parts = {"model": model, "outbox": outbox, "source": config.source.check}
    parts |= {f"port {name}": port.check for name, port in config.ports.items()}
    failed = 0
    for name, check in parts.items():
        try:
            say(f"ok      {name}: {check()}")
        except (PaddleXError, OSError, MemoryError) as error:
            failed += 1
            say(f"FAILED  {name}: {in_one_line(error)}")
    return 1 if failed else 0
