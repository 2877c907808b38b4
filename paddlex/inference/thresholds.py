"""From the scores of normal images to the limit of normal: at training time, and again whenever a user wants another rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from paddlex.inference.student_t import t_quantile

#: Whoever sets a threshold by hand may mean a stricter one, but hardly one that throws away every fifth good part.
_MANY = 0.2

#: So many times as far above the typical score as the highest calibration score: far beyond what normal images come near.
_FAR = 10


def image_threshold(scores: Sequence[float], target_fpr: float) -> tuple[float, str]:
    """The limit that a new normal image exceeds with a probability of at most ``target_fpr``, and how it was found.

    With n scores and k = ceil((n + 1) (1 - target_fpr)) <= n, the k-th smallest score holds that rate for any continuous
    distribution (split conformal prediction: Vovk, Gammerman, Shafer, 2005, chapter 2). With fewer images the tail has to
    be extrapolated: the upper prediction bound of a normal distribution fitted to the logarithms of the scores (to the
    scores themselves, should one not be positive), mean + t s sqrt(1 + 1/n) with Student's t for n - 1 degrees of freedom
    (Hahn, Meeker, 1991, section 4.2), and never below the largest score seen.

    Args:
        scores: raw scores of at least two normal images.
        target_fpr: between 0 and 1.

    Raises:
        ValueError: fewer scores, one that is not finite, a rate outside 0..1, or one so low that no limit holds it.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    n = len(ordered)
    if n < 2 or not np.isfinite(ordered).all():
        raise ValueError(f"calibration needs at least two finite scores, but got {n}: {ordered[:5]}")
    if not 0 < target_fpr < 1:
        raise ValueError(f"target_fpr must be between 0 and 1, not {target_fpr}")
    k = math.ceil((n + 1) * (1 - target_fpr))
    if k <= n:
        return float(ordered[k - 1]), f"conformal quantile: score {k} of {n} in ascending order"
    is_positive = bool(ordered[0] > 0)
    values = np.log(ordered) if is_positive else ordered
    bound = values.mean() + t_quantile(1 - target_fpr, n - 1) * values.std(ddof=1) * math.sqrt(1 + 1 / n)
    try:
        limit = math.exp(bound) if is_positive else float(bound)
    except OverflowError:
        limit = math.inf
    if not math.isfinite(limit):
        raise ValueError(f"{n} images are far too few for a rate of {target_fpr:g}")
    distribution = "log-normal" if is_positive else "normal"
    method = f"extrapolated: {distribution} prediction bound, because {n} images are too few for the quantile"
    return max(limit, float(ordered[-1])), method


def doubt(scores: Sequence[float], threshold: float, expected: float = 0.0) -> str | None:
    """What speaks against a threshold in the light of the calibration scores, as a sentence; None if nothing does.

    Args:
        scores: raw scores of normal images, not all alike.
        threshold: a raw score.
        expected: the share of normal images that is meant to be above it.
    """
    count, lowest, typical, highest = len(scores), min(scores), float(np.median(scores)), max(scores)
    rejected = sum(score > threshold for score in scores)
    what = (
        f"the image threshold, a raw score of {threshold:.6g}, would reject {rejected} of the {count} normal calibration "
        f"images ({rejected / count:.0%}), whose raw scores are from {lowest:.4g} to {highest:.4g}"
    )
    if rejected / count > max(_MANY, expected + 1 / count):
        is_like_score = 0 < threshold < 1
        return what + (": score_threshold takes one on the scale of the scores, 0 to 1" if is_like_score else "")
    if threshold - typical > _FAR * (highest - typical):
        return f"{what}: it is so far above them that defects may be called normal too"
    return None
