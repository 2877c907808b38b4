"""What a study shows of a model, in figures and in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paddlex.data.dataset import Sample
from paddlex.errors import DatasetError
from paddlex.evaluation.analyses import Finding, NotMade, Subject, analyse
from paddlex.evaluation.numbers import count, rate, share
from paddlex.evaluation.qualification.agreement import Attributes, Repeatability, Repeated
from paddlex.evaluation.qualification.proof import CONFIDENCE, Counted, parts_needed
from paddlex.evaluation.qualification.study import Study
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.utils.progress import progress

MODEL = "the model"


@dataclass(frozen=True)
class Judged:
    """A picture and its verdict.

    Attributes:
        picture: its path, relative to the study's folder.
        score, raw_score: 0 to 1 with 0.5 at the threshold, and on the scale of the map.
        is_bad: the verdict.
        is_found: whether the part was found in it, of a model that aligns.
    """

    picture: str
    score: float
    raw_score: float
    is_bad: bool
    is_found: bool = True


@dataclass(frozen=True)
class Qualification:
    """The figures; None where the study has nothing for them.

    Attributes:
        threshold: raw, that the verdicts rest on.
        target_fpr: the share of false alarms that the model was calibrated for; None of a model that was not.
        missed: of the challenge parts, with ``missed_pictures``.
        false_alarms: of the good parts, with ``alarmed_pictures``.
        repeatability: of the parts that were judged again and again.
        unfound: pictures of these in which the part was not found; they count as bad.
        attributes: the model beside people.
        detectability: what was found by drawing defects on the good parts.
    """

    threshold: float
    target_fpr: float | None
    missed: Counted | None
    missed_pictures: Sequence[Judged]
    false_alarms: Counted | None
    alarmed_pictures: Sequence[Judged]
    repeatability: Repeatability | None
    unfound: int
    attributes: Attributes | None
    detectability: Finding | NotMade | None

    def to_dict(self) -> dict[str, object]:
        """As qualification.json has it."""
        detectability = self.detectability
        return {
            "threshold": self.threshold,
            "target_fpr": self.target_fpr,
            "challenge": None if self.missed is None else {
                "missed": self.missed.to_dict(), "missed_pictures": [one.picture for one in self.missed_pictures],
            },
            "good": None if self.false_alarms is None else {
                "false_alarms": self.false_alarms.to_dict(),
                "alarmed_pictures": [one.picture for one in self.alarmed_pictures],
            },
            "repeatability": None if self.repeatability is None else {
                **self.repeatability.to_dict(), "unfound": self.unfound,
            },
            "agreement": None if self.attributes is None else self.attributes.to_dict(),
            "detectability": None if detectability is None else {
                "words": detectability.words(), **detectability.to_dict(),
            },
        }  # fmt: skip

    def words(self) -> list[str]:
        """What it comes to, the most important first."""
        return [
            *self.challenge_words(), *self.good_words(), *self.repeatability_words(), *self.agreement_words(),
        ]  # fmt: skip

    def challenge_words(self) -> list[str]:
        if (missed := self.missed) is None:
            return ["There is no challenge part: nothing is proven about what would be missed."]
        found = missed.total - missed.count
        words = [f"{found} of {count(missed.total, 'challenge part')} found: {missed.proves('missed')}."]
        if missed.count:
            words.append(f"Missed: {', '.join(one.picture for one in self.missed_pictures)}.")
        elif missed.at_most > 0.01:
            words.append(
                f"That at most 1 % is missed is proven by {parts_needed(0.01):,} challenge parts, each another one, "
                "if all of them are found."
            )
        return words

    def good_words(self) -> list[str]:
        if (alarms := self.false_alarms) is None:
            return ["There is no good part that is new to the model: nothing is proven about false alarms."]
        low, high = alarms.interval
        words = [f"{count(alarms.count, 'false alarm')} of {count(alarms.total, 'good part')}: {rate(alarms.share)}."]
        words[0] = f"{words[0][:-1]}, between {rate(low)} and {rate(high)} at {share(CONFIDENCE)}."
        if self.target_fpr is not None:
            target = share(self.target_fpr)
            if low > self.target_fpr:
                words.append(f"That is more than the {target} that the model was calibrated for, and not by chance.")
            elif high > self.target_fpr:
                words.append(
                    f"The {target} that the model was calibrated for may be kept; so few parts do not prove it."
                )
            else:
                words.append(f"That keeps the {target} that the model was calibrated for.")
        return words

    def repeatability_words(self) -> list[str]:
        if (repeated := self.repeatability) is None:
            return ["No part was judged more than once: nothing is known about what chance does to a verdict."]
        changed, (low, high) = repeated.changed, repeated.doubtful
        parts = count(len(repeated.parts), "part")
        words = [
            f"{parts} judged again and again, {count(repeated.pictures, 'picture')}: "
            + (
                f"the verdict on {changed.count} of them changed."
                if changed.count
                else f"no verdict changed; of such parts {changed.proves('change')}."
            ),
            f"The score of a part spreads by {repeated.deviation:.3f} (standard deviation; at most "
            f"{repeated.deviation_at_most:.3f}, at {share(CONFIDENCE)}). Parts that score {low:.2f} to {high:.2f} may be "
            "judged one way today and the other tomorrow.",
        ]
        if self.unfound:
            words.append(
                f"In {count(self.unfound, 'picture')} the part was not found; these count as bad, and their scores as 1."
            )
        return words

    def agreement_words(self) -> list[str]:
        if (attributes := self.attributes) is None:
            return ["Nobody has rated pictures beside the model: nothing is known about what people would say."]
        words = []
        for pair in attributes.pairs:
            kappa = "" if pair.kappa is None else f" (kappa {pair.kappa:.2f})"
            words.append(f"{pair.one} and {pair.other} agree on {pair.same} pictures{kappa}.")
        for counted, what in (
            (attributes.missed, "bad, the model misses"),
            (attributes.false_alarms, "good, the model rejects"),
        ):
            if counted is not None:
                words.append(f"Of {count(counted.total, 'picture')} that all people call {what} {counted.count}.")
        if attributes.disputed:
            words.append(f"On {count(attributes.disputed, 'picture')} people do not agree with each other.")
        return [word[0].upper() + word[1:] for word in words]


def qualify(
    predictor: AnomalyPredictor, study: Study, pixels_per_mm: float | None = None
) -> tuple[Qualification, list[Judged]]:
    """Judge all pictures of a study by the path that predicts.

    Args:
        predictor: the model, with the threshold that is to be qualified.
        study: the pictures.
        pixels_per_mm: of the pictures; None where nobody has said.

    Returns:
        What was found, and the verdict on each picture.

    Raises:
        ImageReadError: a picture that cannot be read: nothing is qualified by leaving it out.
        DatasetError: people have rated no picture in common.
    """
    judged = _judged(predictor, study)
    challenge, good = ([judged[name] for name in names] for names in (study.challenge, study.good))
    missed, alarmed = [one for one in challenge if not one.is_bad], [one for one in good if one.is_bad]
    repeated = {part: [judged[name] for name in names] for part, names in study.repeated.items()}
    try:
        attributes = None
        if study.ratings:
            attributes = Attributes.of(MODEL, {name: one.is_bad for name, one in judged.items()}, study.ratings)
    except ValueError as error:
        remedy = "Let all people rate the same pictures"
        raise DatasetError(str(error), where=study.root, remedy=remedy) from error
    calibration = predictor.folder.calibration
    qualification = Qualification(
        threshold=predictor.limits.image.threshold,
        target_fpr=None if calibration is None else calibration.target_fpr,
        missed=Counted(len(missed), len(challenge)) if challenge else None,
        missed_pictures=missed,
        false_alarms=Counted(len(alarmed), len(good)) if good else None,
        alarmed_pictures=alarmed,
        repeatability=_repeatability(repeated) if repeated else None,
        unfound=sum(not one.is_found for pictures in repeated.values() for one in pictures),
        attributes=attributes,
        detectability=_detectability(predictor, study, pixels_per_mm) if good else None,
    )
    return qualification, list(judged.values())


def _judged(predictor: AnomalyPredictor, study: Study) -> dict[str, Judged]:
    names = study.pictures
    results = predictor.predict([str(study.root / name) for name in names])
    judged = {}
    for name, result in zip(names, progress(results, "Judging", len(names), "picture"), strict=True):
        is_found = result.get("position", {"found": True})["found"]
        score = float(result["score"]) if is_found else 1.0
        judged[name] = Judged(name, score, float(result["raw_score"]), bool(result["is_anomalous"]), is_found)
    return judged


def _repeatability(repeated: dict[str, list[Judged]]) -> Repeatability:
    return Repeatability.of([
        Repeated(part, [one.score for one in pictures], [one.is_bad for one in pictures])
        for part, pictures in repeated.items()
    ])  # fmt: skip


def _detectability(predictor: AnomalyPredictor, study: Study, pixels_per_mm: float | None) -> Finding | NotMade:
    samples = [
        Sample(Path(study.root), name, None, "good", line, predictor.reading, predictor.preparation)
        for line, name in enumerate(study.good, 1)
    ]
    return analyse(["detectability"], Subject(predictor, samples, pixels_per_mm=pixels_per_mm))["detectability"]
