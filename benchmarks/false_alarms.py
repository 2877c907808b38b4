"""What correcting false alarms does to a model: the first ones among its good parts, or apart, with no threshold on them.

    python benchmarks/false_alarms.py MODEL_FOLDER DATA_SET… [--parts 30] [--corrections 2]

For each data set (in the SegDataset format, with validation images) the model is refitted to the first ``--parts`` good parts.
Of the good validation images those with the highest scores above the threshold are corrected; where there are none, the one
with the highest score. Then it is refitted twice, and judges the other validation images.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from paddlex import create_model
from paddlex.data.dataset import TRAIN_LIST, VAL_LIST, read_samples


def judge(folder: Path, good: list[str], bad: list[str]) -> tuple[str, dict[str, float]]:
    """``threshold, found, false alarms`` as a row, and the scores of the good ones."""
    model = create_model(model_dir=str(folder), device="cpu")
    scores = {one["input_path"]: (one["raw_score"], one["is_anomalous"]) for one in model.predict([*good, *bad])}
    found, alarms = (sum(scores[name][1] for name in names) for names in (bad, good))
    limit = model.folder.calibration.image_threshold
    row = f"{limit:.3g} | {found} of {len(bad)} | {alarms} of {len(good)}"
    return row, {name: scores[name][0] for name in good if scores[name][1]} or {max(good, key=scores.get): 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--parts", type=int, default=30)
    parser.add_argument("--corrections", type=int, default=2)
    arguments = parser.parse_args()
    print("| data set | corrected | threshold | found | false alarms |\n|---|---|---|---|---|")
    for dataset in map(Path, arguments.datasets):
        images = [str(sample.image_path) for sample in read_samples(dataset, TRAIN_LIST)][: arguments.parts]
        val = read_samples(dataset, VAL_LIST)
        good = [str(sample.image_path) for sample in val if sample.mask is None]
        bad = [str(sample.image_path) for sample in val if sample.mask is not None]
        model = create_model(model_dir=arguments.model, device="cpu")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            model.refit(images, folder / "before")
            row, alarms = judge(folder / "before", good, bad)
            print(f"| {dataset.name} | none | {row} |", flush=True)
            corrected = sorted(alarms, key=alarms.get)[-arguments.corrections :]
            others = [one for one in good if one not in corrected]
            for how, refitted in (
                ("among", model.refit([*images, *corrected], folder / "among")),
                ("apart", model.refit(images, folder / "apart", false_alarms=corrected)),
            ):
                accepted = sum(
                    not one["is_anomalous"] for one in create_model(model_dir=str(refitted.path)).predict(corrected)
                )
                row, _ = judge(refitted.path, others, bad)
                print(f"| {dataset.name} | {len(corrected)} {how}, {accepted} accepted | {row} |", flush=True)


if __name__ == "__main__":
    main()
