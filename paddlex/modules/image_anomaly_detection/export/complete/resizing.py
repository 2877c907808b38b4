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
        Whole numbers from 0 to 255 as float32 [3, height, width]: OpenCV's.
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
    """The mean of all that a new pixel covers, of those at its edge by the share that it covers.

    It is added up in OpenCV's order, first along the rows, because what lies half way between two levels is rounded by the
    last bit; where a new pixel covers whole old ones, they are added up and divided then.
    """
    (height, width), (columns, rows) = sides, size
    is_whole = nodes.Equal(nodes.Mod(height, rows), 0) & nodes.Equal(nodes.Mod(width, columns), 0)
    (most_across, across, weights), (most_down, down, heights) = (
        _covered(nodes, length, count, is_whole) for length, count in ((width, columns), (height, rows))
    )
    weights = nodes.Unsqueeze(weights, np.array([2]))
    heights = nodes.Unsqueeze(heights, np.array([2, 3]))

    def column(inside: Nodes, number: Value) -> Value:
        pixels = inside.Gather(picture, inside.Gather(across, number, axis=0), axis=1)
        return pixels.to(np.float32) * inside.Gather(weights, number, axis=0)

    shape = nodes.Concat(nodes.Unsqueeze(height, np.array([0])), np.array([columns, 3]), axis=0)
    lines = nodes.summed(most_across, nodes.Expand(0.0, shape), column, 3)

    def row(inside: Nodes, number: Value) -> Value:
        pixels = inside.Gather(lines, inside.Gather(down, number, axis=0), axis=0)
        return pixels * inside.Gather(heights, number, axis=0)

    total = nodes.summed(most_down, nodes.Expand(0.0, np.array([rows, columns, 3])), row, 3)
    pixels = (height * width).to(np.float32) / float(rows * columns)
    mean = total * nodes.Where(is_whole, nodes.Reciprocal(pixels), 1.0)
    is_half = nodes.Equal(height, 2 * rows) & nodes.Equal(width, 2 * columns)  # OpenCV rounds these up, others to even
    return nodes.Transpose(nodes.Where(is_half, nodes.Floor(mean + 0.5), nodes.Round(mean)), perm=[2, 0, 1])


def _covered(nodes: Nodes, length: Value, count: int, is_whole: Value) -> tuple[Value, Value, Value]:
    """Which old pixels along a side each of ``count`` new ones covers.

    Returns:
        How many at most, n; their numbers, int64 [n, count]; and by which share of the new one, float32 [n, count], but 1 where
        all new ones cover whole old ones.
    """
    new = np.arange(count)
    most = (length + (count - 1)) / count + 1
    old = nodes.Mul(new, length) / count + nodes.Unsqueeze(nodes.Range(0, most, 1), np.array([1]))
    end = nodes.Min((old + 1) * count, nodes.Mul(new + 1, length))
    begin = nodes.Max(old * count, nodes.Mul(new, length))
    covered = nodes.Max(end - begin, 0).to(np.float32)
    whole = nodes.Where(is_whole, np.int64(count), length).to(np.float32)
    return most, nodes.Min(old, length - 1), covered / whole
