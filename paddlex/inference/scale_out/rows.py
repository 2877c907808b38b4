"""A prediction as one flat record: a line of ``--json``, a row of a Parquet file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddlex.errors import PaddleXError
from paddlex.inference.inputs import Source, describe

#: The keys of a record, in order. For an image that could not be judged all but ``input_path`` and ``error`` are None;
#: ``position`` is there of a model that aligns its images.
ROW_KEYS = (
    "input_path",
    "is_anomalous",
    "score",
    "raw_score",
    "threshold",
    "pixel_threshold",
    "anomalous_area",
    "regions",
    "position",
    "error",
)


def result_row(result: Mapping[str, Any]) -> dict[str, Any]:
    """The record of an ``AnomalyResult``: plain values, without the arrays."""
    return {key: result.get(key) for key in ROW_KEYS if key != "position" or key in result}


def in_utf_8(text: str) -> str:
    r"""A path as a column that holds UTF-8 can have it: a byte of it that is not UTF-8 becomes ``\udce9``, as in JSON."""
    return text.encode(errors="backslashreplace").decode()


def error_row(source: Source, error: PaddleXError) -> dict[str, Any]:
    """The record of an image that could not be judged: why, in ``error``."""
    return {**dict.fromkeys(ROW_KEYS), "input_path": describe(source), "error": str(error)}
