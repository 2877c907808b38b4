"""The demonstration data set: a woven metal grid, drawn by a program."""

from paddlex.data.demo.dataset import make_demo_dataset

__all__ = ["make_demo_dataset"]
