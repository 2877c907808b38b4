"""Where a person looks at the suspects among the training images: a page with thumbnails, and a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import cv2

from paddlex.config_schema import Config
from paddlex.data.dataset import TRAIN_LIST
from paddlex.errors import PaddleXError
from paddlex.evaluation.report.gallery import data_uri, jpeg, thumbnail_size
from paddlex.evaluation.report.rendering import Section, render
from paddlex.modules.image_anomaly_detection.training.suspects import (
    FOLDER,
    LEAVE_OUT,
    PAGE,
    Suspect,
    log_suspects,
)
from paddlex.utils.csv_file import csv_file
from paddlex.utils.files import write_text

#: So many are shown, the most unusual; the table has all.
MOST_SHOWN = 60

#: Beside the page.
TABLE = "suspects.csv"

_TEMPLATES = "modules/image_anomaly_detection/training/templates"


@dataclass(frozen=True)
class Card:
    """A suspect as the page shows it.

    Attributes:
        suspect: whose line, score and reason are printed.
        width, height: of the picture.
        picture: its address; "" where the photo can no longer be read.
    """

    suspect: Suspect
    width: int
    height: int
    picture: str


def report_suspects(suspects: Sequence[Suspect], config: Config) -> list[str]:
    """Say which there are, in the log and in ``suspects/`` below ``Global.output``; the photos themselves stay untouched.

    Args:
        suspects: the most unusual first. Of an earlier training's, none are left.
        config: of the training.

    Returns:
        What the user should know, in sentences.
    """
    folder = config.output / FOLDER
    for name in (Path(PAGE).name, TABLE):
        (folder / name).unlink(missing_ok=True)
    if not suspects:
        with suppress(OSError):
            folder.rmdir()
        return []
    folder.mkdir(parents=True, exist_ok=True)
    with csv_file(folder / TABLE) as write_row:
        write_row(["image", "line", "score", "spreads", "limit", "why"])
        for one in suspects:
            figures = f"{one.score:.8g}", f"{one.spreads:.2f}", f"{one.limit:.2f}"
            write_row([one.sample.image, one.sample.line, *figures, one.why])
    are_left_out = config.Train.robust == LEAVE_OUT
    write_text(config.output / PAGE, _page(suspects, config, are_left_out))
    return [log_suspects(suspects, are_left_out)]


def _page(suspects: Sequence[Suspect], config: Config, are_left_out: bool) -> str:
    cards = [_card(one) for one in suspects[:MOST_SHOWN]]
    body = render(f"{_TEMPLATES}/suspects.html", cards=cards, total=len(suspects), are_left_out=are_left_out)
    dataset_dir = os.path.abspath(config.Global.dataset_dir or "")
    about = {"Model": config.Global.model, "Data set": dataset_dir, "Date": date.today().isoformat()}
    return render(
        f"{_TEMPLATES}/page.html", title=f"Training images of {Path(dataset_dir).name} to look at", about=about,
        sections=[Section("suspects", "Suspects", "Suspects", body)], train_list=TRAIN_LIST, table=TABLE,
    )  # fmt: skip


def _card(suspect: Suspect) -> Card:
    try:
        image = suspect.sample.view().image
    except PaddleXError:  # it was there a moment ago
        return Card(suspect, 0, 0, "")
    size = thumbnail_size(*image.shape[:2])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_LINEAR)
    return Card(suspect, *size, data_uri(jpeg(small), "jpeg"))
