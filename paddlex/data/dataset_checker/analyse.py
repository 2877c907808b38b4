"""What a data set consists of: counts, and a bar chart of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paddlex.data.dataset import TRAIN_LIST
from paddlex.data.dataset_checker.check import Inspection
from paddlex.data.dataset_checker.fonts import fonts_for_any_name, shorten
from paddlex.utils.files import atomic_path
from paddlex.utils.paddle_environment import keep_matplotlib_in_cache

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BARS = 30
_LONGEST_LABEL = 40
_BLUE, _GREEN, _RED = "#4c72b0", "#55a868", "#c44e52"


@dataclass(frozen=True)
class Counts:
    """How many images of each kind there are.

    Attributes:
        train_normal: training images.
        val_normal: normal validation images.
        val_defects: anomalous validation images of each defect type, the most frequent type first.
    """

    train_normal: int
    val_normal: int
    val_defects: dict[str, int]

    @property
    def val_anomalous(self) -> int:
        return sum(self.val_defects.values())


def count_kinds(inspections: Sequence[Inspection]) -> Counts:
    """Count the images of each kind; a defect type is named after the folder of its images."""
    train = sum(inspection.sample.list_name == TRAIN_LIST for inspection in inspections)
    false_alarms = sum(inspection.sample.is_false_alarm for inspection in inspections)
    defects = Counter(inspection.sample.defect_type for inspection in inspections if inspection.anomalous)
    by_frequency = dict(sorted(defects.items(), key=lambda item: (-item[1], item[0])))
    return Counts(train, len(inspections) - train - false_alarms - defects.total(), by_frequency)


def write_histogram(path: str | os.PathLike[str], counts: Counts) -> None:
    """Draw the counts as horizontal bars into a PNG file; past 30 defect types, the rarest share a bar."""
    keep_matplotlib_in_cache()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    defects = _merge_rarest(counts.val_defects)
    labels = ["train: normal", "val: normal", *(f"val: {_short(name)}" for name in defects)]
    widths = [counts.train_normal, counts.val_normal, *defects.values()]
    colours = [_BLUE, _GREEN, *[_RED] * len(defects)]
    with fonts_for_any_name():
        figure = Figure(figsize=(8, 1.6 + 0.34 * len(labels)), layout="constrained")
        FigureCanvasAgg(figure)
        _draw_bars(figure.add_subplot(), labels, widths, colours)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=120)


def _draw_bars(axes: Axes, labels: list[str], widths: list[int], colours: list[str]) -> None:
    from matplotlib.ticker import MaxNLocator

    positions = range(len(labels))
    bars = axes.barh(positions, widths, color=colours)
    axes.bar_label(bars, padding=3)
    axes.set_yticks(positions, labels, parse_math=False)  # a name may hold $
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.01)
    axes.set_xlabel("images")
    axes.set_title("Images in the data set")
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _merge_rarest(defects: dict[str, int]) -> dict[str, int]:
    if len(defects) <= _MOST_BARS:
        return defects
    bars = list(defects.items())
    shown, merged = bars[: _MOST_BARS - 1], bars[_MOST_BARS - 1 :]
    return dict(shown) | {f"{len(merged)} other types": sum(count for _, count in merged)}


def _short(name: str) -> str:
    return shorten(name, _LONGEST_LABEL) or "anomalous"
