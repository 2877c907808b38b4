"""per_image.csv, as a spreadsheet opens it."""

from __future__ import annotations

import csv
from pathlib import Path

from paddlex.data.dataset import VAL_LIST, Sample
from paddlex.evaluation.evaluation_files import write_table
from paddlex.evaluation.evaluator import ImageRow
from paddlex.evaluation.metrics.confusion import Confusion


def test_names_run_nothing_figures_stay_figures_and_excel_reads_chinese(tmp_path: Path) -> None:
    pixels = Confusion(true_positive=1, false_positive=2, false_negative=1, true_negative=0)
    rows = [
        ImageRow(Sample(tmp_path, "=cmd|'x'!A0/部件.png", "m.png", VAL_LIST, 1), True, False, 0.25, -0.5, pixels),
        ImageRow(Sample(tmp_path, "good/1.png", None, VAL_LIST, 2), False, False, 0.125, 1.0, None),
    ]
    write_table(rows, tmp_path / "per_image.csv")
    assert (tmp_path / "per_image.csv").read_bytes().startswith(b"\xef\xbb\xbfimage,")
    with (tmp_path / "per_image.csv").open(encoding="utf-8-sig", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["image"], first["defect_type"]) == ("'=cmd|'x'!A0/部件.png", "'=cmd|'x'!A0")
    assert (first["score"], first["raw_score"], first["pixel_iou"]) == ("0.250000", "-0.5", "0.250000")
    assert (second["image"], second["raw_score"], second["pixel_iou"]) == ("good/1.png", "1", "")
