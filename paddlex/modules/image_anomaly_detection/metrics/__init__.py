"""Image-level and pixel-level figures. Pure NumPy, SciPy and OpenCV; a figure that the data does not give is None.

One decision rule holds throughout: what scores above a threshold is anomalous.
"""

from paddlex.modules.image_anomaly_detection.metrics.bootstrap import bootstrap_intervals
from paddlex.modules.image_anomaly_detection.metrics.confusion import Confusion, confusion, confusion_at
from paddlex.modules.image_anomaly_detection.metrics.curves import Curve, Ranking
from paddlex.modules.image_anomaly_detection.metrics.image_level import ImageMetrics, auroc, image_metrics
from paddlex.modules.image_anomaly_detection.metrics.pixel_level import PixelAccumulator, PixelMetrics

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
]
