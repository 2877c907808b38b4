"""One trained model, two fusions of its layers, side by side: the paper's product, and calibrated z-scores.

    python benchmarks/fusion.py output/best_model/model.pdparams dataset/metal_grid

Both are calibrated on the same held-out training images and evaluated on val.txt through the same path as mode evaluate.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from trained_model import open_trained

from paddlex.data.dataset import read_samples
from paddlex.evaluation.evaluator import evaluate
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.modules.image_anomaly_detection.calibration.calibrator import calibrate
from paddlex.modules.image_anomaly_detection.export.exporter import export
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMCalibration
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches, consecutive

COLUMNS = ("image_auroc", "pixel_auroc", "aupro", "image_recall", "image_false_positive_rate", "IoU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("dataset")
    parser.add_argument(
        "--seed", type=int, default=0, help="Train.seed of the training run: it decides what was held out"
    )
    arguments = parser.parse_args()
    network, card, held_out = open_trained(arguments.weights, arguments.dataset, arguments.seed)
    validation = read_samples(arguments.dataset, "val.txt")
    size = card.size
    print("| fusion | " + " | ".join(COLUMNS) + " |\n|---" + "|---" * len(COLUMNS) + "|")
    for fusion in ("product", "calibrated"):
        images = ImageBatches(held_out, card.transform)
        options = STFPMCalibration(fusion=fusion)
        calibration = calibrate(network, images(consecutive(len(held_out), 8)), options, size)
        with tempfile.TemporaryDirectory() as folder:
            export(network, replace(card, calibration=calibration.to_dict()), Path(folder) / "inference")
            metrics = evaluate(AnomalyPredictor(Path(folder) / "inference", quiet=True), validation).to_dict()
        print(f"| {fusion} | " + " | ".join(f"{metrics[name]:.3f}" for name in COLUMNS) + " |", flush=True)


if __name__ == "__main__":
    main()
