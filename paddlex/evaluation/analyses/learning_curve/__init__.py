"""Are there enough good parts? A model is fitted again to some of its photos, and judges those that were left out.

There are enough if false alarms are expected within ``TOLERANCE`` of their target, which depends on the number of photos alone
(``expected_false_alarms``), and nothing shows that twice as many photos would find more than ``LEAST_GAIN`` of the drawn
defects more: on that account more photos are asked for only where the whole interval of that gain (``Law``) lies above it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from paddlex.errors import ModelError
from paddlex.evaluation.analyses.learning_curve.fits import CONFIDENCE, FEWEST, Certainty, Point, measure
from paddlex.evaluation.analyses.learning_curve.law import Law
from paddlex.evaluation.analyses.learning_curve.refitting import Refitter
from paddlex.evaluation.analyses.subject import Subject
from paddlex.evaluation.metrics.threshold_certainty import images_for
from paddlex.inference.calibration import Calibration

#: The false-alarm rate is near enough to its target if it is within this share of it: 5 % ± 2 %.
TOLERANCE = 0.4

#: More photos are of little use if twice as many find no more than this share of the drawn defects more: less than that is lost
#: in the chance of so few drawings.
LEAST_GAIN = 0.03

#: Where even the largest fits find less than this share, the drawings are too faint for a gain to show.
LEAST_FOUND = 0.1

#: So many times the photos that there are: beyond, the law is not believed.
FARTHEST = 4


@dataclass(frozen=True)
class LearningCurve:
    """What was found.

    Attributes:
        target_fpr: of the model.
        whole: with all photos that there are, by the model's own calibration scores.
        points: with fewer, ascending; none where the model was not fitted again.
        law: of what more photos find; None without two points.
        photos_for_rate: from how many photos on false alarms are expected within the tolerance.
        reason: why the model was not fitted again; None if it was.
        is_own_threshold: whether the model's threshold is the one that its target rate gives.
    """

    target_fpr: float
    whole: Certainty
    points: tuple[Point, ...]
    law: Law | None
    photos_for_rate: int
    reason: str | None = None
    is_own_threshold: bool = True

    @property
    def photos(self) -> int:
        return self.whole.photos

    @property
    def photos_for_finding(self) -> int | None:
        """From how many photos on more would find little more; None where nothing tells, or where the curve leaves it open."""
        if self.law is None or self.gain == "open":
            return None
        return max(self.points[0].photos, self.law.photos_until(LEAST_GAIN))

    @property
    def gain(self) -> str:
        """Whether more photos would find more: ``yes``, ``little``, ``open`` (the curve does not tell) or ``unknown``."""
        if self.law is None:
            return "unknown"
        if self.points[-1].share_found < LEAST_FOUND:
            return "open"
        _, (low, high) = self.law.gain(self.photos)
        return "yes" if low > LEAST_GAIN else "little" if high <= LEAST_GAIN else "open"

    @property
    def photos_needed(self) -> int:
        """The larger of the two, as far as they are known, and no more than the law is believed for."""
        for_finding = min(self.photos_for_finding or 0, FARTHEST * self.photos)
        return max(self.photos_for_rate, for_finding)

    @property
    def is_alike(self) -> bool:
        """Whether the photos left out exceed the largest fits' thresholds no more often than chance explains."""
        return not self.points or self.points[-1].is_chance(self.target_fpr)

    @property
    def is_enough(self) -> bool:
        return self.is_alike and self.photos >= self.photos_needed

    def to_dict(self) -> dict[str, Any]:
        """As it stands in evaluate_result.json; see docs/outputs.md."""
        return {
            "is_enough": self.is_enough,
            "photos": self.photos,
            "photos_needed": self.photos_needed,
            "photos_for_rate": self.photos_for_rate,
            "photos_for_finding": self.photos_for_finding,
            "more_would_be_found": self.gain,
            "target_fpr": self.target_fpr,
            "confidence": CONFIDENCE,
            "whole": asdict(self.whole),
            "points": [{**asdict(point), "share_found": point.share_found} for point in self.points],
            "law": None if self.law is None else asdict(self.law),
            "left_out_are_alike": self.is_alike,
            "not_fitted_again": self.reason,
        }

    def words(self) -> list[str]:
        """See ``words``."""
        from paddlex.evaluation.analyses.learning_curve.words import sentences

        return sentences(self)


def analyse(subject: Subject) -> LearningCurve:
    """What the calibration scores alone tell: the model is not fitted again."""
    calibration = subject.predictor.folder.calibration
    if calibration is None:
        raise ModelError("the model is not calibrated", remedy="Evaluate the weights that a training has written")
    return learning_curve(calibration, len(calibration.scores), "there is nothing here to fit it with")


def learning_curve(calibration: Calibration, photos: int, refit: Refitter | str, seed: int = 0) -> LearningCurve:
    """Fit a model again, to fewer photos than it had, and say whether these are enough.

    Args:
        calibration: the model's.
        photos: how many it was trained with, those included that were held out for the calibration.
        refit: fits it again; or why that cannot be, in a clause.
        seed: the same seed gives the same photos and drawings.

    Raises:
        TrainingError, ImageReadError: a fit is not possible.
    """
    target = calibration.target_fpr
    whole = Certainty.of(photos, calibration.scores, target)
    points: list[Point] = []
    law = reason = None
    if isinstance(refit, str):
        reason = refit
    else:
        points, law = measure(refit, target, seed)
        reason = None if points else f"that takes {FEWEST} photos to fit to, and others to judge"
    wanted = images_for(target, TOLERANCE * target, CONFIDENCE)
    return LearningCurve(
        target_fpr=target,
        whole=whole,
        points=tuple(points),
        law=law,
        photos_for_rate=math.ceil(wanted * photos / whole.scores),
        reason=reason,
        is_own_threshold=math.isclose(whole.threshold, calibration.image_threshold, rel_tol=1e-6),
    )
