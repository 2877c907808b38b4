"""The course of a training as one picture: is it still learning, did it learn too long, where is the best model?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import Progress
from paddlex.utils.files import atomic_path

#: Beside train_result.json.
TRAIN_CURVE = "train_curve.png"

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _ORANGE, _GREEN, _GREY = "#1f77b4", "#d95f02", "#2a9d3f", "#777777"


def draw_train_curve(path: Path, progress: Progress, rates: Sequence[float], best_by: str) -> None:
    """Draw loss, learning rate and, where it is known, validation AUROC over the epochs into a PNG file.

    Args:
        path: replaced if it exists.
        progress: of a run with one evaluation at least.
        rates: the learning rate of every step so far.
        best_by: ``loss`` or ``auroc``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    has_auroc = best_by == "auroc"
    height = 7 if has_auroc else 5.6
    figure = Figure(figsize=(8, height))
    FigureCanvasAgg(figure)
    heights = [3, *([1.3] if has_auroc else []), 1]
    panels = figure.subplots(len(heights), sharex=True, gridspec_kw={"height_ratios": heights})
    # fixed margins: to find them takes longer than to draw, and this is drawn at every evaluation
    figure.subplots_adjust(left=0.1, right=0.985, bottom=0.5 / height, top=1 - 0.35 / height, hspace=0.08)
    _draw_losses(panels[0], progress)
    if has_auroc:
        _draw_auroc(panels[1], progress)
    _draw_rates(panels[-1], progress, rates)
    for axes in panels:
        axes.axvline(progress.best_epoch, color=_GREEN, linestyle=":", linewidth=1.2, zorder=0)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _draw_losses(axes: Axes, progress: Progress) -> None:
    epochs = [entry["epoch"] for entry in progress.history]
    held_out = [entry["held_out_loss"] for entry in progress.history]
    train = [entry["train_loss"] for entry in progress.history]
    marker = "o" if len(epochs) <= 30 else None
    axes.plot(epochs, train, color=_BLUE, marker=marker, markersize=4, label="training (mean of the epoch)")
    start = [] if progress.start_loss is None else [progress.start_loss]
    axes.plot(
        [*([0] * len(start)), *epochs], [*start, *held_out], color=_ORANGE, marker=marker, markersize=4,
        label="held-out normal images",
    )  # fmt: skip
    if start:
        axes.axhline(start[0], color=_GREY, linestyle="--", linewidth=1, label=f"before the first step: {start[0]:.3g}")
    best = next(entry for entry in progress.history if entry["epoch"] == progress.best_epoch)
    axes.plot(
        best["epoch"], best["held_out_loss"], "*", color=_GREEN, markersize=14, zorder=3,
        label=f"best model: epoch {best['epoch']}, {best['held_out_loss']:.3g}",
    )  # fmt: skip
    _use_log_scale(axes, [*start, *held_out, *train])
    axes.set_ylabel("loss")
    axes.set_title("Course of the training")
    # losses fall: below the line of the start there is room
    axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(0.94, 0.93))


def _draw_auroc(axes: Axes, progress: Progress) -> None:
    points = [(entry["epoch"], entry["image_auroc"]) for entry in progress.history]
    axes.plot(*zip(*points, strict=True), color=_ORANGE, marker="o", markersize=4)
    axes.set_ylabel("AUROC of val.txt")


def _draw_rates(axes: Axes, progress: Progress, rates: Sequence[float]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.plot(np.linspace(0, progress.epoch, len(rates)), rates, color=_GREY)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("learning rate")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _use_log_scale(axes: Axes, values: Sequence[float]) -> None:
    """A loss falls by a factor, not by an amount; plain numbers stand at the ticks."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    if min(values) <= 0:
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
