"""What was measured of the disturbances, in sentences for people. Plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paddlex.evaluation.analyses.standing import Standing, Withstood
from paddlex.evaluation.numbers import count, percent, share

if TYPE_CHECKING:
    from paddlex.evaluation.analyses.robustness import Robustness


def all_words(robustness: Robustness) -> list[str]:
    """The sentences of a whole analysis, the most important ones first."""
    limit, called, photos = share(robustness.limit), robustness.undisturbed, robustness.photos
    if not robustness.is_stood:
        sentences = [
            f"Without any change {called} of {count(photos, 'good part')} ({percent(called, photos)}) are called defective "
            f"already, more than twice the target of {share(robustness.target_fpr)}: nothing is left for the light or the "
            "camera to change."
        ]
    else:
        sentences = [" ".join(words(one, limit)) for one in robustness.withstood]
        sentences.append(how_sure(robustness))
    return [*sentences, *robustness.notes]


def words(withstood: Withstood, limit: str | None) -> list[str]:
    """What one disturbance does to good parts, and where it hides defects.

    Args:
        withstood: what was measured.
        limit: the share of good parts that may be called defective, as text; None where that is said elsewhere.
    """
    stands = [one for one in withstood.standings if one.stands_up_to]
    fails = [one for one in withstood.standings if not one.stands_up_to]
    disturbance, calls = withstood.disturbance, f"more than {limit} of good parts are called defective"
    before, then, up_to_there = (
        (f" before {calls}", f": {calls} then", f": no {calls} there") if limit else ("", "", "")
    )
    may, weakest = (
        " or ".join(_most(withstood, one) for one in stands),
        " or ".join(_weakest(withstood, one) for one in fails),
    )
    if not stands:
        sentences = [f"{disturbance.subject} may not even {disturbance.verb} {weakest}{then}."]
    elif all(one.first_failure is None for one in withstood.standings):
        sentences = [f"{disturbance.subject} may {disturbance.verb} {may}{up_to_there}."]
    else:
        but = f", but not even {weakest}" if fails else ""
        sentences = [f"{disturbance.subject} may {disturbance.verb} {may}{but}{',' if but and before else ''}{before}."]
    for one in withstood.standings:
        if one.is_blind_from is not None:
            sentences.append(
                f"But defects are lost before that: at {withstood.amount(one.is_blind_from)} ({one.direction.name}) the "
                f"model finds {one.found[one.is_blind_from]} of the {count(one.drawn, 'drawn defect')} that it finds otherwise."
            )
    return sentences


def _most(withstood: Withstood, standing: Standing) -> str:
    text = standing.direction.phrase.format(withstood.amount(standing.stands_up_to or 0.0))
    return text if standing.first_failure is not None else f"{text} (the most that was tried)"


def _weakest(withstood: Withstood, standing: Standing) -> str:
    return standing.direction.phrase.format(withstood.amount(standing.first_failure or 0.0))


def how_sure(robustness: Robustness) -> str:
    """What the figures rest on."""
    photos = robustness.photos
    allowed = int(robustness.limit * photos + 1e-9)
    share_of = f"{share(robustness.limit)} of which are {allowed}" if allowed else "of which not one may be called so"
    return (
        f"This rests on {count(photos, 'good part')}, {share_of}; {robustness.undisturbed} of them are called defective "
        "without any change. With other parts the limits may lie elsewhere, as far as the intervals say."
    )
