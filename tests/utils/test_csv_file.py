"""CSV files that a spreadsheet may open."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from paddlex.utils.csv_file import cell, csv_file


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_text_that_starts_a_formula_gets_an_apostrophe(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert cell(Path(text.strip())) == f"'{text.strip()}" or text != text.strip()


@pytest.mark.parametrize("value", ["-0.25", "+1e-3", -0.25, 0, None, True, "", "a=1", "'x"])
def test_numbers_and_other_text_stay_as_they_are(value: object) -> None:
    assert cell(value) is value


def test_a_table_has_the_mark_by_which_excel_knows_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with csv_file(path) as write_row:
        write_row(["name", "score"])
        write_row(['部件, "1"\n', 0.5])
        write_row(["=1", None])
        write_row(["caf\udce9", -1])
    assert path.read_bytes().startswith("\ufeffname,score\r\n".encode())
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1:] == [['部件, "1"\n', "0.5"], ["'=1", ""], ["caf\\udce9", "-1"]]
