"""Training images that may show defects, by their cross-fitted scores; and when there is nothing to learn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from paddlex.data.dataset import TRAIN_LIST, Sample
from paddlex.errors import TrainingError
from paddlex.utils.logging import logger

#: What ``Train.robust`` may be.
OFF, LIST, LEAVE_OUT = "off", "list", "leave_out"

#: How often images are left out and the others judged anew: a defect that was hidden by those like it may be found then.
ROUNDS = 2

#: The chance that of all images of a clean set one or more are suspects.
_CHANCE = 0.01

#: The percentile that the spread is taken from: on the side where no defect is.
_PERCENT = 10

#: Clean sets that are simulated, fewer of large ones, and of how many scores at most.
_SETS, _MOST_SIMULATED = 10_000, 1_000

#: The least spread, as a share of the median: in a very uniform set no small difference is to look large.
_LEAST_SPREAD = 0.05

#: With fewer images nothing is said.
FEWEST_IMAGES = 10

#: More than this share of suspects is no training set of good parts with a few others among them.
LARGEST_SHARE = 1 / 3

_NAMED = 5


@dataclass(frozen=True)
class Suspect:
    """A training image that is less like the others than chance makes a good part.

    Attributes:
        sample: its line of the training list.
        score: its raw cross-fitted score.
        spreads: how far that is above the median, see ``distances_from_usual``.
        limit: what ``spreads`` was held against.
        place: where in the picture it is the most unusual, as shares of width and height.
    """

    sample: Sample
    score: float
    spreads: float
    limit: float
    place: tuple[float, float]

    @property
    def why(self) -> str:
        """In a sentence without a full stop."""
        x, y = self.place
        return (
            f"its score is {self.spreads:.1f} spreads above the median of the training images, and good parts of such a set "
            f"stay within {self.limit:.1f}; most unusual {x:.0%} from the left, {y:.0%} from the top"
        )

    def to_dict(self) -> dict[str, Any]:
        """What train_result.json says of it; ``image`` is relative to the data set, ``place`` in shares of width and height."""
        return {
            "image": self.sample.image,
            "line": self.sample.line,
            "score": round(self.score, 6),
            "spreads": round(self.spreads, 2),
            "limit": round(self.limit, 2),
            "place": [round(share, 3) for share in self.place],
            "why": self.why,
        }


def distances_from_usual(scores: np.ndarray) -> np.ndarray:
    """How far each score is above the median, in spreads: float64 [..., n] of one set of scores, or of several.

    A score is the largest value of a map, and largest values follow a Gumbel distribution (Coles, An introduction to
    statistical modeling of extreme values, 2001, section 3.1). The spread is that distribution's scale, taken from below the
    median, from the 10th percentile, so that the scores of defects, which are at the other end, have little part in it.
    """
    median, low = np.percentile(np.asarray(scores, np.float64), [50, _PERCENT], axis=-1, keepdims=True)
    spread = (median - low) / (_gumbel(0.5) - _gumbel(_PERCENT / 100))
    least = np.maximum(_LEAST_SPREAD * np.abs(median), np.finfo(np.float32).tiny)
    return np.asarray((scores - median) / np.maximum(spread, least))


@lru_cache
def limit_for(count: int) -> float:
    """The distance that the farthest of so many good parts exceeds with a probability of 1 %.

    The standardised outlier identifier of Davies and Gather (The identification of multiple outliers, JASA 88, 1993, section
    3), for a Gumbel distribution. It knows that median and spread are of these same scores: the spread of a few may by chance
    be small, so the limit is found by simulation, and is higher for 10 scores than for 100. It never is a share of the
    images: a clean set, however large, mostly keeps all of its images.
    """
    if count > _MOST_SIMULATED:  # median and spread are as good as known
        return _gumbel(1 - _CHANCE / count) - _gumbel(0.5)
    sets = np.random.default_rng(count).gumbel(size=(min(_SETS, _SETS * 400 // count), count))
    return float(np.quantile(distances_from_usual(sets).max(axis=1), 1 - _CHANCE))


def _gumbel(probability: float) -> float:
    """The quantile of the standard Gumbel distribution."""
    return -math.log(-math.log(probability))


def suspicious(scores: np.ndarray) -> np.ndarray:
    """Which of some training images are suspects, by their cross-fitted scores: bool [n]; none of fewer than 10."""
    if len(scores) < FEWEST_IMAGES:
        return np.zeros(len(scores), bool)
    return distances_from_usual(scores) > limit_for(len(scores))


def check_majority(left_out: int, count: int, samples: Sequence[Sample]) -> None:
    """Refuse a training list in which there is no large majority to learn from.

    Args:
        left_out: how many suspects there are.
        count: of the images that were judged.
        samples: of the training list.

    Raises:
        TrainingError: more than a third are suspects.
    """
    if left_out > LARGEST_SHARE * count:
        raise TrainingError(
            f"{left_out} of {count} training images are unlike the rest: there is no majority of good parts to learn from",
            where=samples[0].root / TRAIN_LIST,
            remedy="List good parts of one product alone, or set Train.robust=off if all of them are good",
        )


def log_suspects(suspects: Sequence[Suspect], are_left_out: bool) -> str:
    """Say which there are; at least one. The same as a sentence or two."""
    names = ", ".join(f"{one.sample.image} (line {one.sample.line})" for one in suspects[:_NAMED])
    more = f" and {len(suspects) - _NAMED} more" if len(suspects) > _NAMED else ""
    subject, them = ("1 training image", "it") if len(suspects) == 1 else (f"{len(suspects)} training images", "them")
    done = "and nothing was learnt from " + them if are_left_out else "and the model has learnt from " + them
    warning = (
        f"{subject} may show a defect, {done}: {names}{more}. Look at {them} in {PAGE}; take what is no good part out of "
        f"{TRAIN_LIST}, and set Train.robust=off once all are good."
    )
    logger.warning("%s", warning)
    return warning


#: Below ``Global.output``.
FOLDER = "suspects"
PAGE = f"{FOLDER}/report.html"
