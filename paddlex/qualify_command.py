"""What ``paddlex --qualify`` does: judge the pictures of a study, and write the report that is signed before a line starts."""

from __future__ import annotations

import argparse
import os
from datetime import date
from pathlib import Path

from paddlex.errors import ConfigError
from paddlex.utils.console import say, visible
from paddlex.utils.csv_file import csv_file
from paddlex.utils.extras import status_with
from paddlex.utils.files import atomic_directory, write_json, write_text
from paddlex.utils.logging import log_to_console
from paddlex.utils.progress import told_in

REPORT, FIGURES, VERDICTS = "qualification.html", "qualification.json", "per_picture.csv"


def add_qualify_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--qualify`` and what belongs to it."""
    group = parser.add_argument_group("a qualification: what is proven before a line starts")
    group.add_argument(
        "--qualify",
        type=os.path.expanduser,
        metavar="STUDY",
        help="judge a folder with good/, challenge/, repeated/PART/ and ratings.csv (picture,person,verdict), any of them, by "
        "--model_dir, with --threshold and the like, and write the report to --save_path",
    )
    group.add_argument("--pixels_per_mm", type=float, metavar="X", help="of the pictures, to say sizes in millimetres")


def run_qualification(arguments: argparse.Namespace) -> int:
    """Write the report; returns the exit status: 0, whatever the report says."""
    log_to_console()
    return status_with("studio", "A qualification", lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    from paddlex.evaluation.qualification.page import page
    from paddlex.evaluation.qualification.qualification import qualify
    from paddlex.evaluation.qualification.study import read_study
    from paddlex.inference.predictor import AnomalyPredictor

    scale = arguments.pixels_per_mm
    if scale is not None and not 0 < scale < float("inf"):
        raise ConfigError(f"{scale} pixels per millimetre", where="--pixels_per_mm", remedy="Set it above 0")
    study = read_study(Path(arguments.qualify))
    predictor = AnomalyPredictor(
        arguments.model_dir, device=arguments.device, run_mode=arguments.run_mode or "auto",
        threshold=arguments.threshold, score_threshold=arguments.score_threshold, target_fpr=arguments.target_fpr,
    )  # fmt: skip
    with told_in(arguments.progress):
        found, judged = qualify(predictor, study, scale)
    about = {
        "Model": f"{predictor.folder.model_name}, {arguments.model_dir}",
        "Threshold": f"{found.threshold:.6g} (raw score)",
        "Study": str(study.root),
        "Date": date.today().isoformat(),
    }
    with atomic_directory(arguments.save_path) as folder:
        write_text(folder / REPORT, page(found, title=f"Qualification on {study.root.resolve().name}", about=about))
        write_json(folder / FIGURES, {"done_flag": True, "about": about, "words": found.words(), **found.to_dict()})
        with csv_file(folder / VERDICTS) as write:
            write(["picture", "verdict", "score", "raw_score"])
            for one in judged:
                write([one.picture, "bad" if one.is_bad else "good", one.score, one.raw_score])
    for sentence in found.words():
        say(visible(sentence))
    say(visible(Path(arguments.save_path) / REPORT))
    return 0
