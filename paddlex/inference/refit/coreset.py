"""Which patches a memory bank keeps: a greedy approximation of the k-centre coreset. Pure NumPy."""

from __future__ import annotations

import numpy as np

#: Dimensions that patches are projected to, at random, before their distances are compared (Johnson, Lindenstrauss, 1984).
PROJECTION = 64

#: How many of the farthest points a round chooses from. What is chosen does not depend on it.
_CANDIDATES = 512

#: Points whose distances to all others are computed at once: what about fits a processor's cache.
_ROWS = 1024


def greedy_coreset(patches: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Choose patches so that every other one has one of them near (PatchCore, section 3.2; Sener, Savarese, ICLR 2018).

    The next one is always the patch that is farthest from all that were chosen so far; the first is the one that is nearest to
    the mean. Distances are those of a random projection to ``PROJECTION`` dimensions, where patches have more.

    Args:
        patches: float32 [n, C].
        size: how many to choose; all are, where there are no more.
        seed: of the projection.

    Returns:
        Their numbers, int64 [min(size, n)], in the order they were chosen.
    """
    count, channels = patches.shape
    if count <= size:
        return np.arange(count)
    points = patches - patches.mean(axis=0)
    if channels > PROJECTION:
        axes = np.random.default_rng(seed).normal(size=(channels, PROJECTION)) / PROJECTION**0.5
        points = points @ axes.astype(np.float32)
    return _farthest_first(points, size)


def nearest_squares(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The squared distance of each point to the nearest of some others: float32 [n, C] and [b, C] -> float32 [n].

    |x - b|^2 = |x|^2 + (|b|^2 - 2 x.b): the bracket is one matrix product of [x, 1] and [-2b, |b|^2]. What cancels is lost to
    rounding: a result is off by up to about 1e-6 of |x|^2 + |b|^2, and may be a little below 0.
    """
    channels = points.shape[1]
    right = np.empty((channels + 1, len(others)), np.float32)
    np.multiply(others.T, -2, out=right[:channels])
    np.einsum("bc,bc->b", others, others, out=right[channels])
    left = np.ones((_ROWS, channels + 1), np.float32)
    product = np.empty((_ROWS, len(others)), np.float32)
    nearest = np.empty(len(points), np.float32)
    for start in range(0, len(points), _ROWS):
        rows = points[start : start + _ROWS]
        left[: len(rows), :channels] = rows
        np.matmul(left[: len(rows)], right, out=product[: len(rows)])
        product[: len(rows)].min(axis=1, out=nearest[start : start + len(rows)])
    nearest += np.einsum("nc,nc->n", points, points)
    return nearest


def surroundings(patches: np.ndarray, numbers: np.ndarray, count: int) -> np.ndarray:
    """For some of the patches, float32 [b, C], the numbers of those nearest to each, itself first: int64 [n, min(count, b)]."""
    squares = np.einsum("bc,bc->b", patches, patches)
    distances = squares - 2 * (patches[numbers] @ patches.T)  # less |x|^2, which changes no order
    distances[np.arange(len(numbers)), numbers] = -np.inf
    return np.argsort(distances, axis=1, kind="stable")[:, :count]


def _farthest_first(points: np.ndarray, size: int) -> np.ndarray:
    """Numbers of some points, float32 [n, D], each the farthest from those before it.

    One by one, each choice would read all points. But distances to the chosen only shrink: one of the candidates, the points
    that were farthest when the round began, is the farthest of all as long as it is not nearer than any other point then was.
    So a round looks at the candidates alone, and brings all points up to date at its end, in one matrix product.
    """
    chosen = np.empty(size, np.int64)
    chosen[0] = np.einsum("nc,nc->n", points, points).argmin()
    distances = np.full(len(points), np.inf, np.float32)
    begun, found = 0, 1
    while True:
        np.minimum(distances, nearest_squares(points, points[chosen[begun:found]]), out=distances)
        distances[chosen[:found]] = -np.inf  # rounding must not bring one back
        if found == size:
            return chosen
        candidates, bound = _farthest(distances)
        some = points[candidates]
        squares, near = np.einsum("nc,nc->n", some, some), distances[candidates]
        begun, number = found, int(near.argmax())
        while found < size and near[number] >= bound:
            chosen[found] = candidates[number]
            found += 1
            to_it = some @ (-2 * some[number])
            to_it += squares
            to_it += squares[number]
            np.minimum(near, to_it, out=near)
            near[number] = -np.inf
            number = int(near.argmax())


def _farthest(distances: np.ndarray) -> tuple[np.ndarray, float]:
    """Numbers of the farthest points, ascending, and the distance of the farthest of the others."""
    rest = len(distances) - _CANDIDATES
    if rest <= 0:
        return np.arange(len(distances)), 0.0
    order = np.argpartition(distances, rest - 1)  # those before are not farther than this one, those after not nearer
    return np.sort(order[rest:]), float(distances[order[rest - 1]])
