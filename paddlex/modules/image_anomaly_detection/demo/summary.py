"""The last words of ``make demo``: the scores that were reached, and which files to look at."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from paddlex.utils.console import say

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
        f"  of the pixels: IoU {metrics['IoU']:.3f}, Precision {metrics['Precision']:.3f}, Recall {metrics['Recall']:.3f}",
        "",
        f"{prediction['images']} images were predicted. Look at",
        *(f"  {output / name!s:{width}}   {meaning}" for name, meaning in files.items()),
        f"The model to carry away is {output / 'best_model' / 'inference'}.",
    ]
    return "\n".join(lines)


def _result(output: Path, mode: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((output / f"{mode}_result.json").read_text(encoding="utf-8"))
    return result


if __name__ == "__main__":
    say(summarise(Path(sys.argv[1])))
