"""The last words of ``make demo``: what each model has reached, and which files to look at."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paddlex.utils.console import say
from paddlex.utils.strict import read_json

EXAMPLES = ("thread/000", "bent/000", "good/000")

_WEIGHTS = "best_model/inference/inference.pdiparams"
_COLUMNS = ("model", "image AUROC", "pixel AUROC", "defects found", "false alarms", "training", "size")


def summarise(output: Path, *others: Path) -> str:
    """Text about the results below the output folders.

    Args:
        output: where all five modes have written.
        others: where models beside it were trained and evaluated.
    """
    metrics = _result(output, "evaluate")["metrics"]
    prediction = _result(output, "predict")
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
        f"On {metrics['normal_images']} good and {metrics['anomalous_images']} defective parts that no model has seen, at the "
        "threshold that each has found from good parts alone:",
        "",
        *_table([_COLUMNS, *(_row(folder) for folder in (output, *others))]),
        "",
        f"{prediction['images']} images were predicted. Look at",
        *(f"  {output / name!s:{width}}   {meaning}" for name, meaning in files.items()),
        f"The model to carry away is {output / 'best_model' / 'inference'}.",
    ]
    return "\n".join(lines)


def _row(output: Path) -> tuple[str, ...]:
    training, metrics = _result(output, "train"), _result(output, "evaluate")["metrics"]
    return (
        training["model_name"],
        _figure(metrics["image_auroc"]),
        _figure(metrics["pixel_auroc"]),
        f"{metrics['image_recall']:.0%}",
        f"{metrics['image_false_positive_rate']:.0%}",
        f"{60 * training['minutes']:.0f} s",
        f"{(output / _WEIGHTS).stat().st_size / 1e6:.1f} MB",
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _figure(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _result(output: Path, mode: str) -> dict[str, Any]:
    result: dict[str, Any] = read_json(output / f"{mode}_result.json", max_bytes=2**26)
    return result


if __name__ == "__main__":
    say(summarise(*map(Path, sys.argv[1:])))
