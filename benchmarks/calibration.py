"""Is the false-alarm rate that was asked for the one that is got? Many random divisions of normal images tell.

    python benchmarks/calibration.py output/best_model/model.pdparams --plot calibration.png dataset/metal_grid

All normal images that the student was not trained on (those held out of train.txt, and the good ones of val.txt) are divided at
random, again and again: one half calibrates as the trainer does, statistics and all; the other half counts false alarms.
``--more_demo N`` adds N freshly drawn normal images of the demonstration data set.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from trained_model import open_trained

from paddlex.data.dataset import read_samples
from paddlex.data.demo import make_demo_dataset
from paddlex.inference.postprocess import anomaly_score
from paddlex.inference.refit.calibrating import fused_maps
from paddlex.modules.image_anomaly_detection.calibration.calibrator import calibrate_distances, layer_distances
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMCalibration
from paddlex.modules.image_anomaly_detection.training.batches import ImageBatches, consecutive

RATES = (0.01, 0.02, 0.05, 0.1, 0.2)


def distances_of(network, card, samples) -> list[np.ndarray]:
    batches = ImageBatches(samples, card.transform)(consecutive(len(samples), 8))
    return layer_distances(network, batches)


def achieved_rates(network, layers, chosen, size, fusion) -> list[float]:
    """Calibrate on the chosen images for each requested rate; the shares of the others that are above the threshold."""
    rest = np.setdiff1d(np.arange(len(layers[0])), chosen)
    rates = []
    for rate in RATES:
        options = STFPMCalibration(fusion=fusion, target_fpr=rate)
        threshold = calibrate_distances(network, [layer[chosen] for layer in layers], options, size).image_threshold
        fuse = network.fusions().of(options)
        scores = np.array([anomaly_score(anomaly_map) for anomaly_map in fused_maps(fuse, layers, rest, size)])
        rates.append(float((scores > threshold).mean()))
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("dataset")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fusion", default="calibrated", choices=("calibrated", "product"))
    parser.add_argument("--more_demo", type=int, default=0)
    parser.add_argument("--plot")
    arguments = parser.parse_args()
    network, card, held_out = open_trained(arguments.weights, arguments.dataset, arguments.seed)
    good = [sample for sample in read_samples(arguments.dataset, "val.txt") if sample.mask is None]
    parts = [distances_of(network, card, [*held_out, *good])]
    if arguments.more_demo:
        with tempfile.TemporaryDirectory() as folder:
            fresh = make_demo_dataset(
                Path(folder) / "demo", seed=1000, train=arguments.more_demo, val_normal=1, val_anomalous=1
            )
            parts.append(distances_of(network, card, read_samples(fresh, "train.txt")))
    layers = [np.concatenate(layer) for layer in zip(*parts, strict=True)]
    count, size = len(layers[0]), card.size
    rng = np.random.default_rng(arguments.seed)
    divisions = [rng.permutation(count)[: count // 2] for _ in range(arguments.splits)]
    achieved = np.array([achieved_rates(network, layers, np.sort(half), size, arguments.fusion) for half in divisions])

    print(f"{count} normal images, {count // 2} to calibrate, {arguments.splits} divisions, fusion {arguments.fusion}")
    print("| requested | achieved, mean | 5 % to 95 % of the divisions |\n|---|---|---|")
    for rate, values in zip(RATES, achieved.T, strict=True):
        low, high = np.percentile(values, [5, 95])
        print(f"| {rate:.2f} | {values.mean():.3f} | {low:.3f} to {high:.3f} |")
    if arguments.plot:
        draw(achieved, arguments.plot)


def draw(achieved: np.ndarray, path: str) -> None:
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.add_subplot(xlabel="requested false-alarm rate", ylabel="achieved on other normal images")
    axes.plot([0, 0.25], [0, 0.25], color="grey", linewidth=1, label="as requested")
    low, high = np.percentile(achieved, [5, 95], axis=0)
    axes.fill_between(RATES, low, high, alpha=0.25, label="5 % to 95 % of the divisions")
    axes.plot(RATES, achieved.mean(axis=0), marker="o", label="mean")
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
