"""What ``Preparation`` does to a photo before it is resized: usual light, and one colour where nothing is inspected."""

from __future__ import annotations

import numpy as np

from paddlex.inference.inspection import PAINT
from paddlex.inference.light import LARGEST_GAIN, PIXELS
from paddlex.modules.image_anomaly_detection.export.complete.nodes import Nodes, Value

#: OpenCV's weights of red, green and blue in grey, whole numbers of so many parts.
_RGB, _PARTS = (9798, 19235, 3735), 2**15

_END = 2**62


def painted(nodes: Nodes, picture: Value, inspected: Value, colour_order: str) -> Value:
    """The picture, uint8 [H, W, 3], of one colour where ``inspected``, bool [H, W], is false; H and W must be the same."""
    paint = np.array(_ordered(PAINT[::-1], colour_order), np.uint8)
    return nodes.Where(nodes.Unsqueeze(inspected, np.array([2])), picture, paint)


def in_usual_light(
    nodes: Nodes,
    picture: Value,
    sides: tuple[Value, Value],
    light: tuple[Value, Value, Value],
    inspected: Value | None,
    colour_order: str,
) -> Value:
    """The picture in the light of the training photos, see ``Light``.

    Args:
        nodes: where this is added.
        picture: uint8 [H, W, 3].
        sides: H and W, int64.
        light: percentile, darkest and brightest, float64.
        inspected: bool [H, W], the pixels that tell the light; None for all.
        colour_order: ``RGB`` or ``BGR``.
    """
    percentile, darkest, brightest = light
    values = _sampled_grey(nodes, picture, sides, inspected, colour_order)
    level = _percentile(nodes, values, percentile)
    brighter = nodes.Min(np.float64(LARGEST_GAIN), nodes.Div(darkest, nodes.Max(level, np.float64(1))))
    no_darker = nodes.Where(level > brightest, nodes.Div(brightest, level), np.float64(1))
    gain = nodes.Where(level < darkest, brighter, no_darker)
    table = nodes.Min(nodes.Round(nodes.Mul(np.arange(256.0), gain)), np.float64(255))
    is_white_kept = nodes.And(np.arange(256) == 255, gain < np.float64(1))
    table = nodes.Where(is_white_kept, np.float64(255), table).to(np.uint8)

    def changed(inside: Nodes) -> Value:
        levels, image = inside.here(table, picture)
        return inside.Gather(levels, image.to(np.int32))

    return nodes.choose(nodes.Equal(gain, np.float64(1)), lambda inside: inside.Identity(picture), changed, np.uint8, 3)


def _sampled_grey(
    nodes: Nodes, picture: Value, sides: tuple[Value, Value], inspected: Value | None, colour_order: str
) -> Value:
    """Grey values of inspected pixels, int64 [n], of every so many of a large picture; of all where none is inspected."""
    pixels = (sides[0] * sides[1]).to(np.float64)
    step = nodes.Max(nodes.Sqrt(pixels / np.float64(PIXELS)).to(np.int64), 1)
    steps = nodes.Expand(step, np.array([2]))

    def sampled(values: Value) -> Value:
        return nodes.Slice(values, np.array([0, 0]), np.array([_END, _END]), np.array([0, 1]), steps)

    weighted = sampled(picture).to(np.int32) * np.array(_ordered(_RGB, colour_order), np.int32)
    grey = (nodes.ReduceSum(weighted, np.array([2]), keepdims=0) + np.int32(_PARTS // 2)) / np.int32(_PARTS)
    flat = nodes.Reshape(grey, np.array([-1])).to(np.int64)
    if inspected is None:
        return flat
    counts = nodes.Reshape(sampled(inspected), np.array([-1]))
    some = nodes.ReduceMax(counts.to(np.int32), np.array([0]), keepdims=0) > np.int32(0)
    return nodes.Compress(flat, counts | ~some, axis=0)


def _percentile(nodes: Nodes, values: Value, percentile: Value) -> Value:
    """float64 [] of int64 [n] from 0 to 255, between two of them in proportion, as NumPy has it."""
    ones = nodes.Expand(np.int64(1), nodes.Shape(values))
    counts = nodes.ScatterElements(np.zeros(256, np.int64), values, ones, reduction="add")
    up_to = nodes.CumSum(counts, 0)
    last = nodes.Squeeze(nodes.Shape(values)) - 1
    place = percentile / np.float64(100) * last.to(np.float64)
    lower = nodes.Floor(place).to(np.int64)

    def ranked(rank: Value) -> Value:
        return nodes.ReduceSum(nodes.LessOrEqual(up_to, rank).to(np.int64), np.array([0]), keepdims=0).to(np.float64)

    first, second = ranked(lower), ranked(nodes.Min(lower + 1, last))
    return first + (second - first) * (place - lower.to(np.float64))


def _ordered(rgb: tuple[int, ...], colour_order: str) -> tuple[int, ...]:
    return rgb if colour_order == "RGB" else rgb[::-1]
