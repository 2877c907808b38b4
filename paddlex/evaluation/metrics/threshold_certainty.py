"""How sure a threshold is that rests on so many scores of normal images: before a single new image is seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count

import numpy as np
from scipy import stats

from paddlex.evaluation.metrics.bootstrap import Interval

#: Samples that the rate of an extrapolated threshold is simulated by; its quantiles are then known to about 1 % of themselves.
_SAMPLES = 10_000

#: Simulated numbers in memory together.
_MOST_NUMBERS = 4_000_000


def expected_false_alarms(images: int, target_fpr: float, confidence: float) -> Interval:
    """Between which rates the false alarms will lie, of the threshold that ``image_threshold`` gives of so many scores.

    Other images give another threshold, so the rate on new ones, in the long run, is itself a matter of chance. With k =
    ceil((n + 1) (1 - target)) <= n it has the distribution Beta(n + 1 - k, k), whatever that of the scores is, as long as it is
    continuous and the images are drawn alike (Vovk: Conditional validity of inductive conformal predictors, ACML 2012,
    Proposition 2b; the coverage of an order statistic: Wilks, 1941). Of fewer images, whose threshold is extrapolated, it is
    simulated, for the log-normal scores that the extrapolation takes for granted.

    Args:
        images: n, how many scores there are, at least 2.
        target_fpr: the rate that is aimed at, between 0 and 1.
        confidence: how likely the rate lies in between; as likely below as above.

    Returns:
        Two rates, 0 to 1.
    """
    tails = np.array([1 - confidence, 1 + confidence]) / 2
    k = math.ceil((images + 1) * (1 - target_fpr))
    if k <= images:
        low, high = stats.beta.ppf(tails, images + 1 - k, k)
    else:
        low, high = np.quantile(_extrapolated_rates(images, target_fpr), tails)
    return float(low), float(high)


def threshold_interval(scores: Sequence[float], target_fpr: float, confidence: float) -> tuple[Interval, str]:
    """Between which scores the limit lies that exactly ``target_fpr`` of all normal images exceed, and how that was found.

    Two order statistics, by the binomial distribution, where there are scores enough: for any continuous distribution (David,
    Nagaraja: Order Statistics, 3rd edition, 2003, section 7.1). Otherwise the confidence limits of a quantile of the normal
    distribution fitted to the logarithms, or to the scores should one not be positive, as ``image_threshold`` does it (Hahn,
    Meeker: Statistical Intervals, 1991, section 4.4).

    Args:
        scores: raw scores of at least two normal images, finite.
        target_fpr: between 0 and 1.
        confidence: that the limit lies in between, at least.

    Returns:
        The interval, and ``distribution-free``, ``log-normal`` or ``normal``.
    """
    ordered, tails = np.sort(np.asarray(scores, np.float64)), np.array([1 - confidence, 1 + confidence]) / 2
    n = len(ordered)
    first, last = stats.binom.ppf(tails, n, 1 - target_fpr).astype(int)  # how many scores are below the limit
    if first >= 1 and last + 1 <= n:
        return (float(ordered[first - 1]), float(ordered[last])), "distribution-free"
    is_positive = bool(ordered[0] > 0)
    values = np.log(ordered) if is_positive else ordered
    steps = stats.nct.ppf(tails, n - 1, stats.norm.ppf(1 - target_fpr) * math.sqrt(n)) / math.sqrt(n)
    low, high = values.mean() + steps * values.std(ddof=1)
    if not is_positive:
        return (float(low), float(high)), "normal"
    return (math.exp(low), math.exp(min(high, math.log(np.finfo(float).max)))), "log-normal"


def images_for(target_fpr: float, tolerance: float, confidence: float) -> int:
    """From how many images on false alarms are expected within ``target_fpr`` ± ``tolerance``, by ``expected_false_alarms``.

    Only counts at which the target is met exactly on average are looked at, those where n + 1 is a multiple of 1 / target.

    Args:
        target_fpr: between 0 and 1.
        tolerance: of the rate, above 0.
        confidence: between 0 and 1.
    """
    for above in count(1):
        images = round(above / target_fpr) - 1
        if images < 2 or math.ceil((images + 1) * (1 - target_fpr)) > images:
            continue
        low, high = expected_false_alarms(images, target_fpr, confidence)
        if target_fpr - tolerance <= low and high <= target_fpr + tolerance:
            return images
    raise AssertionError("count ends never")


def _extrapolated_rates(images: int, target_fpr: float) -> np.ndarray:
    """False-alarm rates of extrapolated thresholds, float64 [samples]: standard normal logarithms of so many scores each."""
    samples = max(1000, min(_SAMPLES, _MOST_NUMBERS // images))
    scores = np.random.default_rng(images).standard_normal((samples, images))
    reach = stats.t.ppf(1 - target_fpr, images - 1) * math.sqrt(1 + 1 / images)
    limits = np.maximum(scores.mean(axis=1) + reach * scores.std(axis=1, ddof=1), scores.max(axis=1))
    return stats.norm.sf(limits)
