"""Verdicts as a file for other programs, made piece by piece: however many there are, it takes the same memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from paddlex.studio import searching
from paddlex.studio.database.schema import Verdict
from paddlex.studio.workspace import Workspace
from paddlex.utils.csv_file import cell

if TYPE_CHECKING:
    import pyarrow

_Value = Callable[[Verdict, searching.Names], Any]

#: Column -> its type in Parquet, and its value.
_COLUMNS: dict[str, tuple[str, _Value]] = {
    "id": ("int64", lambda one, _: one.id),
    "at": ("timestamp", lambda one, _: one.at),
    "product": ("string", lambda one, known: known.products.get(one.product_id)),
    "version": ("int64", lambda one, known: known.versions.get(one.version_id)),
    "model_digest": ("string", lambda one, _: one.model_digest),
    "name": ("string", lambda one, _: one.name),
    "digest": ("string", lambda one, _: one.digest),
    "is_kept": ("bool", lambda one, _: one.is_kept),
    "is_anomalous": ("bool", lambda one, _: one.is_anomalous),
    "score": ("double", lambda one, _: one.score),
    "raw_score": ("double", lambda one, _: one.raw_score),
    "threshold": ("double", lambda one, _: one.threshold),
    "area": ("double", lambda one, _: one.area),
    "brightness": ("double", lambda one, _: one.brightness),
    "sharpness": ("double", lambda one, _: one.sharpness),
    "offset_x": ("double", lambda one, _: one.offset_x),
    "offset_y": ("double", lambda one, _: one.offset_y),
    "angle": ("double", lambda one, _: one.angle),
    "by": ("string", lambda one, _: one.by),
    "corrected": ("string", lambda one, _: one.corrected),
    "corrected_by": ("string", lambda one, _: one.corrected_by),
    "corrected_at": ("timestamp", lambda one, _: one.corrected_at),
    "shadow_version": ("int64", lambda one, known: known.versions.get(one.shadow_id or 0)),
    "shadow_score": ("double", lambda one, _: one.shadow_score),
    "shadow_anomalous": ("bool", lambda one, _: one.shadow_anomalous),
    "regions": ("string", lambda one, _: json.dumps(one.regions, separators=(",", ":"), allow_nan=False)),
}


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        media_type: over HTTP.
        pieces: makes it of the verdicts that are wanted.
    """

    media_type: str
    pieces: Callable[[Workspace, searching.Wanted], Iterator[bytes]]


def csv_pieces(workspace: Workspace, wanted: searching.Wanted) -> Iterator[bytes]:
    """A CSV file as ``csv_file`` writes it: UTF-8 with the mark by which Excel knows it, and nothing that runs as a formula.

    Times are ISO 8601 in UTC; what is not known is empty; true and false are ``True`` and ``False``.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    kinds = [kind for kind, _ in _COLUMNS.values()]
    yield text.getvalue().encode("utf-8-sig")
    for rows in _rows(workspace, wanted):
        text.seek(0)
        text.truncate()
        writer.writerows(map(_for_people, row, kinds) for row in rows)
        yield text.getvalue().encode("utf-8")


def parquet_pieces(workspace: Workspace, wanted: searching.Wanted) -> Iterator[bytes]:
    """A Parquet file; times are ``timestamp[ms, UTC]``, what is not known is null."""
    import pyarrow
    import pyarrow.parquet

    types = {"timestamp": pyarrow.timestamp("ms", "UTC"), "bool": pyarrow.bool_(), "double": pyarrow.float64(),
             "int64": pyarrow.int64(), "string": pyarrow.string()}  # fmt: skip
    schema = pyarrow.schema([(name, types[kind]) for name, (kind, _) in _COLUMNS.items()])
    sink = _Sink()
    with pyarrow.parquet.ParquetWriter(sink, schema) as writer:
        for rows in _rows(workspace, wanted):
            writer.write_table(_table(rows, schema))
            yield sink.taken()
    yield sink.taken()


#: By the name that a request has for it.
FORMATS = {
    "csv": Format("text/csv; charset=utf-8", csv_pieces),
    "parquet": Format("application/vnd.apache.parquet", parquet_pieces),
}


def _rows(workspace: Workspace, wanted: searching.Wanted) -> Iterator[list[list[Any]]]:
    for verdicts in searching.walk(workspace, wanted):
        with workspace.reading() as session:
            known = searching.names(session, verdicts)
        yield [[value(one, known) for _, value in _COLUMNS.values()] for one in verdicts]


def _for_people(value: Any, kind: str) -> Any:
    if value is None:
        return ""
    if kind == "timestamp":
        return datetime.fromtimestamp(value / 1000, timezone.utc).isoformat(timespec="milliseconds")
    return cell(value)


def _table(rows: list[list[Any]], schema: pyarrow.Schema) -> pyarrow.Table:
    import pyarrow

    columns = [
        pyarrow.array(list(values), field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pyarrow.Table.from_arrays(columns, schema=schema)


class _Sink(io.RawIOBase):
    """A file that is only written, of which what was written is taken away."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        """What was written since the last call."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
