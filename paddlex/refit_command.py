"""What ``paddlex --refit`` does: let a model learn anew from good pictures, and write it as a new folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from paddlex.errors import ConfigError
from paddlex.inference.checked import Invalid
from paddlex.inference.inspection import Inspection
from paddlex.inference.refit.refitting import UNCHANGED, RefitResult, refit
from paddlex.pipeline_command import DONE, FAILED, status_of, sum_up
from paddlex.utils.console import json_for, say
from paddlex.utils.logging import log_to_console
from paddlex.utils.progress import progress_bar
from paddlex.utils.settings import read_settings


def run_refit(arguments: argparse.Namespace) -> int:
    """Write the new folder; returns the exit status: 0, 1 where a picture was left out or all failed, 130 interrupted."""
    log_to_console()
    return status_of(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    with progress_bar(0, 0, "Refit", "step") as bar:

        def report(done: int, total: int, what: str) -> None:
            bar.tell(done, total, f"Refit: {what}")

        result = refit(
            arguments.model_dir,
            arguments.input,
            arguments.save_path,
            false_alarms=arguments.false_alarms or (),
            seed=arguments.seed,
            target_fpr=arguments.target_fpr,
            regions=UNCHANGED if arguments.regions is None else read_regions(arguments.regions),
            progress=report,
            product=arguments.product,
            run_mode=arguments.run_mode or "auto",
            bit_depth=arguments.bit_depth,
        )
    if arguments.json:
        say(json_for(sys.stdout, result.to_dict()))
    else:
        _tell(result)
    return FAILED if result.left_out else DONE


def read_regions(path: str) -> Inspection | None:
    """What a file says of where to inspect; None for everywhere.

    Raises:
        ConfigError: it cannot be read, or used.
    """
    values, _ = read_settings(
        Path(path), kind="regions", holds="polygons", start="Write size and ignore", may_be_empty=True
    )
    try:
        return Inspection.parse(values) if values else None
    except Invalid as error:
        what = f"the regions cannot be used: {error}"
        raise ConfigError(what, where=path, remedy="Correct them, in pixels of the photos") from error


def _tell(result: RefitResult) -> None:
    before, after = result.before, result.calibration
    sum_up(
        {
            "good pictures": f"{result.images}"
            + (f", and {result.same} the same as one of them" if result.same else ""),
            **({"left out": len(result.left_out)} if result.left_out else {}),
            "threshold": f"{after.image_threshold:.6g} as a raw score ({after.method}), was {before.image_threshold:.6g}",
            "seconds": f"{result.seconds:.1f}",
            "saved to": result.path,
        },
        to_stderr=False,
    )
