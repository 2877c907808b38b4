"""What mode evaluate writes besides its JSON: a table with a line for each image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from paddlex.evaluation.evaluator import ImageRow
from paddlex.utils.csv_file import csv_file

COLUMNS = (
    "image", "defect_type", "is_anomalous", "called_anomalous", "score", "raw_score",
    "pixel_true_positive", "pixel_false_positive", "pixel_false_negative", "pixel_iou",
)  # fmt: skip


def write_table(rows: Iterable[ImageRow], path: Path) -> None:
    """per_image.csv: paths as in the list, 1 and 0 for yes and no, empty where a figure is unknown."""
    with csv_file(path) as write_row:
        write_row(COLUMNS)
        for row in rows:
            pixels = row.pixels
            counts = [""] * 4
            if pixels is not None:
                iou = "" if pixels.iou is None else f"{pixels.iou:.6f}"
                counts = [str(pixels.true_positive), str(pixels.false_positive), str(pixels.false_negative), iou]
            defect_type = row.sample.defect_type if row.is_anomalous else ""
            verdicts = int(row.is_anomalous), int(row.called_anomalous)
            write_row([row.sample.image, defect_type, *verdicts, f"{row.score:.6f}", f"{row.raw_score:.8g}", *counts])
