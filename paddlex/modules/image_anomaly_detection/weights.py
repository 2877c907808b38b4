"""Where a teacher's weights come from, and how the names in other projects' files become ours.

Names are those of ``paddle.vision.models.resnet``: ``conv1.weight``, ``bn1._mean``, ``layer2.0.downsample.0.weight``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paddlex.errors import DownloadError, WeightsError
from paddlex.inference.inputs import is_url
from paddlex.utils.caches import cache_path
from paddlex.utils.downloads import download
from paddlex.utils.tensor_files import decode_arrays, read_arrays, read_file

__all__ = ["Weights", "load_checkpoint", "load_teacher_weights", "read_arrays"]

_BUNDLED_FILE = Path(__file__).with_name("pretrained") / "resnet18_layer123_fp16.safetensors"
_BUNDLED_BACKBONE = "resnet18"

#: STFPM compares the features of layer1 to layer3.
_UNUSED_LAYERS = ("layer4", "fc")

#: Upstream PaddleX numbers the children of paddle.vision's ResNet; 2, 3 and 8 have no weights.
_NUMBERED_CHILDREN = {
    "0": "conv1",
    "1": "bn1",
    "4": "layer1",
    "5": "layer2",
    "6": "layer3",
    "7": "layer4",
    "9": "fc",
}

_TORCH_STATISTICS = {"running_mean": "_mean", "running_var": "_variance"}


@dataclass(frozen=True)
class Weights:
    """Weights in memory, and where they are from.

    Attributes:
        arrays: float32 by name, finite.
        source: ``bundled``, ``imagenet``, the path or the URL.
        sha256: of the file, in hexadecimal.
        student: where teacher weights are asked for and the file holds a whole STFPM, its student's, named likewise.
    """

    arrays: dict[str, np.ndarray]
    source: str
    sha256: str
    student: dict[str, np.ndarray] | None = None


def load_teacher_weights(source: str | None, backbone: str, expected: Mapping[str, tuple[int, ...]]) -> Weights:
    """Load conv1, bn1 and the stages of a ResNet down to the deepest that the network has.

    Args:
        source: ``None`` or ``"bundled"`` for the ResNet-18 that comes with the package; ``"imagenet"`` for Paddle's
            official file of the backbone, downloaded once; else the path or URL of a state dict of paddle.vision's,
            torchvision's or timm's ResNet, or of a whole STFPM, whose teacher is then taken.
        backbone: the name in paddle.vision, such as ``resnet18``.
        expected: the shape of each parameter and buffer that the network has, by name.

    Returns:
        Exactly the arrays of ``expected``, in its order.

    Raises:
        WeightsError: the file is missing, damaged, unsafe, of another architecture, or holds NaN or infinite values.
        DownloadError: a file cannot be fetched.
    """
    source = "bundled" if source is None else source
    data = _read(source, backbone)
    everything = _renamed(decode_arrays(data, source), source)
    teacher, student = _part(everything, "teacher."), _part(everything, "student.")
    weights = _weights(_fitting(teacher or everything, expected, backbone, source), source, data)
    if teacher and student:
        student = {
            name: _float32(name, array, source) for name, array in _fitting(student, expected, backbone, source).items()
        }
        return replace(weights, student=student)
    return weights


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
    arrays = _renamed(decode_arrays(data, path_or_url), path_or_url)
    _check_is_stfpm(arrays, path_or_url)
    return _weights(arrays, path_or_url, data)


def _read(source: str, backbone: str) -> bytes:
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
    if not Path(source).expanduser().exists():
        raise WeightsError(
            "no such weight file", where=source, remedy="Give a file, a URL, 'imagenet' or 'bundled' (the default)"
        )
    return read_file(source)


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


def _renamed(arrays: Mapping[str, np.ndarray], source: str) -> dict[str, np.ndarray]:
    """Give the arrays our names and leave out what STFPM does not use."""
    renamed: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        ours = _our_name(name)
        if not _is_used(ours):
            continue
        if ours in renamed:
            raise WeightsError(f"the file holds {ours} twice, under different names", where=source)
        renamed[ours] = array
    return renamed


def _our_name(name: str) -> str:
    """For example ``module.bn1.running_mean`` -> ``bn1._mean``, ``teacher.model.0.weight`` -> ``teacher.conv1.weight``.

    The prefix ``module.`` is of ``DataParallel``.
    """
    name = name.removeprefix("module.")
    network, dot, inner = name.partition(".")
    if network in ("teacher", "student"):
        return f"{network}{dot}{_our_layer_name(inner)}"
    return _our_layer_name(name)


def _our_layer_name(name: str) -> str:
    numbered = re.fullmatch(r"model\.(\d+)\.(.+)", name)
    if numbered and numbered[1] in _NUMBERED_CHILDREN:
        name = f"{_NUMBERED_CHILDREN[numbered[1]]}.{numbered[2]}"
    stem, dot, last = name.rpartition(".")
    return f"{stem}{dot}{_TORCH_STATISTICS.get(last, last)}"


def _is_used(name: str) -> bool:
    parts = name.split(".")
    layer = parts[1] if parts[0] in ("teacher", "student") and len(parts) > 1 else parts[0]
    return layer not in _UNUSED_LAYERS and parts[-1] != "num_batches_tracked"


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _fitting(
    arrays: Mapping[str, np.ndarray], expected: Mapping[str, tuple[int, ...]], backbone: str, source: str
) -> dict[str, np.ndarray]:
    """Those of a ResNet's arrays that the network has, in its order.

    Raises:
        WeightsError: the ResNet is another.
    """
    arrays = _down_to_deepest(arrays, expected)
    _check_architecture(arrays, expected, backbone, source)
    return {name: arrays[name] for name in expected}


def _down_to_deepest(arrays: Mapping[str, np.ndarray], expected: Iterable[str]) -> dict[str, np.ndarray]:
    """Leave out the stages that lie deeper than those of the network."""
    deepest = max(name.partition(".")[0] for name in expected if name.startswith("layer"))
    return {
        name: array
        for name, array in arrays.items()
        if not (name.startswith("layer") and name.partition(".")[0] > deepest)
    }


def _check_is_stfpm(arrays: Iterable[str], source: str) -> None:
    others = [name for name in arrays if not name.startswith(("teacher.", "student.", "fusion."))]
    absent = [network for network in ("teacher", "student") if not any(name.startswith(network) for name in arrays)]
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
            f"the weights are not those of a {backbone}; {'; '.join(differences)}",
            where=source,
            remedy=f"Give the weights of a {backbone} of paddle.vision, torchvision or timm, or change the backbone",
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
