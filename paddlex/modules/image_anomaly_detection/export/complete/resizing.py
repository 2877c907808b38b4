"""Resizing 8-bit pictures to the network's input, as OpenCV does it for ``Transform.resize``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paddlex.modules.image_anomaly_detection.export.complete.nodes import Branch, Nodes, Value

#: OpenCV's weights for 8-bit pictures are whole numbers of so many parts.
_PARTS = 2048


def resized(nodes: Nodes, picture: Value, sides: tuple[Value, Value], size: tuple[int, int], method: str) -> Value:
    """A picture at the network's size.

    Args:
        nodes: where this is added.
        picture: uint8 [H, W, 3].
        sides: H and W, int64.
        size: (width, height) of the network's input.
        method: ``LINEAR`` or ``AREA``; the latter where no side grows.

    Returns:
        Whole numbers from 0 to 255 as float32 [3, height, width]. They are OpenCV's, but that ``AREA`` adds up fractions in
        another order: what lies half way between two levels may become the other one.
    """
    if method == "LINEAR":
        return _linear(nodes, picture, sides, size)
    grows = (sides[1] < size[0]) | (sides[0] < size[1])

    def by(how: Callable[..., Value]) -> Branch:
        def branch(inside: Nodes) -> Value:
            image, height, width = inside.here(picture, *sides)
            return how(inside, image, (height, width), size)

        return branch

    return nodes.choose(grows, by(_linear), by(_area), np.float32, 3)


def _linear(nodes: Nodes, picture: Value, sides: tuple[Value, Value], size: tuple[int, int]) -> Value:
    """Of the four nearest pixels, in whole numbers: first along the rows, of which the last four bits are dropped."""
    (top, bottom, down), (left, right, across) = (
        _neighbours(nodes, length, count) for length, count in zip(sides, size[::-1], strict=True)
    )
    rows = [nodes.Gather(picture, row, axis=0) for row in (top, bottom)]
    across, down = nodes.Unsqueeze(across, np.array([1])), nodes.Unsqueeze(down, np.array([1, 2]))
    upper, lower = (
        nodes.Gather(row, left, axis=1).to(np.int32) * nodes.Sub(np.int32(_PARTS), across)
        + nodes.Gather(row, right, axis=1).to(np.int32) * across
        for row in rows
    )
    shift, back, half, parts = (np.int32(value) for value in (16, 2**16, 2, 4))
    mixed = upper / shift * nodes.Sub(np.int32(_PARTS), down) / back + lower / shift * down / back
    return nodes.Transpose(((mixed + half) / parts).to(np.float32), perm=[2, 0, 1])


def _neighbours(nodes: Nodes, length: Value, count: int) -> tuple[Value, Value, Value]:
    """Of each of ``count`` new pixels along a side the two nearest old ones, int64, and the second's weight, int32.

    Beyond the picture the pixel at its edge goes on.
    """
    part = 2 * count
    place = (
        nodes.Mul(2 * np.arange(count) + 1, length) + count
    )  # a pixel right of the new one's centre, in parts of an old one
    second = place / part
    share = (place - second * part).to(np.float32) / float(part)
    last = length - 1
    left, right = nodes.Max(second - 1, 0), nodes.Min(second, last)
    return left, right, nodes.Round(share * float(_PARTS)).to(np.int32)


def _area(nodes: Nodes, picture: Value, sides: tuple[Value, Value], size: tuple[int, int]) -> Value:
    """The mean of all that a new pixel covers, of those at its edge by the share that it covers."""
    (height, width), (columns, rows) = sides, size
    # down: of each new row the few old ones that it covers
    first = nodes.Mul(np.arange(rows), height) / rows
    most = (height + (rows - 1)) / rows + 1
    covered = nodes.Unsqueeze(first, np.array([1])) + nodes.Range(0, most, 1)
    weights = _overlap(nodes, covered, height, rows)
    lines = nodes.Gather(picture, nodes.Min(covered, height - 1), axis=0)
    flat = nodes.Reshape(lines, np.array([0, 0, -1])).to(np.float32)
    down = nodes.MatMul(nodes.Unsqueeze(weights, np.array([1])), flat)
    # across: all columns, most with a weight of 0
    shape = nodes.Concat(np.array([rows]), nodes.Unsqueeze(width, np.array([0])), np.array([3]), axis=0)
    turned = nodes.Transpose(nodes.Reshape(down, shape), perm=[2, 0, 1])
    every = nodes.Unsqueeze(nodes.Range(0, width, 1), np.array([0]))
    total = nodes.MatMul(turned, nodes.Transpose(_overlap(nodes, every, width, columns), perm=[1, 0]))
    mean = total * nodes.Reciprocal((height * width).to(np.float32) / float(rows * columns))
    is_half = nodes.Equal(height, 2 * rows) & nodes.Equal(width, 2 * columns)  # OpenCV rounds these up, others to even
    return nodes.Where(is_half, nodes.Floor(mean + 0.5), nodes.Round(mean))


def _overlap(nodes: Nodes, old: Value, length: Value, count: int) -> Value:
    """How much of an old pixel each of ``count`` new ones covers, float32 [count, n], 0 to 1.

    Args:
        nodes: where this is added.
        old: numbers of old pixels, int64 [count, n] or [1, n].
        length: how many there are; what is beyond covers nothing.
        count: how many new ones there are.
    """
    new = np.arange(count)[:, None]
    end = nodes.Min((old + 1) * count, nodes.Mul(new + 1, length))
    begin = nodes.Max(old * count, nodes.Mul(new, length))
    return nodes.Max(end - begin, 0).to(np.float32) / float(count)
