"""What train_result.json says, in PaddleX's keys. All paths are relative to ``Global.output``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddlex.inference.model_folder import CONFIG_NAME, GRAPH_NAMES, PARAMS_NAME
from paddlex.modules.image_anomaly_detection.model_card import SUFFIX, ModelCard
from paddlex.modules.image_anomaly_detection.training.completion import INFERENCE
from paddlex.modules.image_anomaly_detection.training.gradient.checkpoint import EMA, OPTIMISER, WEIGHTS, Run

#: Beside train_result.json.
TRAIN_CURVE = "train_curve.png"

#: label_dict.txt, in PaddleX's format.
LABELS = "0 normal\n1 anomalous\n"


def describe_training(
    run: Run,
    folders: Mapping[str, Path],
    output: Path,
    model_name: str,
    minutes: float,
    warnings: Sequence[str] = (),
    visualdl_log: Path | None = None,
    previous_best: Path | None = None,
) -> dict[str, Any]:
    """The content of train_result.json.

    Args:
        run: a finished run.
        folders: {best, last_1}: folders below ``output`` with model.* and inference/.
        output: ``Global.output``.
        model_name: ``Global.model``.
        minutes: how long the training took.
        warnings: what the user should know.
        visualdl_log: below ``output``; None if there is none.
        previous_best: below ``output``, the best model of the training before; None if there is none.
    """
    selection = run.settings["best_by"]
    return {
        "model_name": model_name,
        "config": "config.yaml",
        "label_dict": "label_dict.txt",
        "train_log": "train.log",
        "visualdl_log": "" if visualdl_log is None else visualdl_log.relative_to(output).as_posix(),
        "train_curve": TRAIN_CURVE,
        "models": {name: _model(folder, output, selection) for name, folder in sorted(folders.items(), reverse=True)},
        "previous_best_model": None if previous_best is None else previous_best.relative_to(output).as_posix(),
        "best_chosen_by": f"validation {selection}" if selection == "auroc" else "loss on held-out normal images",
        "best_epoch": run.progress.best_epoch,
        "epochs": run.progress.epoch,
        "start_loss": run.progress.start_loss,
        "history": run.progress.history,
        "warnings": list(warnings),
        "minutes": round(minutes, 2),
        "teacher_weights": dict(run.card.teacher_weights),
    }


def _model(folder: Path, output: Path, selection: str) -> dict[str, Any]:
    card = ModelCard.load(folder / WEIGHTS)
    last = card.training["history"][-1] if card else {}
    inference = folder / INFERENCE
    files = {
        "pdparams": folder / WEIGHTS,
        "pdema": folder / EMA,
        "pdopt": folder / OPTIMISER,
        "pdstates": (folder / WEIGHTS).with_suffix(SUFFIX),
        "inference_config": inference / CONFIG_NAME,
        "pdmodel": inference / GRAPH_NAMES[0],
        "pdiparams": inference / PARAMS_NAME,
        "pdiparams.info": inference / f"{PARAMS_NAME}.info",
    }
    score = last["image_auroc"] if selection == "auroc" else last["held_out_loss"]
    return {"score": score, **{key: path.relative_to(output).as_posix() for key, path in files.items()}}
