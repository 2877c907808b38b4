"""How well anomaly maps tell anomalous pixels from normal ones: full resolution, any number of images, bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from paddlex.evaluation.metrics.curves import Curve, Ranking
from paddlex.evaluation.metrics.error_bounds import (
    area_error,
    average_precision_error,
    best_f1_error,
)
from paddlex.evaluation.metrics.pro import pro_curve, region_weights
from paddlex.evaluation.metrics.score_tally import (
    KEY_OF_MINUS_INFINITY,
    ScoreTally,
    to_keys,
    to_scores,
)


@dataclass(frozen=True)
class PixelMetrics:
    """Pixel-level figures over all thresholds; all None without normal or without anomalous pixels.

    Attributes:
        auroc: area under the ROC curve.
        average_precision: as scikit-learn defines it.
        best_f1: the highest F1 over all thresholds, chosen with hindsight.
        best_f1_threshold: pixels above it give ``best_f1``.
        aupro_30: area under the PRO curve up to a false-positive rate of 0.3, divided by 0.3.
        aupro_05: the same up to 0.05, divided by 0.05.
        roc_curve: x false-positive rate, y true-positive rate; thinned for plotting.
        precision_recall_curve: x recall, y precision; thinned for plotting.
        pro_curve: x false-positive rate, y per-region overlap; thinned for plotting.
        error_bounds: for auroc, average_precision, best_f1, aupro_30, aupro_05, how far each can be off; 0 if exact.
    """

    auroc: float | None = None
    average_precision: float | None = None
    best_f1: float | None = None
    best_f1_threshold: float | None = None
    aupro_30: float | None = None
    aupro_05: float | None = None
    roc_curve: Curve | None = None
    precision_recall_curve: Curve | None = None
    pro_curve: Curve | None = None
    error_bounds: dict[str, float] | None = None


class PixelAccumulator:
    """Takes in anomaly maps and masks one by one; gives figures for all defects and for each defect type.

    The normal pixels are always the same: the unmarked pixels of every image added, with or without a defect, of whatever
    type. The figures of one defect type hold its marked pixels against all of these.

    The figures are exact while the normal and the anomalous pixels each have at most ``max_distinct`` different values. With
    more, float32 values that differ only in their last bits are taken together, as few bits as possible, and
    ``PixelMetrics.error_bounds`` says how far the figures can then be off.

    Memory does not grow with the number of images, only with that of defect types: see ``ScoreTally``.

    Args:
        max_distinct: how many different values to keep apart; at least 512.
    """

    def __init__(self, max_distinct: int = 2**22) -> None:
        self._max_distinct = max_distinct
        self._normal = ScoreTally(columns=1, max_distinct=max_distinct)
        self._anomalous: dict[str, ScoreTally] = {}

    def add(self, anomaly_map: np.ndarray, mask: np.ndarray, defect_type: str = "defect") -> None:
        """Take in one image whose mask is known.

        Args:
            anomaly_map: float32 [H, W], finite.
            mask: bool [H, W], True where the image is anomalous; all False for a normal image.
            defect_type: what the marked pixels are; of no account if there are none.

        Raises:
            ValueError: another dtype or shape, or a value that is not finite.
        """
        if anomaly_map.dtype != np.float32 or mask.dtype != bool or anomaly_map.shape != mask.shape or mask.ndim != 2:
            raise ValueError(
                "expected a float32 map and a bool mask of one shape [H, W], but got "
                f"{anomaly_map.dtype} {anomaly_map.shape} and {mask.dtype} {mask.shape}"
            )
        if not np.isfinite(anomaly_map).all():
            raise ValueError("the anomaly map has values that are not finite")
        self._normal.add_counts(to_keys(anomaly_map[~mask]))
        if mask.any():
            overlap = region_weights(mask)
            tally = self._anomalous.setdefault(defect_type, ScoreTally(2, self._max_distinct))
            tally.add(to_keys(anomaly_map[mask]), np.stack([np.ones_like(overlap), overlap]))

    def compute(self) -> PixelMetrics:
        """The figures of all defects."""
        return self._compute(self._anomalous.values())

    def compute_by_type(self) -> dict[str, PixelMetrics]:
        """The figures of each defect type, held against the normal pixels of all images."""
        return {name: self._compute([tally]) for name, tally in self._anomalous.items()}

    def _compute(self, tallies: Iterable[ScoreTally]) -> PixelMetrics:
        anomalous = ScoreTally(2, self._max_distinct)
        for tally in tallies:
            anomalous.add_tally(tally)
        shift = max(self._normal.shift, anomalous.shift)
        normal_keys, (normal_counts,) = self._normal.at_shift(shift)
        anomalous_keys, anomalous_weights = anomalous.at_shift(shift)
        if normal_keys.size == 0 or anomalous_keys.size == 0:
            return PixelMetrics()
        return _metrics(*_rank(normal_keys, normal_counts, anomalous_keys, anomalous_weights, shift), exact=shift == 0)


def _rank(
    normal_keys: np.ndarray, normal: np.ndarray, anomalous_keys: np.ndarray, anomalous: np.ndarray, shift: int
) -> tuple[Ranking, np.ndarray]:
    """Bring the normal pixels [n] and the anomalous ones with their region weights [2, m] into one order.

    Only intervals with anomalous pixels are told apart. The normal pixels between two of them share one interval, which
    loses nothing: all curves are straight there, and F1 only falls.

    Returns:
        The ranking, and the region weights of each of its intervals.
    """
    # Edges ascend: the top of the gap below an anomalous interval, the top of that interval, the top of the next gap, ...
    bottoms = anomalous_keys >> shift << shift
    edges = np.append(np.column_stack([bottoms - 1, anomalous_keys]), max(anomalous_keys[-1], normal_keys[-1]))
    below = np.append(0.0, np.cumsum(normal))
    normal_counts = np.diff(below[np.searchsorted(normal_keys, edges, side="right")], prepend=0.0)
    anomalous_counts, overlap = weights = np.zeros((2, edges.size))
    weights[:, 1::2] = anomalous

    kept = np.flatnonzero((normal_counts > 0) | (anomalous_counts > 0))[::-1]
    lowest = max(min(bottoms[0], normal_keys[0] >> shift << shift) - 1, KEY_OF_MINUS_INFINITY)
    thresholds = to_scores(np.append(edges[kept], lowest))
    return Ranking(thresholds, normal_counts[kept], anomalous_counts[kept]), overlap[kept]


def _metrics(ranking: Ranking, overlap: np.ndarray, exact: bool) -> PixelMetrics:
    roc, pro = ranking.roc_curve(), pro_curve(ranking, overlap)
    f1, f1_threshold = ranking.best_f1()
    bounds = {
        "auroc": area_error(roc),
        "average_precision": average_precision_error(ranking),
        "best_f1": best_f1_error(ranking),
        "aupro_30": area_error(pro, 0.3),
        "aupro_05": area_error(pro, 0.05),
    }
    return PixelMetrics(
        auroc=ranking.auroc(),
        average_precision=ranking.average_precision(),
        best_f1=f1,
        best_f1_threshold=f1_threshold,
        aupro_30=pro.area(0.3),
        aupro_05=pro.area(0.05),
        roc_curve=roc.thinned(),
        precision_recall_curve=ranking.precision_recall_curve().thinned(),
        pro_curve=pro.thinned(),
        error_bounds=dict.fromkeys(bounds, 0.0) if exact else bounds,
    )
