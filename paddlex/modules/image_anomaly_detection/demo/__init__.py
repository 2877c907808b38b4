"""The demonstration data set: a woven metal grid, drawn by a program."""

from paddlex.modules.image_anomaly_detection.demo.dataset import make_demo_dataset

__all__ = ["make_demo_dataset"]
