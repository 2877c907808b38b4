"""Results as a folder of Parquet files, each whole or not there, that together are one table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddlex.errors import ConfigError
from paddlex.inference.scale_out.buckets import is_bucket, open_bucket
from paddlex.inference.scale_out.rows import ROW_KEYS, in_utf_8
from paddlex.utils.files import atomic_path
from paddlex.utils.strict import parse_json

if TYPE_CHECKING:
    import pyarrow as pa

#: The key of the files' metadata that says which model and limits the rows come from, as JSON.
MADE_BY = b"paddlex.made_by"

_PREFIX = "part-"


def schema() -> pa.Schema:
    """The columns. Where ``error`` is not null the image could not be judged, and all but ``input_path`` is null."""
    import pyarrow as pa

    region = pa.struct(
        {
            "bbox": pa.list_(pa.int32(), 4),
            "polygon": pa.list_(pa.list_(pa.int32(), 2)),
            "area": pa.int64(),
            "max_score": pa.float64(),
            "mean_score": pa.float64(),
            "zone": pa.string(),
        }
    )
    position = pa.struct(
        {
            "found": pa.bool_(),
            "reason": pa.string(),
            **dict.fromkeys(("quality", "seen"), pa.float64()),
            "shift": pa.list_(pa.float64(), 2),
            **dict.fromkeys(("angle", "scale"), pa.float64()),
        }
    )
    types = {
        "input_path": pa.string(),
        "is_anomalous": pa.bool_(),
        "regions": pa.list_(region),
        "position": position,
        "error": pa.string(),
    }
    columns = [pa.field(key, types.get(key, pa.float64()), nullable=key != "input_path") for key in ROW_KEYS]
    return pa.schema([*columns, pa.field("model_digest", pa.string(), nullable=False)])


def write_part(folder: str, name: str, rows: Sequence[Mapping[str, Any]], made_by: Mapping[str, Any]) -> None:
    """Write rows as ``part-<name>.parquet``; the file is there when it is complete, and not before.

    Args:
        folder: a folder of this machine, or a bucket's URI.
        name: of the part; it must be new.
        rows: as ``rows.result_row`` makes them.
        made_by: which model and limits they come from, see ``Done``; ``model_digest`` becomes a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    digest = made_by["model_digest"]
    described = schema().with_metadata({MADE_BY: json.dumps(made_by, allow_nan=False).encode()})
    texts = ({key: in_utf_8(value) if isinstance(value, str) else value for key, value in row.items()} for row in rows)
    table = pa.Table.from_pylist([{**row, "model_digest": digest} for row in texts], schema=described)
    file_name = f"{_PREFIX}{name}.parquet"
    if is_bucket(folder):
        filesystem, path = open_bucket(folder)
        pq.write_table(table, f"{path}/{file_name}", filesystem=filesystem)  # an object appears when it is complete
    else:
        with atomic_path(Path(folder) / file_name) as temporary:
            pq.write_table(table, temporary)


@dataclass
class Done:
    """What the parts in a folder hold.

    Attributes:
        paths: the ``input_path`` of every row.
        anomalous, failed: how many of the rows are anomalous, or have an error.
    """

    paths: set[str] = field(default_factory=set)
    anomalous: int = 0
    failed: int = 0


def read_done(folder: str, made_by: Mapping[str, Any]) -> Done:
    """Take stock of the parts that earlier runs have written to a folder.

    Raises:
        ConfigError: a part comes from another model, other limits or another program.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    done = Done()
    filesystem, names = _parts(folder)
    for name in names:
        remedy = "Give another folder, or remove the old results"
        try:
            with filesystem.open_input_file(name) as file:
                part = pq.ParquetFile(file)
                theirs = parse_json((part.schema_arrow.metadata or {}).get(MADE_BY, b"{}").decode("utf-8"))
                table = part.read(columns=["input_path", "is_anomalous", "error"])
        except (pa.ArrowException, ValueError) as error:
            raise ConfigError(
                f"there is a file that is no result of ours: {error}", where=name, remedy=remedy
            ) from None
        if theirs != dict(made_by):
            known = theirs if isinstance(theirs, dict) else {}
            other = [key for key in made_by if known.get(key) != made_by[key]]
            what = f"the folder holds results made with another {', '.join(other)}"
            raise ConfigError(what, where=name, remedy=remedy)
        done.paths.update(table["input_path"].to_pylist())
        done.anomalous += pc.sum(table["is_anomalous"]).as_py() or 0
        done.failed += len(table) - table["error"].null_count
    return done


def _parts(folder: str) -> tuple[Any, list[str]]:
    from pyarrow.fs import FileSelector, LocalFileSystem

    filesystem, path = open_bucket(folder) if is_bucket(folder) else (LocalFileSystem(), os.path.abspath(folder))
    found = filesystem.get_file_info(FileSelector(path, allow_not_found=True))
    names = (info.path for info in found if info.is_file and info.base_name.startswith(_PREFIX))
    return filesystem, sorted(name for name in names if name.endswith(".parquet"))
