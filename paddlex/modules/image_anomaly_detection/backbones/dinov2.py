"""DINOv2's vision transformers (Oquab et al., TMLR 2024): features of patches of 14 x 14 pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional as F

PATCH = 14

#: (channels, heads); both have 12 blocks.
_SIZES = {"dinov2_vits14": (384, 6), "dinov2_vitb14": (768, 12)}

_EPSILON = 1e-6
_CUBIC = -0.5  # the kernel's parameter (Keys, 1981), as libraries choose it where they also smooth


class _Attention(nn.Layer):
    """Multi-head self-attention (Vaswani et al., 2017)."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self._heads, self._channels = heads, channels

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """[N, tokens, C] -> the same."""
        tokens = x.shape[1]
        of_head = self._channels // self._heads
        qkv = self.qkv(x).reshape([-1, tokens, 3, self._heads, of_head]).transpose([2, 0, 3, 1, 4])
        query, key, value = qkv[0], qkv[1], qkv[2]  # [N, heads, tokens, C / heads]
        # linear, because paddle.matmul cannot be traced to a .pdmodel (Paddle 3.2)
        weights = F.softmax(F.linear(query * of_head**-0.5, key.transpose([0, 1, 3, 2])), axis=-1)
        mixed = F.linear(weights, value).transpose([0, 2, 1, 3]).reshape([-1, tokens, self._channels])
        return self.proj(mixed)


class _LayerScale(nn.Layer):
    """A factor for each channel (Touvron et al., 2021)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = self.create_parameter([channels], default_initializer=nn.initializer.Constant(1e-5))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """[N, tokens, C] -> the same."""
        return x * self.gamma


class _Perceptron(nn.Layer):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """[N, tokens, C] -> the same."""
        return self.fc2(F.gelu(self.fc1(x)))


class _Block(nn.Layer):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, epsilon=_EPSILON)
        self.attn = _Attention(channels, heads)
        self.ls1 = _LayerScale(channels)
        self.norm2 = nn.LayerNorm(channels, epsilon=_EPSILON)
        self.mlp = _Perceptron(channels)
        self.ls2 = _LayerScale(channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """[N, tokens, C] -> the same."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class _PatchEmbedding(nn.Layer):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2D(3, channels, PATCH, PATCH)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """[N, 3, H, W] -> [N, H / 14 * W / 14, C]."""
        return self.proj(x).flatten(2).transpose([0, 2, 1])


class DINOv2(nn.Layer):
    """A vision transformer cut after its deepest requested block.

    Parameters are named as in the published state dicts. ``pos_embed`` is that of this image size: see ``resampled_positions``.

    Args:
        name: ``dinov2_vits14`` or ``dinov2_vitb14``.
        layers: the blocks whose output is returned, in order: ``block1`` to ``block12``.
        image_size: (H, W), multiples of 14.

    Raises:
        ValueError: a side is no multiple of 14.
    """

    def __init__(self, name: str, layers: Sequence[str], *, image_size: tuple[int, int]) -> None:
        super().__init__()
        if any(side % PATCH or side < PATCH for side in image_size):
            nearest = " x ".join(str(max(1, round(side / PATCH)) * PATCH) for side in image_size)
            raise ValueError(f"{name} takes sides that are multiples of {PATCH} pixels: set image_size to {nearest}")
        channels, heads = _SIZES[name]
        self.grid = (image_size[0] // PATCH, image_size[1] // PATCH)
        numbers = [int(layer.removeprefix("block")) for layer in layers]
        zeros = nn.initializer.Constant(0.0)
        self.cls_token = self.create_parameter([1, 1, channels], default_initializer=zeros)
        self.pos_embed = self.create_parameter(
            [1, 1 + self.grid[0] * self.grid[1], channels], default_initializer=zeros
        )
        self.patch_embed = _PatchEmbedding(channels)
        self.blocks = nn.LayerList([_Block(channels, heads) for _ in range(max(numbers))])
        self.norm = nn.LayerNorm(channels, epsilon=_EPSILON)
        self.layers = tuple(layers)
        self._wanted = [number in numbers for number in range(1, max(numbers) + 1)]
        self._channels = channels

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """Features of the patches after the chosen blocks, normalised: float32 [N, C, H / 14, W / 14] for [N, 3, H, W]."""
        patches = self.patch_embed(x) + self.pos_embed[:, 1:]
        # summed with zeros in place of an expansion, so that the batch stays free in an exported graph
        first = paddle.zeros_like(patches[:, :1]) + self.cls_token + self.pos_embed[:, :1]
        x = paddle.concat([first, patches], axis=1)
        features = []
        for block, is_wanted in zip(self.blocks, self._wanted):  # noqa: B905  (Paddle's tracer knows no strict)
            x = block(x)
            if is_wanted:
                tokens = self.norm(x)[:, 1:].transpose([0, 2, 1])
                features.append(tokens.reshape([-1, self._channels, *self.grid]))
        return features


def for_image_size(arrays: Mapping[str, np.ndarray], image_size: tuple[int, int]) -> dict[str, np.ndarray]:
    """The published weights as a network for images of a height and width in pixels has them."""
    grid = (image_size[0] // PATCH, image_size[1] // PATCH)
    return {**arrays, "pos_embed": resampled_positions(arrays["pos_embed"], grid)}


def resampled_positions(pos_embed: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Position embeddings for another grid of patches: bicubic, smoothed where the grid is coarser.

    Args:
        pos_embed: float [1, 1 + n * n, C]: of the class token, then of a square grid.
        grid: rows and columns.

    Returns:
        float32 [1, 1 + rows * columns, C].

    Raises:
        ValueError: the embeddings are of no square grid.
    """
    count, channels = pos_embed.shape[1] - 1, pos_embed.shape[2]
    side = round(count**0.5)
    if side * side != count:
        raise ValueError(f"{count} position embeddings are of no square grid")
    if (side, side) == grid:
        return np.asarray(pos_embed, np.float32)
    square = np.asarray(pos_embed[0, 1:], np.float64).reshape(side, side, channels)
    rows, columns = (_resampling(side, target) for target in grid)
    resampled = np.einsum("yi,xj,ijc->yxc", rows, columns, square, optimize=True)
    positions = np.concatenate([np.asarray(pos_embed[0, :1], np.float64), resampled.reshape(-1, channels)])
    return positions[None].astype(np.float32)


def _resampling(source: int, target: int) -> np.ndarray:
    """The weights of bicubic resampling along one axis, [target, source]; each row sums to 1."""
    scale = source / target
    reach = max(1.0, scale)
    centres = (np.arange(target) + 0.5) * scale - 0.5
    distance = np.abs(np.arange(source) - centres[:, None]) / reach
    near = ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * _CUBIC - 4 * _CUBIC
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    return weights / weights.sum(axis=1, keepdims=True)
