"""Does what a model finds of drawn defects say what it finds of real ones? Rank correlations on one data set with masks.

    python benchmarks/detectability.py output/best_model/inference dataset/metal_grid --drawn 10

Each real defect (the largest region of an image's mask) has a size, the diameter of a disc of its area, and a contrast, the
difference in mean grey value from a rim of 7 pixels around the mask. The charts of spots and of stains give the share found at
that size and contrast. It is ranked against how high the map rises on the defect, divided by the threshold.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np
from scipy.stats import spearmanr

from paddlex.data.dataset import VAL_LIST, Sample, read_mask, read_samples
from paddlex.evaluation.analyses import Subject, detectability
from paddlex.evaluation.analyses.detectability_result import Row
from paddlex.inference.predictor import AnomalyPredictor

RIM = np.ones((15, 15), np.uint8)


def real_defect(sample: Sample, predictor: AnomalyPredictor) -> tuple[float, float, float] | None:
    """Size in pixels, contrast from 0 to 1, and the map's height divided by the threshold; None without a rim or a mask."""
    assert sample.mask_path is not None
    mask = read_mask(sample.mask_path, sample.reading)
    ring = (cv2.dilate(mask.astype(np.uint8), RIM) > 0) & ~mask
    if not mask.any() or not ring.any():
        return None
    image = sample.read()
    (anomaly_map,) = predictor.photo_maps([image])
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(float)
    areas = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
    size = float(np.sqrt(4 * areas.max() / np.pi))
    contrast = abs(grey[mask].mean() - grey[ring].mean()) / 255
    return size, contrast, float(anomaly_map[mask].max() / predictor.limits.image.threshold)


def share_found(rows: list[Row], size: float, contrast: float) -> float:
    """What the chart of a kind says, between its sizes and levels by straight lines of their logarithms."""
    shares = np.array([[row.found(level) / row.drawn for level in row.levels] for row in rows])
    at_contrast = [np.interp(np.log(max(contrast, 1e-3)), np.log(rows[0].levels), line) for line in shares]
    return float(np.interp(np.log(size), np.log([row.size for row in rows]), at_contrast))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("dataset")
    parser.add_argument("--drawn", type=int, default=detectability.DRAWN)
    options = parser.parse_args()
    detectability.DRAWN = options.drawn
    predictor = AnomalyPredictor(options.model, device="cpu", quiet=True)
    samples = read_samples(options.dataset, VAL_LIST)
    found = detectability.analyse(Subject(predictor, [sample for sample in samples if sample.mask is None]))
    measured = (real_defect(sample, predictor) for sample in samples if sample.mask is not None)
    size, contrast, height = np.array([values for values in measured if values is not None]).T
    chart = [
        np.mean([share_found(found.of(kind), *values) for kind in ("spot", "stain")])
        for values in zip(size, contrast, strict=True)
    ]
    print(
        f"{len(size)} real defects, {(height > 1).mean():.0%} found; of what was drawn, at all levels, {found.share:.0%}"
    )
    for name, values in (("size", size), ("contrast", contrast), ("share found by the chart", chart)):
        print(f"rank correlation of the {name} with the map's height: {spearmanr(values, height).statistic:.2f}")


if __name__ == "__main__":
    main()
