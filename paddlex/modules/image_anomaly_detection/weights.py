"""Weights in memory: where they are from, and that they are numbers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddlex.errors import WeightsError
from paddlex.utils.caches import cache_path
from paddlex.utils.downloads import download
from paddlex.utils.paths import is_url
from paddlex.utils.tensor_files import decode_arrays, read_file


@dataclass(frozen=True)
class Weights:
    """Weights in memory, and where they are from.

    Attributes:
        arrays: float32 by name, finite.
        source: ``bundled``, ``imagenet``, the name of a package, the path or the URL.
        sha256: of the file, in hexadecimal.
        student: where a backbone's are asked for and the file holds a whole model of teacher and student, the student's.
    """

    arrays: dict[str, np.ndarray]
    source: str
    sha256: str
    student: dict[str, np.ndarray] | None = None


def load_weights(path_or_url: str) -> Weights:
    """Load all arrays of a file that ``train`` has written, by their names in the network.

    Raises:
        WeightsError: the file is missing, damaged, unsafe, or holds NaN or infinite values.
        DownloadError: the URL cannot be fetched.
    """
    data = read_weights(path_or_url)
    return checked(decode_arrays(data, path_or_url), path_or_url, data)


def read_weights(path_or_url: str) -> bytes:
    """The content of a file, which is downloaded once if it is a URL."""
    return read_file(_downloaded(path_or_url) if is_url(path_or_url) else path_or_url)


def _downloaded(url: str) -> Path:
    """The cached copy of ``url``. Its name starts with a digest of the URL, so that equal file names do not clash."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    name = re.sub(r"[^\w.-]", "_", url.partition("?")[0].rpartition("/")[2])[-80:]
    return download(url, cache_path(f"weights/{digest}-{name}"))


def checked(arrays: Mapping[str, np.ndarray], source: str, data: bytes) -> Weights:
    """Arrays of a file as ``Weights``.

    Raises:
        WeightsError: one is not floating point, or holds NaN or infinite values.
    """
    converted = {name: as_float32(name, array, source) for name, array in arrays.items()}
    return Weights(converted, source, hashlib.sha256(data).hexdigest())


def as_float32(name: str, array: np.ndarray, source: str) -> np.ndarray:
    """A copy in float32, see ``checked``."""
    if array.dtype.kind != "f":
        raise WeightsError(f"{name} is of dtype {array.dtype}, not floating point", where=source)
    with np.errstate(over="ignore"):
        converted = np.array(array, dtype=np.float32, order="C")
    if not np.isfinite(converted).all():
        raise WeightsError(
            f"{name} holds NaN or infinite values", where=source, remedy="Give weights of a training that converged"
        )
    return converted
