"""A whole STFPM, as ``train`` or upstream PaddleX saved it."""

from __future__ import annotations

from collections.abc import Iterable

from paddlex.errors import WeightsError
from paddlex.modules.image_anomaly_detection.backbones.state_dicts import name_of
from paddlex.modules.image_anomaly_detection.backbones.weights import STUDENT, TEACHER, part_of, some, under_our_names
from paddlex.modules.image_anomaly_detection.weights import Weights, checked, read_weights
from paddlex.utils.tensor_files import decode_arrays

_NETWORKS = (TEACHER, STUDENT)


def load_checkpoint(path_or_url: str) -> Weights:
    """Load teacher and student.

    Returns:
        Arrays named ``teacher.<name>`` and ``student.<name>``, without layer4 and fc, and ``fusion.<name>`` where the
        file has them. Their shapes are not checked.

    Raises:
        WeightsError: the file is missing, damaged, unsafe, no STFPM, or holds NaN or infinite values.
        DownloadError: the URL cannot be fetched.
    """
    data = read_weights(path_or_url)
    arrays = decode_arrays(data, path_or_url)
    _check_is_stfpm(arrays, path_or_url)
    ours = {name: array for name, array in arrays.items() if name.startswith("fusion.")}
    for network in _NETWORKS:
        part = under_our_names("resnet", part_of(arrays, network), path_or_url)
        ours |= {f"{network}.{name}": array for name, array in part.items() if not name.startswith("layer4.")}
    return checked(ours, path_or_url, data)


def _check_is_stfpm(arrays: Iterable[str], source: str) -> None:
    names = [name for name in (name_of("resnet", name.removeprefix("module.")) for name in arrays) if name is not None]
    names = [name for name in names if not name.startswith("layer4.")]
    others = [name for name in names if not name.startswith(("teacher.", "student.", "fusion."))]
    absent = [network for network in _NETWORKS if not any(name.startswith(network) for name in names)]
    if others or absent:
        why = f"it holds {some(others)}" if others else f"it holds no {' and no '.join(absent)}"
        raise WeightsError(
            f"the file is no STFPM checkpoint: {why}",
            where=source,
            remedy="Give a model.pdparams that train has written; the weights of a teacher alone belong to "
            "Train.pretrain_weight_path",
        )
