"""Validation images that show what a training image shows: saved again, brightened, cropped, or photographed twice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from paddlex.data.dataset_checker.descriptors import THUMBNAIL, Descriptor
from paddlex.data.dataset_checker.workers import map_in_threads

#: Two images are near-duplicates from this similarity on. Different parts reach 0.6 at most, copies start at 0.85.
SIMILARITY = 0.7

#: And with fewer than 40 training images from this one on: what parts have in common is less well known then.
SIMILARITY_OF_FEW = 0.8
FEW_IMAGES = 40

#: With fewer training images nothing is said: what they have in common cannot be told from what is their own.
FEWEST_IMAGES = 10

_BLOCK = 512

# A pattern: the lowest 16 x 16 frequencies of a 32 x 32 thumbnail, between the cut-offs of two Gaussian blurs (pixels).
_PATTERN_SIDE = 32
_FREQUENCIES = 16
_FINE, _COARSE = 1.0, 4.0
_FLAT = 0.5  # grey levels; a weaker pattern is noise

# Candidates whose thumbnails are laid over each other before they are compared once more.
_CANDIDATES = 2
_MOST_CANDIDATES = 500
_WORTH_ALIGNING = 0.25
_ECC_STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-3)
_MOST_STRETCH = 0.1
_MOST_SHIFT = 0.11 * THUMBNAIL


@dataclass(frozen=True)
class NearDuplicate:
    """A validation image and the training image that is most like it.

    Attributes:
        train: position among the training images given.
        val: position among the validation images given.
        similarity: 0 to 1.
    """

    train: int
    val: int
    similarity: float


def find_near_duplicates(
    train: Sequence[Descriptor], val: Sequence[Descriptor], atypical: Collection[int] = ()
) -> list[NearDuplicate]:
    """Find the validation images that are nearly a training image, each with the one it is most like, the surest first.

    All images of one product are alike, so what counts is where an image departs from the others. Of each image, the lowest
    frequencies without the very lowest are taken (DCT, as in a perceptual hash), so that shading, noise and compression
    hardly matter, and brought to length 1. These patterns are centred and whitened by the covariance of the training
    images, shrunk as Ledoit and Wolf say, and the similarity is the cosine of the angle between two of them (cosine of
    whitened vectors: Jégou and Chum, Negative evidences and co-occurences in image retrieval, ECCV 2012). It is near 0 for
    different parts, even where a regular texture or a common outline makes plain correlation 0.95.

    The two most similar training images of each validation image are compared a second time with the validation image
    laid over them (Evangelidis and Psarakis, Parametric image alignment using enhanced correlation coefficient
    maximization, PAMI 2008), so that a slight crop, shift or turn does not hide a pair. Images without any pattern, such as
    black frames, have no near-duplicates.

    Args:
        train: the training images.
        val: the validation images.
        atypical: positions of training images that do not tell what the product looks like: the outliers.
    """
    if len(train) < FEWEST_IMAGES or not val:
        return []
    train_patterns = np.stack([_pattern(image.thumbnail) for image in train])
    typical = np.array([pattern.any() for pattern in train_patterns])
    typical[list(atypical)] = False
    if typical.sum() < FEWEST_IMAGES:
        return []
    space = _PatternSpace(train_patterns[typical])
    train_codes = space.encode(train_patterns)
    val_codes = space.encode(np.stack([_pattern(image.thumbnail) for image in val]))
    threshold = SIMILARITY_OF_FEW if typical.sum() < FEW_IMAGES else SIMILARITY
    closest = _closest(train_codes, val_codes)
    best = {pair.val: pair for pair in reversed(closest)}
    doubtful = [
        pair for pair in closest if pair.similarity >= _WORTH_ALIGNING and best[pair.val].similarity < threshold
    ]
    doubtful = sorted(doubtful, key=lambda pair: -pair.similarity)[:_MOST_CANDIDATES]

    def compare_again(pair: NearDuplicate) -> NearDuplicate:
        aligned = align(val[pair.val].thumbnail, train[pair.train].thumbnail)
        if aligned is None:
            return pair
        [code] = space.encode(_pattern(aligned)[None])
        return NearDuplicate(pair.train, pair.val, _cosine(code @ train_codes[pair.train]))

    for pair in map_in_threads(compare_again, doubtful, "Comparing train and val"):
        if pair.similarity > best[pair.val].similarity:
            best[pair.val] = pair
    found = [pair for pair in best.values() if pair.similarity >= threshold]
    return sorted(found, key=lambda pair: (-pair.similarity, pair.val))


class _PatternSpace:
    """Patterns, moved to their mean and whitened by their covariance.

    Args:
        patterns: float32 [N, D].
    """

    def __init__(self, patterns: np.ndarray) -> None:
        self._mean = patterns.mean(axis=0)
        covariance = shrunk_covariance((patterns - self._mean).astype(np.float64))
        variances, directions = np.linalg.eigh(covariance)
        self._whitening = (directions / np.sqrt(np.maximum(variances, 1e-12))).astype(np.float32)

    def encode(self, patterns: np.ndarray) -> np.ndarray:
        """Unit vectors, float32 [N, D]; zeros where there is no pattern."""
        codes = (patterns - self._mean) @ self._whitening
        codes[~patterns.any(axis=1)] = 0
        return codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-12)


def shrunk_covariance(centred: np.ndarray) -> np.ndarray:
    """The covariance of few vectors of many dimensions, drawn towards a sphere as far as chance may have stretched it.

    Ledoit and Wolf: A well-conditioned estimator for large-dimensional covariance matrices, Journal of Multivariate
    Analysis 88 (2004), section 3, with m, d² and b² as there.

    Args:
        centred: float64 [N, D], of mean 0.

    Returns:
        float64 [D, D].
    """
    count, dimensions = centred.shape
    sample = centred.T @ centred / count
    mean_variance = np.trace(sample) / dimensions  # m
    sphere = mean_variance * np.eye(dimensions)
    distance = np.square(sample - sphere).sum()  # d², but for the factor 1 / D, which cancels out
    fourth_moments = np.square(np.square(centred).sum(axis=1)).sum()
    chance = (fourth_moments - count * np.square(sample).sum()) / count**2  # b², likewise
    weight = min(chance / distance, 1.0) if distance > 0 else 1.0
    return weight * sphere + (1 - weight) * sample


def _band() -> np.ndarray:
    """The difference of two Gaussian blurs as factors of DCT coefficients, [16, 16]; the mean goes."""
    frequency = np.pi * np.arange(_FREQUENCIES) / _PATTERN_SIDE
    square = frequency[:, None] ** 2 + frequency[None] ** 2
    return (np.exp(-square * _FINE**2 / 2) - np.exp(-square * _COARSE**2 / 2)).astype(np.float32)


_BAND = _band()


def _pattern(thumbnail: np.ndarray) -> np.ndarray:
    """What is neither shading nor noise, of length 1: float32 [256]; zeros for a flat image."""
    small = cv2.resize(thumbnail, (_PATTERN_SIDE, _PATTERN_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    pattern = (cv2.dct(small)[:_FREQUENCIES, :_FREQUENCIES] * _BAND).ravel()
    length = float(np.linalg.norm(pattern))  # the DCT keeps lengths: this is the deviation of 32 x 32 pixels times 32
    return pattern / length if length >= _FLAT * _PATTERN_SIDE else np.zeros_like(pattern)


def _closest(train_codes: np.ndarray, val_codes: np.ndarray) -> list[NearDuplicate]:
    """The most similar training images of each validation image, the most similar first."""
    pairs = []
    for start in range(0, len(val_codes), _BLOCK):
        similarities = val_codes[start : start + _BLOCK] @ train_codes.T
        candidates = np.argpartition(-similarities, _CANDIDATES - 1, axis=1)[:, :_CANDIDATES]
        for row, indices in enumerate(candidates):
            ordered = sorted(indices, key=lambda index: -similarities[row, index])
            pairs += [NearDuplicate(int(index), start + row, _cosine(similarities[row, index])) for index in ordered]
    return pairs


def _cosine(product: float) -> float:
    return min(float(product), 1.0)  # not 1.0000001


def align(moving: np.ndarray, fixed: np.ndarray) -> np.ndarray | None:
    """Lay one thumbnail over the other by an affine map near the identity; None where there is no such map.

    Args:
        moving: uint8 [64, 64].
        fixed: likewise.
    """
    try:
        start = np.eye(2, 3, dtype=np.float32)
        _, warp = cv2.findTransformECC(fixed, moving, start, cv2.MOTION_AFFINE, _ECC_STEPS)
    except cv2.error:  # it does not converge: the images have nothing in common
        return None
    if np.abs(warp[:, :2] - np.eye(2)).max() > _MOST_STRETCH or np.abs(warp[:, 2]).max() > _MOST_SHIFT:
        return None
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(moving, warp, fixed.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
