"""Fitting a model to more and more of its photos, and what those that were left out say of each fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from paddlex.evaluation.analyses.drawing import KINDS, Canvas, make_defect, random_numbers
from paddlex.evaluation.analyses.learning_curve.law import Law
from paddlex.evaluation.analyses.learning_curve.refitting import Drawing, Refit, Refitter
from paddlex.evaluation.metrics.bootstrap import Interval, percentiles
from paddlex.evaluation.metrics.threshold_certainty import expected_false_alarms, threshold_interval
from paddlex.inference.thresholds import image_threshold
from paddlex.inference.view import View
from paddlex.utils.progress import progress

#: Of all intervals here: 8 of 10 trainings.
CONFIDENCE = 0.8

#: Fewest photos that a fit is tried with, as in a training.
FEWEST = 4

#: One photo in so many is left out of all fits of a repeat.
_PARTS = 5

#: Below so many photos there are as many repeats as parts, and each photo is left out once: fits with few photos are soon
#: done, and differ much.
_FEW, _REPEATS = 40, 2

#: Fits in a repeat; the law is of the largest of them: with fewer photos the threshold is extrapolated, or the highest score of
#: all, and so strict that the share found tells of little else.
_SIZES, _OF_THE_LAW = 4, 3

#: Photos in each repeat that are judged, and that defects are drawn on, at most.
_JUDGED, _DRAWN_ON = 48, 12

#: What is drawn on each of these photos, and how large that is beside the others: a scratch is long.
DRAWN_KINDS = {"spot": 1.0, "scratch": 3.0, "texture": 1.0}

#: Sizes, as shares of the root of the photo's area, and contrasts: from what hardly a model finds to what nearly every one
#: does. So the share found is seldom 0 or 1, where no gain shows. A texture is opaque.
_DRAWINGS = ((0.03, 0.1), (0.03, 0.25), (0.06, 0.125), (0.06, 0.5))

#: A count of false alarms that is this unlikely, or more, is no chance.
_UNLIKELY = 0.025

_RESAMPLES = 200
_SALT = 0x6C6561726E  # keeps these random numbers apart from others that are made from the same seed


@dataclass(frozen=True)
class Certainty:
    """How sure a threshold is that rests on so many photos.

    Attributes:
        photos: how many.
        scores: how many calibration scores they gave: as many, or fewer where only those held out have one.
        threshold: of raw image scores.
        threshold_interval: where the limit lies that exactly the target share of good parts exceeds.
        method: how that was found, see ``metrics.threshold_certainty``.
        false_alarms: between which rates the false alarms of new good parts are expected.
    """

    photos: int
    scores: int
    threshold: float
    threshold_interval: Interval
    method: str
    false_alarms: Interval

    @classmethod
    def of(cls, photos: int, scores: Sequence[float], target_fpr: float) -> Certainty:
        """By calibration scores."""
        limit, _ = image_threshold(scores, target_fpr)
        interval, method = threshold_interval(scores, target_fpr, CONFIDENCE)
        expected = expected_false_alarms(len(scores), target_fpr, CONFIDENCE)
        return cls(photos, len(scores), limit, interval, method, expected)


@dataclass(frozen=True)
class Point:
    """Some fits with equally many photos each.

    Attributes:
        certainty: of the middle one of their thresholds.
        spread: raw scores of photos left out: what 5, 50 and 95 % of them are below.
        rates: the share of the photos left out that exceed the threshold, for each fit.
        false_alarms, left_out: how many exceed it, and of how many, all fits together.
        found, drawn: of the drawn defects, all fits together.
        found_interval: of their share, by bootstrap, see ``resampled_shares``.
    """

    certainty: Certainty
    spread: tuple[float, float, float]
    rates: tuple[float, ...]
    false_alarms: int
    left_out: int
    found: int
    drawn: int
    found_interval: Interval

    @property
    def photos(self) -> int:
        return self.certainty.photos

    @property
    def share_found(self) -> float:
        """0 to 1."""
        return self.found / self.drawn

    def is_chance(self, target_fpr: float) -> bool:
        """Whether so many false alarms may be chance: they are beta-binomial, see ``expected_false_alarms``."""
        k = math.ceil((self.photos + 1) * (1 - target_fpr))
        if k > self.photos:  # extrapolated: no distribution is known without a condition
            return True
        expected = stats.betabinom(self.left_out, self.photos + 1 - k, k)
        return bool(expected.sf(self.false_alarms - 1) > _UNLIKELY)


@dataclass(frozen=True)
class Split:
    """What one repeat does with the photos.

    Attributes:
        order: int [m]: those that are fitted to; where fewer are wanted, the first of them.
        left_out: int [k]: those that never are.
    """

    order: np.ndarray
    left_out: np.ndarray


def splits_of(photos: int, seed: int) -> list[Split]:
    """Each leaves out another fifth of the photos, drawn at random; none where the rest would be fewer than ``FEWEST``."""
    most = photos - math.ceil(photos / _PARTS)
    if most < FEWEST:
        return []
    rng = np.random.default_rng([_SALT, seed])
    parts = np.array_split(rng.permutation(photos), _PARTS)
    splits = []
    for number in range(_PARTS if photos < _FEW else _REPEATS):
        others = np.concatenate([part for other, part in enumerate(parts) if other != number])
        splits.append(Split(rng.permutation(others)[:most], parts[number]))
    return splits


def sizes_of(most: int) -> list[int]:
    """With how many photos each repeat is fitted, ascending: from an eighth of them, or ``FEWEST``, in equal ratios to all."""
    sizes = np.geomspace(max(FEWEST, most / 2 ** (_SIZES - 1)), most, _SIZES)
    return sorted({round(float(size)) for size in sizes})


def measure(refitter: Refitter, target_fpr: float, seed: int) -> tuple[list[Point], Law | None]:
    """Fit to more and more photos; nothing where they are too few, and no law where all fits have equally many."""
    splits = splits_of(refitter.photos, seed)
    if not splits:
        return [], None
    drawn_on = [split.left_out[:_DRAWN_ON] for split in splits]
    refitter.prepare(
        [int(photo) for some in drawn_on for photo in some], lambda view, number: drawings_of(view, number, seed)
    )
    sizes = sizes_of(len(splits[0].order))
    fits: dict[int, list[Refit]] = {size: [] for size in sizes}
    every = [(size, split, some) for split, some in zip(splits, drawn_on, strict=True) for size in sizes]
    for size, split, some in progress(every, "Learning curve", unit="training"):
        judged = np.concatenate([split.left_out, split.order[size:]])[: max(_JUDGED, len(split.left_out))]
        fits[size].append(refitter.fit(split.order[:size], judged, some))
    shares = resampled_shares(list(fits.values()), target_fpr, seed)
    points = [_point(size, fits[size], shares[:, column], target_fpr) for column, size in enumerate(sizes)]
    if len(sizes) < 2:
        return points, None
    last = slice(-_OF_THE_LAW, None)
    found = np.array([point.share_found for point in points])
    return points, Law.fitted(sizes[last], found[last], shares[:, last], CONFIDENCE)


def resampled_shares(fits: Sequence[Sequence[Refit]], target_fpr: float, seed: int) -> np.ndarray:
    """The share found with other photos: those that were drawn on, and those that the threshold rests on, are drawn again.

    Args:
        fits: with each number of photos, one for each repeat; those of a repeat have the same drawings.
        target_fpr: of the thresholds.
        seed: of the resampling.

    Returns:
        float64 [b, s]: b resamples of the s numbers of photos.
    """
    rng = np.random.default_rng([_SALT, seed])
    shares = np.zeros((_RESAMPLES, len(fits)))
    for shares_of_one in shares:
        for repeat in range(len(fits[0])):
            photos = len(fits[0][repeat].peaks) // len(DRAWN_KINDS)
            drawn = rng.integers(photos, size=photos)
            for column, of_size in enumerate(fits):
                fit = of_size[repeat]
                limit, _ = image_threshold(rng.choice(fit.scores, len(fit.scores)).tolist(), target_fpr)
                shares_of_one[column] += (_by_photo(fit.peaks)[drawn] > limit).mean() / len(of_size)
    return shares


def drawings_of(view: View, number: int, seed: int) -> list[Drawing]:
    """A photo with a defect of each kind where it is judged: faint or strong, small or large, as chance has it."""
    rng, image = random_numbers(_SALT, seed, number), view.image
    canvas = Canvas(image, view.inspected)
    drawings = []
    for kind, length in DRAWN_KINDS.items():
        share, contrast = _DRAWINGS[rng.integers(len(_DRAWINGS))]
        size = max(2, round(length * share * math.sqrt(image.shape[0] * image.shape[1])))
        defect = make_defect(canvas, kind, size, rng)
        level = contrast if KINDS[kind].level == "contrast" else 1.0
        drawings.append(Drawing(defect.on(image, level), defect.covered(image)))
    return drawings


def _by_photo(peaks: np.ndarray) -> np.ndarray:
    """[d] -> [u, kinds], of the drawings on each of u photos."""
    return peaks.reshape(-1, len(DRAWN_KINDS))


def _point(photos: int, fits: Sequence[Refit], shares: np.ndarray, target_fpr: float) -> Point:
    """Of all fits with equally many photos; ``shares`` are resamples of the share that they find."""
    middle = sorted(fits, key=lambda fit: fit.threshold)[(len(fits) - 1) // 2]
    low, median, high = np.quantile(np.concatenate([fit.left_out for fit in fits]), [0.05, 0.5, 0.95])
    interval = percentiles(shares, CONFIDENCE)
    assert interval is not None
    return Point(
        certainty=Certainty.of(photos, middle.scores.tolist(), target_fpr),
        spread=(float(low), float(median), float(high)),
        rates=tuple(float((fit.left_out > fit.threshold).mean()) for fit in fits),
        false_alarms=sum(int((fit.left_out > fit.threshold).sum()) for fit in fits),
        left_out=sum(len(fit.left_out) for fit in fits),
        found=sum(int((fit.peaks > fit.threshold).sum()) for fit in fits),
        drawn=sum(len(fit.peaks) for fit in fits),
        found_interval=interval,
    )
