"""``python -m paddlex.studio.task FUNCTION ARGUMENTS OUTCOME``: a function as a job's process, its outcome as a file."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from paddlex.errors import PaddleXError, in_one_line
from paddlex.studio.jobs import Work
from paddlex.utils.files import write_json
from paddlex.utils.logging import log_to_console, logger
from paddlex.utils.progress import begin_step, told_in

_ARGUMENTS, _OUTCOME = "arguments.json", "outcome.json"


def work(folder: Path, function: str, arguments: dict[str, Any], command: str) -> Work:
    """A function as what a job runs.

    Args:
        folder: of the job.
        function: ``module:function``; takes ``arguments`` and returns what JSON can say.
        arguments: by name, of what JSON can say.
        command: the shell command that does the same.
    """
    write_json(folder / _ARGUMENTS, arguments)
    run = ("-m", "paddlex.studio.task", function, str(folder / _ARGUMENTS), str(folder / _OUTCOME))
    return Work(run, command, _OUTCOME)


def arguments_of(folder: Path) -> dict[str, Any]:
    """What the function of a job was given."""
    found: dict[str, Any] = json.loads((folder / _ARGUMENTS).read_bytes())
    return found


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("function")
    parser.add_argument("arguments", type=Path)
    parser.add_argument("outcome", type=Path)
    parser.add_argument("--progress")
    given = parser.parse_args()
    log_to_console()
    try:
        with told_in(given.progress):
            begin_step("Starting")
            module, _, name = given.function.partition(":")
            function = getattr(importlib.import_module(module), name)
            found = function(**json.loads(given.arguments.read_bytes()))
        write_json(given.outcome, {"done_flag": True, **found})
        return 0
    except (PaddleXError, OSError, MemoryError) as error:
        message = in_one_line(error)
        logger.error("%s", message)
    except Exception as error:
        logger.exception("This is an error in the program itself.")
        message = in_one_line(error)
    write_json(given.outcome, {"done_flag": False, "err_msg": message})
    return 1


if __name__ == "__main__":
    sys.exit(main())
