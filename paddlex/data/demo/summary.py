"""The last words of ``make demo``: the scores that were reached, and which files to look at."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from paddlex.utils.console import say
from paddlex.utils.strict import read_json

EXAMPLES = ("thread/000", "bent/000", "good/000")


def summarise(output: Path) -> str:
    """Text about the results of all five modes below ``output``."""
    train, evaluation, prediction = (_result(output, mode) for mode in ("train", "evaluate", "predict"))
    metrics = evaluation["metrics"]
    files = {
        **{f"predict/{name}_res.png": "verdict, outlined regions, heat map" for name in EXAMPLES},
        "evaluate/report.html": "all figures, curves, and the worst mistakes, as a page",
        "predict/summary.csv": "one line for each image",
        f"predict/{EXAMPLES[0]}_res.json": "a result for a program",
        "check_dataset/histogram.png": "what is in the data set",
    }
    width = max(len(str(output / name)) for name in files)
    lines = [
        "",
        f"Trained in {train['minutes']:.1f} minutes on normal images alone. On the validation images, "
        f"{metrics['normal_images']} normal and {metrics['anomalous_images']} defective:",
        f"  image AUROC {metrics['image_auroc']:.3f}, pixel AUROC {metrics['pixel_auroc']:.3f}",
        f"  at the calibrated threshold {metrics['image_recall']:.0%} of the defective images are found, "
        f"and {metrics['image_false_positive_rate']:.0%} of the normal ones are false alarms",
        "  of the pixels: " + ", ".join(f"{name} {_figure(metrics[name])}" for name in ("IoU", "Precision", "Recall")),
        "",
        f"{prediction['images']} images were predicted. Look at",
        *(f"  {output / name!s:{width}}   {meaning}" for name, meaning in files.items()),
        f"The model to carry away is {output / 'best_model' / 'inference'}.",
    ]
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _result(output: Path, mode: str) -> dict[str, Any]:
    result: dict[str, Any] = read_json(output / f"{mode}_result.json", max_bytes=2**26)
    return result


if __name__ == "__main__":
    say(summarise(Path(sys.argv[1])))
