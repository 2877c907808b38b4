"""Solar cells as a SegDataset: the monocrystalline cells of PyPI's elpv-dataset, sound (label 0) against defective (1.0).

    pip install elpv-dataset
    python benchmarks/elpv.py dataset/elpv

250 sound cells to train on, 150 sound and 150 defective ones to validate, drawn with a fixed seed. The data set has no masks:
every defective cell gets one that marks the whole image, so only the image-level figures mean something.

Data: Buerhop-Lutz et al., A Benchmark for Visual Identification of Defective Solar Cells in Electroluminescence Imagery, 2018.
"""

from __future__ import annotations

import argparse
import shutil
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from paddlex.utils.files import atomic_directory

TRAIN, VAL = 250, 150


def package_data() -> Path:
    """The folder that the package elpv-dataset carries, without importing it."""
    spec = find_spec("elpv_dataset")
    if spec is None or spec.origin is None:
        raise SystemExit("elpv-dataset is not installed: pip install elpv-dataset")
    return Path(spec.origin).parent / "data"


def convert(data: Path, folder: Path, seed: int = 0) -> None:
    """Write the SegDataset, whole or not at all."""
    lines = [line.split() for line in (data / "labels.csv").read_text().splitlines() if line.strip()]
    rng = np.random.default_rng(seed)
    sound, defective = (
        [name for name, probability, kind in lines if kind == "mono" and float(probability) == label]
        for label in (0.0, 1.0)
    )
    rng.shuffle(sound)
    rng.shuffle(defective)
    parts = {
        "train/good": sound[:TRAIN],
        "test/good": sound[TRAIN : TRAIN + VAL],
        "test/defective": defective[:VAL],
    }
    with atomic_directory(folder) as temporary:
        for part, names in parts.items():
            (temporary / part).mkdir(parents=True)
            for name in names:
                shutil.copyfile(data / name, temporary / part / Path(name).name)
        (temporary / "masks").mkdir()
        size = cv2.imread(str(data / sound[0]), cv2.IMREAD_GRAYSCALE).shape
        cv2.imwrite(str(temporary / "masks" / "whole_image.png"), np.full(size, 255, np.uint8))
        images = {part: [f"{part}/{Path(name).name}" for name in names] for part, names in parts.items()}
        bad = [f"{image} masks/whole_image.png" for image in images["test/defective"]]
        (temporary / "train.txt").write_text("\n".join(images["train/good"]) + "\n")
        (temporary / "val.txt").write_text("\n".join(images["test/good"] + bad) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    convert(package_data(), Path(parser.parse_args().folder))
