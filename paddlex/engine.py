"""From a config to one call: ``Global.mode`` decides which, and ``<mode>_result.json`` tells how it went."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from paddlex.config import load_config, read_loosely
from paddlex.config_arguments import Parser, add_config_arguments
from paddlex.config_schema import DEFAULT_OUTPUT, Config
from paddlex.errors import ConfigError, Interrupted, PaddleXError, ProcessLost, in_one_line
from paddlex.modes import MODES, Result
from paddlex.utils.extras import missing_for_making
from paddlex.utils.files import write_json
from paddlex.utils.leftovers import tidy_up
from paddlex.utils.logging import log_to_console, logger
from paddlex.utils.processes import process_rank
from paddlex.utils.progress import begin_step, told_in
from paddlex.utils.signals import no_interrupt_lost


def main(argv: Sequence[str] | None = None) -> int:
    """The command line of main.py; returns the exit status: 0, 1 for a failed mode, 128 + n after signal n."""
    parser = Parser(description="Image anomaly detection: one mode of one config.")
    add_config_arguments(parser, required=True)
    arguments = parser.parse_args(argv)
    return run_config(arguments.config, arguments.override, arguments.progress)


def run_config(path: str, overrides: Sequence[str], progress: str | None = None) -> int:
    """Run the mode that a config names; returns the exit status. Every outcome is in ``<mode>_result.json``.

    Args:
        path: of the config.
        overrides: of its keys.
        progress: the file that tells how far the mode is; None for none.
    """
    log_to_console()
    try:
        config = load_config(path, overrides)
        result_path = config.output / f"{config.Global.mode}_result.json"
        speaks = process_rank() == 0  # of several processes that a launcher has started
        if speaks:
            _tidy_up(config)
            _forget(result_path)  # should this run be killed, no earlier one must speak for it
        with no_interrupt_lost(), told_in(progress):
            begin_step("Starting")
            result = {"done_flag": True, **MODES[config.Global.mode](config)}
        if speaks:
            write_json(result_path, result)
        if not result["done_flag"]:  # some categories of a benchmark failed, or some images that predict has read
            logger.error("%s", result["err_msg"])
        return 0 if result["done_flag"] else 1
    except Interrupted as error:
        _report(error, path, overrides)
        return 128 + error.signal_number
    except KeyboardInterrupt as error:
        _report(error, path, overrides)
        return 130
    except (PaddleXError, OSError, MemoryError, SystemExit) as error:
        _report(error, path, overrides)
        return 1
    except Exception as error:
        if (missing := missing_for_making(error)) is None:
            logger.exception("This is an error in the program itself. Please report it with the lines below.")
        _report(missing or error, path, overrides)
        return 1


def _tidy_up(config: Config) -> None:
    """Remove what runs that were killed have left half written where this mode writes."""
    tidy_up(config.output)
    tidy_up(config.output / config.Global.mode)
    if config.Global.mode == "check_dataset":
        for folder in filter(None, (config.Global.dataset_dir, config.CheckDataset.lists_dir)):
            tidy_up(Path(folder))


def _forget(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the output folder cannot be written: {error.strerror}",
            where=path.parent,
            remedy="Set Global.output to a folder on a disk that can be written",
        ) from error


def _report(error: BaseException, path: str, overrides: Sequence[str]) -> None:
    """Log the error in one line and write ``<mode>_result.json``; the config itself may be what is broken."""
    message = in_one_line(error)
    logger.error("%s", message)
    section = read_loosely(path, overrides).get("Global")
    section = section if isinstance(section, dict) else {}
    mode, output = str(section.get("mode") or "check_dataset"), section.get("output")
    is_path = isinstance(output, str) and bool(output) and "\0" not in output
    output = os.path.expanduser(str(output)) if is_path else DEFAULT_OUTPUT
    name = mode if re.fullmatch(r"\w{1,40}", mode) else "unknown_mode"
    result: Result = {"done_flag": False, "err_type": type(error).__name__, "err_msg": message}
    problems = getattr(error, "problems", None)
    if problems is not None:
        result.update(check_pass=False, problems=problems)
    result_path = Path(output) / f"{name}_result.json"
    if isinstance(error, ProcessLost) and result_path.exists():
        return  # the process that is lost has said why
    try:
        write_json(result_path, result)
    except OSError as failure:
        logger.error("%s cannot be written: %s", result_path, in_one_line(failure))
