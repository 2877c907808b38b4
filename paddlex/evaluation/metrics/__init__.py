"""Image-level and pixel-level figures. Pure NumPy, SciPy and OpenCV; a figure that the data does not give is None.

One decision rule holds throughout: what scores above a threshold is anomalous.
"""

from paddlex.evaluation.metrics.bootstrap import bootstrap_intervals, paired_aurocs, percentiles
from paddlex.evaluation.metrics.confusion import Confusion, confusion, confusion_at
from paddlex.evaluation.metrics.curves import Curve, Ranking
from paddlex.evaluation.metrics.image_level import ImageMetrics, auroc, image_metrics
from paddlex.evaluation.metrics.pixel_level import PixelAccumulator, PixelMetrics
from paddlex.evaluation.metrics.share_interval import share_interval

__all__ = [
    "Confusion",
    "Curve",
    "ImageMetrics",
    "PixelAccumulator",
    "PixelMetrics",
    "Ranking",
    "auroc",
    "bootstrap_intervals",
    "confusion",
    "confusion_at",
    "image_metrics",
    "paired_aurocs",
    "percentiles",
    "share_interval",
]
