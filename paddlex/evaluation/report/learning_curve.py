"""The section on whether there are enough photos: what its template prints."""

from __future__ import annotations

from paddlex.evaluation.analyses.learning_curve import LEAST_GAIN, TOLERANCE, LearningCurve
from paddlex.evaluation.analyses.learning_curve.fits import CONFIDENCE, Certainty
from paddlex.evaluation.numbers import rate, share
from paddlex.evaluation.report.learning_chart import learning_chart


def values(curve: LearningCurve) -> dict[str, object]:
    """What templates/sections/learning_curve.html prints."""
    rows = [
        [
            f"{point.photos:,}", *_threshold(point.certainty),
            f"{point.spread[1]:.3g} ({point.spread[0]:.3g} to {point.spread[2]:.3g})",
            f"{point.false_alarms:,} of {point.left_out:,}",
            f"{rate(point.share_found)} ({rate(point.found_interval[0])} to {rate(point.found_interval[1])})",
        ]
        for point in curve.points
    ]  # fmt: skip
    rows.append([f"{curve.photos:,} (all)", *_threshold(curve.whole), *([""] * 3 if rows else [])])
    return {
        "chart_svg": learning_chart(curve),
        "rows": rows,
        "has_points": bool(curve.points),
        "is_not_enough": curve.photos_needed > curve.photos,
        "confidence": share(CONFIDENCE),
        "target": share(curve.target_fpr),
        "margin": share(TOLERANCE * curve.target_fpr),
        "least_gain": share(LEAST_GAIN),
        "has_law": curve.law is not None,
    }


def _threshold(certainty: Certainty) -> list[str]:
    low, high = certainty.threshold_interval
    expected = " to ".join(rate(bound) for bound in certainty.false_alarms)
    return [f"{certainty.threshold:.3g} ({low:.3g} to {high:.3g})", expected]
