"""How well verdicts agree: with themselves, when the same part comes again, and with what people say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import chdtri

from paddlex.evaluation.qualification.proof import CONFIDENCE, Counted

#: How many standard deviations from the threshold a score has to be for its verdict to hold when the part comes again.
MARGIN = 3.0


@dataclass(frozen=True)
class Repeated:
    """The same part, judged several times.

    Attributes:
        part: its name.
        scores: one a picture, 0 to 1.
        rejected: the verdicts.
    """

    part: str
    scores: Sequence[float]
    rejected: Sequence[bool]

    @property
    def is_changed(self) -> bool:
        """Whether the verdicts differ."""
        return len(set(self.rejected)) > 1


@dataclass(frozen=True)
class Repeatability:
    """What judging the same parts several times has shown.

    Attributes:
        parts: all of them.
        deviation: of the score of one part, pooled: the root of the mean square within parts, as an analysis of variance has
            it (repeatability, ISO 5725-2:2019, section 7.4). 0 for no spread.
        deviation_at_most: that is not exceeded, with ``CONFIDENCE``, if scores are normally distributed.
        changed: parts whose verdict was not always the same.
    """

    parts: Sequence[Repeated]
    deviation: float
    deviation_at_most: float
    changed: Counted

    @classmethod
    def of(cls, parts: Sequence[Repeated]) -> Repeatability:
        """Of parts that were judged at least twice each.

        Raises:
            ValueError: one was judged once only, or there are none.
        """
        if not parts or any(len(one.scores) < 2 for one in parts):
            raise ValueError("each part has to be judged at least twice")
        squares = sum(float(np.square(np.subtract(one.scores, np.mean(one.scores))).sum()) for one in parts)
        freedom = sum(len(one.scores) - 1 for one in parts)
        highest = (squares / float(chdtri(freedom, CONFIDENCE))) ** 0.5
        changed = Counted(sum(one.is_changed for one in parts), len(parts))
        return cls(parts, (squares / freedom) ** 0.5, highest, changed)

    @property
    def pictures(self) -> int:
        return sum(len(one.scores) for one in self.parts)

    @property
    def doubtful(self) -> tuple[float, float]:
        """Scores between which a verdict may change when the part comes again: ``MARGIN`` deviations about 0.5."""
        return max(0.0, 0.5 - MARGIN * self.deviation), min(1.0, 0.5 + MARGIN * self.deviation)

    def to_dict(self) -> dict[str, object]:
        return {
            "parts": [
                {"part": one.part, "scores": list(one.scores), "rejected": list(one.rejected)} for one in self.parts
            ],
            "deviation": self.deviation,
            "deviation_at_most": self.deviation_at_most,
            "doubtful_scores": list(self.doubtful),
            "changed": self.changed.to_dict(),
        }


@dataclass(frozen=True)
class Agreement:
    """Two who have judged the same pictures.

    Attributes:
        one, other: who.
        same: pictures of which they say the same.
        kappa: how far that is beyond chance, 1 for always (Cohen: A coefficient of agreement for nominal scales, Educational
            and Psychological Measurement, 1960); None where one of them always says the same, which leaves nothing to agree on.
    """

    one: str
    other: str
    same: Counted
    kappa: float | None

    @classmethod
    def of(cls, one: str, verdicts: Mapping[str, bool], other: str, others: Mapping[str, bool]) -> Agreement:
        """By what each says of pictures, by name; those of one alone do not count.

        Raises:
            ValueError: there is no picture that both have judged.
        """
        common = sorted(verdicts.keys() & others.keys())
        if not common:
            raise ValueError(f"{one} and {other} have judged no picture in common")
        first, second = (np.array([said[name] for name in common]) for said in (verdicts, others))
        same = float((first == second).mean())
        by_chance = first.mean() * second.mean() + (1 - first.mean()) * (1 - second.mean())
        kappa = (
            None
            if by_chance == 1 or len({*first}) == 1 or len({*second}) == 1
            else (same - by_chance) / (1 - by_chance)
        )
        return cls(
            one, other, Counted(int((first == second).sum()), len(common)), None if kappa is None else float(kappa)
        )

    def to_dict(self) -> dict[str, object]:
        return {"one": self.one, "other": self.other, "same": self.same.to_dict(), "kappa": self.kappa}


@dataclass(frozen=True)
class Attributes:
    """The model's verdicts beside those of people.

    Attributes:
        pairs: each two of them, the model first.
        missed: of the pictures that all people call bad, those that the model calls good; None where there are none.
        false_alarms: of those that all call good, what it calls bad; likewise.
        disputed: pictures of which people say different things; nobody is right about these.
    """

    pairs: Sequence[Agreement]
    missed: Counted | None
    false_alarms: Counted | None
    disputed: int

    @classmethod
    def of(cls, model: str, verdicts: Mapping[str, bool], people: Mapping[str, Mapping[str, bool]]) -> Attributes:
        """By what the model and each person say of pictures: True for bad.

        Raises:
            ValueError: two of them have judged no picture in common.
        """
        everybody = {model: verdicts, **people}
        pairs = [Agreement.of(one, everybody[one], two, everybody[two]) for one, two in combinations(everybody, 2)]
        common = [name for name in verdicts if all(name in said for said in people.values())]
        agreed = {name: {said[name] for said in people.values()} for name in common}
        bad = [name for name, said in agreed.items() if said == {True}]
        good = [name for name, said in agreed.items() if said == {False}]
        return cls(
            pairs,
            Counted(sum(not verdicts[name] for name in bad), len(bad)) if bad else None,
            Counted(sum(verdicts[name] for name in good), len(good)) if good else None,
            len(common) - len(bad) - len(good),
        )

    def to_dict(self) -> dict[str, object]:
        return {
            "pairs": [pair.to_dict() for pair in self.pairs],
            "missed": None if self.missed is None else self.missed.to_dict(),
            "false_alarms": None if self.false_alarms is None else self.false_alarms.to_dict(),
            "disputed": self.disputed,
        }
