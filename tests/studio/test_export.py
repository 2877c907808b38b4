"""What is exported is what is remembered, and nothing in it runs."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial

import pyarrow.parquet
import pytest
from sqlalchemy import insert, select

from paddlex.studio import export, searching
from paddlex.studio.database.schema import Verdict
from paddlex.studio.searching import Wanted
from paddlex.studio.workspace import Workspace

Fill = Callable[..., list[Verdict]]


def test_csv_and_parquet_have_every_verdict_with_its_values(workspace: Workspace, fill: Fill) -> None:
    verdicts = sorted(fill(workspace, 100), key=lambda one: (one.at, one.id))
    text = b"".join(export.csv_pieces(workspace, Wanted())).decode("utf-8-sig")
    table = pyarrow.parquet.read_table(io.BytesIO(b"".join(export.parquet_pieces(workspace, Wanted()))))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == table.column_names
    assert len(rows) == table.num_rows == 100
    names = {1: "grid", 2: "网格", 3: "screw"}
    for verdict, row, kept in zip(verdicts, rows, table.to_pylist(), strict=True):
        at = datetime.fromtimestamp(verdict.at / 1000, timezone.utc)
        assert kept["at"] == datetime.fromisoformat(row["at"]) == at
        assert (kept["id"], kept["product"], kept["version"]) == (verdict.id, names[verdict.product_id], 1)
        assert (row["id"], row["product"], row["version"]) == (str(verdict.id), names[verdict.product_id], "1")
        assert kept["score"] == float(row["score"]) == verdict.score
        assert (kept["is_anomalous"], row["is_anomalous"]) == (verdict.is_anomalous, str(verdict.is_anomalous))
        assert (kept["name"], row["name"]) == (verdict.name, verdict.name.replace("=cmd", "'=cmd"))
        assert json.loads(kept["regions"]) == json.loads(row["regions"]) == verdict.regions
        assert kept["brightness"] == verdict.brightness
        assert row["brightness"] == ("" if verdict.brightness is None else str(verdict.brightness))
        assert kept["corrected_at"] is None or kept["corrected_at"].timestamp() == 1_700_000_100


def test_of_nothing_there_is_a_file_with_columns(workspace: Workspace) -> None:
    assert len(b"".join(export.csv_pieces(workspace, Wanted())).decode("utf-8-sig").splitlines()) == 1
    data = b"".join(export.parquet_pieces(workspace, Wanted()))
    assert pyarrow.parquet.read_table(io.BytesIO(data)).num_rows == 0


def test_four_times_as_many_verdicts_take_the_same_memory(
    workspace: Workspace, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "walk", partial(searching.walk, step=100))

    def highest(pieces: Callable[..., object]) -> int:
        tracemalloc.start()
        for _ in pieces(workspace, Wanted()):  # type: ignore[attr-defined]
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    fill(workspace, 300)
    list(map(highest, (export.csv_pieces, export.parquet_pieces)))  # what is imported and made once
    before = [highest(pieces) for pieces in (export.csv_pieces, export.parquet_pieces)]
    with workspace.writing() as session:
        columns = [column for column in Verdict.__table__.columns if column.name != "id"]
        for _ in range(2):
            session.execute(insert(Verdict).from_select(columns, select(*columns)))
    after = [highest(pieces) for pieces in (export.csv_pieces, export.parquet_pieces)]
    for low, high in zip(before, after, strict=True):
        assert high < 1.5 * low
