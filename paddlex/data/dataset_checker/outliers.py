"""Training images that are unlike all others: of another product, mislabelled, or black."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddlex.data.dataset_checker.descriptors import SCALES, Descriptor
from paddlex.utils.log_scores import log_scores

#: An image is an outlier from this score on. Clean sets of a few hundred images reach 3 to 5, foreign products 10 to 20.
OUTLIER_SCORE = 6.0

#: And only if it is this many times as far from its neighbours as is usual: in a very uniform set all spreads are small.
LEAST_RATIO = 2.0

#: A group of foreign images that are like each other is found up to this share of the set.
LARGEST_GROUP = 0.05

#: With fewer images nothing is said.
FEWEST_IMAGES = 10

_NEAREST = 5
_FARTHEST = 30.0  # spreads; one wild feature should not drown the others
_MOST_REFERENCES = 2000
_BLOCK = 512


@dataclass(frozen=True)
class Outlier:
    """An image that is unlike the others.

    Attributes:
        index: its position among the images given.
        score: how far, see `find_outliers`.
    """

    index: int
    score: float


@dataclass(frozen=True)
class _Group:
    """Features of one kind, [images, features], and a spread that is too small to mean anything, in their own unit."""

    features: np.ndarray
    tolerance: float


def find_outliers(descriptors: Sequence[Descriptor]) -> list[Outlier]:
    """Find the images that are far from all others, the farthest first.

    Features are the colours' means, their standard deviations, the edges' strengths and their directions (`Descriptor`),
    scaled by their median and interquartile range; each of the four kinds weighs the same. An image's
    distance is that to its k-th nearest neighbour (Ramaswamy, Rastogi and Shim: Efficient algorithms for mining outliers
    from large data sets, SIGMOD 2000), k being 5 or `LARGEST_GROUP` of the images, whichever is more, so that a few
    foreign images of one kind do not vouch for each other. Its score is a robust z-score of the distance's logarithm
    (distances are skewed): (log d - median) / spread, the spread being estimated from the median and the 80th percentile,
    because only the far side matters and up to a fifth of the images may be foreign.

    An outlier has a score of `OUTLIER_SCORE` and `LEAST_RATIO` times the usual distance. Fewer than `FEWEST_IMAGES`
    images have none. Of more than 2000 images, 2000 are the possible neighbours: time grows with the images, not their
    square.
    """
    if len(descriptors) < FEWEST_IMAGES:
        return []
    distances = _neighbour_distances(np.concatenate([_scale(group) for group in _features(descriptors)], axis=1))
    scores, ratios = _scores(distances)
    found = np.flatnonzero((scores >= OUTLIER_SCORE) & (ratios >= LEAST_RATIO))
    return [Outlier(int(index), float(scores[index])) for index in found[np.argsort(-scores[found], kind="stable")]]


def _features(descriptors: Sequence[Descriptor]) -> list[_Group]:
    colours = np.stack([descriptor.colours for descriptor in descriptors])
    edges = np.stack([descriptor.edges for descriptor in descriptors])
    strengths = np.log1p(edges.mean(axis=2))
    shares = edges / (edges.sum(axis=2, keepdims=True) + 4)  # + 4: no direction is read into a noise of few grey levels
    return [
        _Group(colours[:, :3], tolerance=2.0),
        _Group(colours[:, 3:], tolerance=1.0),
        _Group(strengths, tolerance=0.1),
        _Group(shares.reshape(-1, 4 * SCALES), tolerance=0.02),
    ]


def _scale(group: _Group) -> np.ndarray:
    low, median, high = np.percentile(group.features, [25, 50, 75], axis=0)
    spread = np.maximum((high - low) / 1.349, group.tolerance)  # 1.349 standard deviations of a normal distribution
    scaled = np.clip((group.features - median) / spread, -_FARTHEST, _FARTHEST)
    return (scaled / math.sqrt(scaled.shape[1])).astype(np.float32)


def _neighbour_distances(points: np.ndarray) -> np.ndarray:
    """The distance of each point to its k-th nearest neighbour among up to 2000 of them."""
    count = len(points)
    references = np.unique(np.linspace(0, count - 1, min(count, _MOST_REFERENCES)).round().astype(int))
    nearest = max(_NEAREST, math.ceil(LARGEST_GROUP * len(references)))
    distances = np.empty(count)
    for start in range(0, count, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, count))
        squares = _squared_distances(points[block], points[references])
        squares[block[:, None] == references[None]] = np.inf  # no image is its own neighbour
        distances[block] = np.partition(squares, nearest - 1, axis=1)[:, nearest - 1]
    return np.sqrt(distances)


def _squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)[None] - 2 * first @ second.T
    return np.maximum(squares, 0)


def _scores(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distances = np.maximum(distances, 1e-3)
    return log_scores(distances, 80), distances / np.median(distances)
