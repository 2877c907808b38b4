"""A learning curve in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from paddlex.evaluation.numbers import rate, share

if TYPE_CHECKING:
    from paddlex.evaluation.analyses.learning_curve import LearningCurve


def sentences(curve: LearningCurve) -> list[str]:
    """The answer first, then what it rests on."""
    found = [_answer(curve), _rate(curve), _finding(curve), _left_out(curve)]
    if not curve.is_own_threshold:
        found.append(
            "This is about the threshold that the target rate gives; the model's own was set in another way, and has another "
            "rate of false alarms."
        )
    return [sentence for sentence in found if sentence]


def _answer(curve: LearningCurve) -> str:
    photos, needed = curve.photos, curve.photos_needed
    if not curve.is_alike:
        return (
            f"It cannot be said whether {photos:,} photos of good parts are enough: those that were left out exceed the "
            "threshold more often than chance explains. Look for what differs between the photos first."
        )
    enough = min(about(needed), photos)
    if curve.is_enough and curve.gain == "little":
        return (
            f"Enough: from about {enough:,} photos of good parts on hardly anything changes any more, and there are "
            f"{photos:,}."
        )
    if curve.is_enough:
        return (
            f"Enough for the threshold: from about {enough:,} photos of good parts on false alarms should stay near "
            f"their target, and there are {photos:,}. Whether more photos would find more is not known."
        )
    is_far = needed > curve.photos_for_rate and (curve.photos_for_finding or 0) > needed
    more, total = about(needed - photos), about(needed)
    return (
        f"Not yet: {'more than' if is_far else 'about'} {more:,} more photos of good parts are needed, {total:,} in all; "
        f"there are {photos:,}."
    )


def _rate(curve: LearningCurve) -> str:
    low, high = curve.whole.false_alarms
    target = share(curve.target_fpr)
    text = (
        f"With a threshold that rests on {_scores(curve)}, {rate(low)} to {rate(high)} of new good parts are false alarms in "
        f"8 of 10 trainings, where {target} is meant"
    )
    if curve.photos >= curve.photos_for_rate:
        return f"{text}: near enough."
    from paddlex.evaluation.analyses.learning_curve import TOLERANCE

    margin = share(TOLERANCE * curve.target_fpr)
    return f"{text}; from about {about(curve.photos_for_rate):,} photos on it should stay within {target} ± {margin}."


def _scores(curve: LearningCurve) -> str:
    scores, photos = curve.whole.scores, curve.photos
    if scores >= photos:
        return f"{photos:,} photos"
    return f"the {scores:,} of {photos:,} photos that were held out (Train.calibration.holdout_percent)"


def _finding(curve: LearningCurve) -> str:
    if curve.reason is not None:
        return f"Whether more photos would find more is not known, because {curve.reason}."
    first, last = curve.points[0], curve.points[-1]
    if curve.law is None:
        return (
            f"Of {last.drawn:,} drawn defects, models fitted to {last.photos:,} photos found {rate(last.share_found)}. Whether "
            "more photos would find more is not known: there are too few to leave some out."
        )
    gain, (low, high) = curve.law.gain(curve.photos)
    verdict = {"yes": "so more photos are worth it", "little": "which is little"}.get(curve.gain)
    text = (
        f"Of {last.drawn:,} drawn defects, models fitted to {first.photos:,} photos found {rate(first.share_found)}, and those "
        f"fitted to {last.photos:,} photos {rate(last.share_found)}; by this curve twice as many photos would find "
        f"{_points(gain)} more ({_points(low, bare=True)} to {_points(high)} in 8 of 10 such curves)"
    )
    return f"{text}, {verdict or 'which leaves open whether more photos would find more'}."


def _left_out(curve: LearningCurve) -> str:
    if not curve.points:
        return ""
    last = curve.points[-1]
    seen = f"{last.false_alarms:,} of the {last.left_out:,} good parts that the largest fits had not seen"
    how = "which chance explains" if curve.is_alike else "more than chance explains"
    return f"As a check: {seen} exceeded their threshold, {rate(last.false_alarms / last.left_out)}, {how}."


def about(photos: int) -> int:
    """Rounded up, as such a number deserves: to tens from 50 on, to hundreds from 1,000 on."""
    step = 100 if photos >= 1000 else 10 if photos >= 50 else 5
    return step * math.ceil(photos / step)


def _points(value: float, *, bare: bool = False) -> str:
    number = f"{100 * value:.1f}".removesuffix(".0")
    return number if bare else f"{number} percentage point" + ("" if number == "1" else "s")
