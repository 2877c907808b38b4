"""How often the rule for drift raises an alarm where nothing changed, and how soon where something did.

    python benchmarks/drift.py                  # false alarms a month, for each kind of production
    python benchmarks/drift.py --shifts         # delays: jumps of 0.5, 1 and 2 standard deviations
    python benchmarks/drift.py --pictures output/best_model/inference dataset/metal_grid   # delays on changed pictures
    python benchmarks/drift.py --plot drift.png # the charts of one line, before and after its lamp has lost a tenth

Simulated production: three shifts a day, every day; the six quantities are independent, which makes the most false alarms.
Every value is a normal deviate of its part, plus what it has in common with its neighbours (an autoregressive process), plus
what it has in common with its shift.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.signal import lfilter
from scipy.stats import chi2

from paddlex.data.dataset import TRAIN_LIST, VAL_LIST, read_samples
from paddlex.inference.appearance import appearance_of
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.studio.drift.chart import LASTING, SUDDEN
from paddlex.studio.drift.rule import CAUSES, Finding, judge
from paddlex.studio.drift.shifts import Shifts
from paddlex.studio.drift.verdicts import Reference, Verdicts

HOUR = 3_600_000
SHIFT, DAY = 8 * HOUR, 24 * HOUR
MONTH = 30  # days
START = 1_767_247_200_000  # the first of January 2026, 06:00 UTC

#: Quantity -> what is usual, and the standard deviation of parts.
USUAL = {
    "brightness": (120.0, 3.0), "sharpness": (-1.0, 0.08), "offset_x": (0.0, 2.0), "offset_y": (0.0, 2.0),
    "angle": (0.0, 0.5), "raw_score": (10.0, 1.0),
}  # fmt: skip

#: Calibration scores of the same distribution as the good parts' scores.
REFERENCE = Reference(
    10 + np.random.default_rng(0).normal(size=200), np.full(200, 120.0), np.full(200, -1.0), target_fpr=0.05
)


@dataclass(frozen=True)
class Production:
    """What is usual somewhere.

    Attributes:
        parts: of a shift.
        memory: the autocorrelation of neighbouring parts; the process it belongs to is as strong as what is the part's own.
        of_shift: the standard deviation that shifts have in common, in those of parts.
        of_clock: how far morning, evening and night are apart: the first is so many standard deviations up, the last down.
        heavy: the degrees of freedom of what shifts have in common, if that has heavy tails (Student's t).
        persistence: the autocorrelation of shifts.
        defects: the share of parts whose scores are ten standard deviations up.
    """

    parts: int = 300
    memory: float = 0.0
    of_shift: float = 0.0
    of_clock: float = 0.0
    heavy: int = 0
    persistence: float = 0.0
    defects: float = 0.0


PRODUCTIONS = {
    "parts are independent": Production(),
    "60 parts a shift": Production(parts=60),
    "2000 parts a shift": Production(parts=2000),
    "neighbours are alike (0.9)": Production(memory=0.9),
    "neighbours are alike (0.99)": Production(memory=0.99),
    "shifts differ by 0.5": Production(memory=0.9, of_shift=0.5),
    "shifts differ by 2": Production(memory=0.9, of_shift=2),
    "light by the clock, 3 up and down": Production(memory=0.9, of_shift=0.5, of_clock=3),
    "one part in twenty is defective": Production(memory=0.9, of_shift=0.5, defects=0.05),
    "shifts have heavy tails (t, 5)": Production(memory=0.9, of_shift=1, heavy=5),
    "shifts have heavy tails (t, 3)": Production(memory=0.9, of_shift=1, heavy=3),
    "shifts like the last one (0.3)": Production(memory=0.9, of_shift=1, persistence=0.3),
    "shifts like the last one (0.5)": Production(memory=0.9, of_shift=1, persistence=0.5),
}


def produce(production: Production, days: float, rng: np.random.Generator) -> Verdicts:
    """The verdicts of some days."""
    shifts = round(3 * days)
    count = shifts * production.parts
    columns = {}
    for name, (usual, spread) in USUAL.items():
        of_part = rng.normal(size=count)
        if production.memory:
            drive = rng.normal(size=count) * (1 - production.memory**2) ** 0.5
            drive[0] = rng.normal()
            of_part += lfilter([1], [1, -production.memory], drive)
        drive = (
            rng.standard_t(production.heavy, shifts) / (production.heavy / (production.heavy - 2)) ** 0.5
            if production.heavy
            else rng.normal(size=shifts)
        )
        drive[1:] *= (1 - production.persistence**2) ** 0.5
        of_shift = production.of_shift * lfilter([1], [1, -production.persistence], drive)
        of_shift = of_shift + production.of_clock * np.resize([1, 0, -1], shifts)
        if name == "raw_score":
            of_part += 10 * (rng.random(count) < production.defects)
        columns[name] = usual + spread * (of_part + np.repeat(of_shift, production.parts))
    at = START + (np.arange(count) * (SHIFT / production.parts)).astype(np.int64)
    raw, nothing = columns.pop("raw_score"), np.zeros(count, np.int64)
    return Verdicts(
        at=at, score=raw / 26, raw_score=raw, is_anomalous=raw > 13, model=nothing, optics=nothing, **columns
    )


def changed(verdicts: Verdicts, name: str, since: int, change: Callable[[np.ndarray], np.ndarray]) -> Verdicts:
    """The same, but a quantity is another from a time on."""
    values = getattr(verdicts, name).copy()
    values[verdicts.at >= since] = change(values[verdicts.at >= since])
    return replace(verdicts, **{name: values})


def found(verdicts: Verdicts, now: int | None = None) -> Finding:
    return judge(verdicts, REFERENCE, Shifts(), int(verdicts.at[-1]) + SHIFT if now is None else now)


def alarms_a_month(production: Production, lines: int, months: int, seed: int) -> tuple[int, float]:
    """Over some lines, each followed until its first alarm: how many had one, and the months that all were followed."""
    alarms, time = 0, 0.0
    for line in range(lines):
        verdicts = produce(production, months * MONTH, np.random.default_rng([seed, line]))
        first = min((alarm.at for alarm in found(verdicts).alarms), default=None)
        alarms += first is not None
        time += months if first is None else (first - START) / DAY / MONTH
    return alarms, time


def interval(alarms: int, time: float) -> tuple[float, float]:
    """The exact 95 % interval of a Poisson rate (Garwood, 1936)."""
    return (chi2.ppf(0.025, 2 * alarms) / 2 / time if alarms else 0.0), chi2.ppf(0.975, 2 * alarms + 2) / 2 / time


def delay(
    production: Production, name: str, size: float, seed: int, days: float = 15
) -> tuple[float, str, bool] | None:
    """Hours from a jump in the middle of a shift to the alarm, its cause, and whether it was sudden; None within 30 days.

    The jump is ``size`` standard deviations of parts, after ``days`` of usual production.
    """
    rng = np.random.default_rng([seed, 7])
    verdicts = produce(production, days + MONTH, rng)
    since = START + round(days * DAY) + SHIFT // 2
    spread = USUAL[name][1]
    alarms = found(changed(verdicts, name, since, lambda values: values + size * spread)).alarms
    after = [alarm for alarm in alarms if alarm.at >= since]
    if not after or len(after) < len(alarms):
        return None
    return (after[0].at - since) / HOUR, after[0].cause, after[0].is_sudden


def print_false_alarms(lines: int, months: int, seed: int) -> None:
    print(f"| production | alarms | months | a month (95 % interval) |\n|{'---|' * 4}")
    for name, production in PRODUCTIONS.items():
        some = max(2, lines // 5) if production.parts > 1000 else lines
        alarms, time = alarms_a_month(production, some, months, seed)
        low, high = interval(alarms, time)
        print(f"| {name} | {alarms} | {time:.0f} | {alarms / time:.3f} ({low:.3f} to {high:.3f}) |", flush=True)


def print_delays(lines: int, seed: int) -> None:
    print(f"| production | quantity | jump | noticed | median delay, 90 % | sudden | cause |\n|{'---|' * 7}")
    chosen = ("parts are independent", "neighbours are alike (0.9)", "shifts differ by 0.5", "shifts differ by 2")
    for name in chosen:
        for quantity in ("brightness", "raw_score"):
            for size in (0.5, 1.0, 2.0, 4.0):
                results = [delay(PRODUCTIONS[name], quantity, size, seed + line) for line in range(lines)]
                seen = [result for result in results if result is not None]
                hours = np.array([result[0] for result in seen] + [np.inf] * (lines - len(seen)))
                middle, most = np.quantile(hours, [0.5, 0.9], method="higher")
                causes = {cause: sum(result[1] == cause for result in seen) for cause in CAUSES}
                said = ", ".join(f"{cause} {count}" for cause, count in causes.items() if count)
                sudden = sum(result[2] for result in seen)
                what = f"{len(seen)} of {lines} | {middle:.1f} h, {most:.1f} h | {sudden}"
                print(f"| {name} | {quantity} | {size:g} | {what} | {said} |", flush=True)


def darker(photo: np.ndarray) -> np.ndarray:
    return cv2.convertScaleAbs(photo, alpha=0.8)


def blurred(photo: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(photo, (0, 0), max(photo.shape) / 512)


def moved(photo: np.ndarray) -> np.ndarray:
    shift = np.float32([[1, 0, 0.03 * photo.shape[1]], [0, 1, 0]])
    return cv2.warpAffine(photo, shift, photo.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


CHANGES = {"20 % darker": darker, "blurred by 1 pixel in 512": blurred, "moved by 3 % of the width": moved}


def measured(predictor: AnomalyPredictor, photos: list[np.ndarray]) -> np.ndarray:
    """What verdicts on photos hold, float64 [photos, 6], in the order of ``USUAL``."""
    rows = []
    for photo in photos:
        result, look = predictor.judge([photo])[0], appearance_of(photo)
        position = result.get("position") or {"found": False}
        offset = (*position["shift"], position["angle"]) if position["found"] else (np.nan, np.nan, np.nan)
        rows.append((look.brightness, look.sharpness, *offset, result["raw_score"]))
    return np.array(rows)


def print_pictures(model: str, dataset: str, lines: int, seed: int) -> None:
    """Lines whose parts are the photos of a data set at random, 300 a shift, and change in the middle of a shift."""
    predictor = AnomalyPredictor(model, device="cpu", quiet=True)
    assert predictor.folder.calibration is not None
    reference = replace(REFERENCE, scores=np.array(predictor.folder.calibration.scores))
    samples = [one for one in read_samples(dataset, VAL_LIST) if one.mask_path is None]
    photos = [one.read() for one in [*samples, *read_samples(dataset, TRAIN_LIST)][:100]]
    usual = measured(predictor, photos)
    spread = 1.4826 * np.nanmedian(np.abs(usual - np.nanmedian(usual, axis=0)), axis=0)
    print(
        f"| change | in standard deviations: {', '.join(USUAL)} | noticed | median delay, longest | cause |\n|{'---|' * 5}"
    )
    for words, change in CHANGES.items():
        other = measured(predictor, [change(photo) for photo in photos])
        sizes = ", ".join(f"{size:+.1f}" for size in np.nanmedian(other - usual, axis=0) / spread)
        hours, causes = [], []
        for line in range(lines):
            rng = np.random.default_rng([seed, line])
            count, shifts = 300 * 90, 90
            is_after = np.arange(count) >= 300 * 45 + 150
            drawn = rng.integers(len(photos), size=count)
            rows = np.where(is_after[:, None], other[drawn], usual[drawn])
            rows += 0.5 * spread * np.repeat(rng.normal(size=(shifts, len(USUAL))), 300, axis=0)
            verdicts = produce(Production(), shifts / 3, rng)
            columns = dict(zip(USUAL, rows.T, strict=True))
            alarms = judge(replace(verdicts, **columns), reference, Shifts(), int(verdicts.at[-1]) + SHIFT).alarms
            since = START + 45 * SHIFT + SHIFT // 2
            if alarms and alarms[0].at >= since:
                hours.append((alarms[0].at - since) / HOUR)
                causes.append(alarms[0].cause)
        said = ", ".join(f"{cause} {causes.count(cause)}" for cause in CAUSES if cause in causes)
        delays = f"{np.median(hours):.1f} h, {max(hours):.1f} h" if hours else "-"
        print(f"| {words} | {sizes} | {len(hours)} of {lines} | {delays} | {said} |", flush=True)


def plot(path: str, seed: int) -> None:
    """The charts of a line whose lamp loses a tenth of its light on the twentieth day."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    since = START + 20 * DAY
    verdicts = produce(PRODUCTIONS["shifts differ by 0.5"], MONTH, np.random.default_rng(seed))
    finding = found(changed(verdicts, "brightness", since, lambda values: 0.9 * values))
    figure, axes = pyplot.subplots(len(finding.charts), 3, figsize=(13, 2 * len(finding.charts)), sharex=True)
    for row, (name, chart) in zip(axes, finding.charts.items(), strict=True):
        days = [(point.at - START) / DAY for point in chart.points]
        drawn = ([point.value for point in chart.points], [point.sudden for point in chart.points])
        for axis, values, limit in zip(
            row, (*drawn, [point.lasting for point in chart.points]), (None, SUDDEN, LASTING), strict=True
        ):
            axis.plot(days, values, ".-", markersize=2, linewidth=0.5)
            for side in () if limit is None else (-limit, limit):
                axis.axhline(side, color="red", linewidth=0.8)
        row[0].set_ylabel(name)
        for alarm in finding.alarms:
            if alarm.quantity == name:
                row[0].axvline((alarm.at - START) / DAY, color="red")
    for axis, title in zip(axes[0], ("blocks", "sudden", "lasting"), strict=True):
        axis.set_title(title)
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shifts", action="store_true")
    parser.add_argument("--lines", type=int, default=100)
    parser.add_argument("--months", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", nargs=2, metavar=("MODEL", "DATASET"))
    parser.add_argument("--plot")
    options = parser.parse_args()
    if options.plot:
        plot(options.plot, options.seed)
    elif options.pictures:
        print_pictures(*options.pictures, options.lines, options.seed)
    elif options.shifts:
        print_delays(options.lines, options.seed)
    else:
        print_false_alarms(options.lines, options.months, options.seed)


if __name__ == "__main__":
    main()
