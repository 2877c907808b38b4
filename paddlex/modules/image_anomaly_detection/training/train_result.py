"""What train_result.json says, in PaddleX's keys. All paths are relative to ``Global.output``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddlex.inference.model_folder import CONFIG_NAME, GRAPH_NAMES, PARAMS_NAME
from paddlex.modules.image_anomaly_detection.model_card import SUFFIX
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.modules.image_anomaly_detection.training.suspects import PAGE

#: label_dict.txt, in PaddleX's format.
LABELS = "0 normal\n1 anomalous\n"

#: Key -> file below a model's folder; a model has those that mean something for it.
_FILES = {
    "pdparams": "model.pdparams",
    "pdema": "model.pdema",
    "pdopt": "model.pdopt",
    "pdstates": f"model{SUFFIX}",
    "inference_config": f"inference/{CONFIG_NAME}",
    "pdmodel": f"inference/{GRAPH_NAMES[0]}",
    "pdiparams": f"inference/{PARAMS_NAME}",
    "pdiparams.info": f"inference/{PARAMS_NAME}.info",
}


def describe_training(fitted: Fitted, output: Path, minutes: float) -> dict[str, Any]:
    """The content of train_result.json.

    Args:
        fitted: what the training has left.
        output: ``Global.output``.
        minutes: how long the training took.
    """
    folders = sorted(fitted.folders.items(), reverse=True)
    return {
        "model_name": fitted.card.model_name,
        "config": "config.yaml",
        "label_dict": "label_dict.txt",
        "train_log": "train.log",
        "visualdl_log": "",
        "models": {name: _model(folder, output, fitted.scores.get(name)) for name, folder in folders},
        **fitted.facts,
        "suspects": [one.to_dict() for one in fitted.suspects],
        "suspects_page": PAGE if fitted.suspects else None,
        "warnings": list(fitted.warnings),
        "minutes": round(minutes, 2),
        "teacher_weights": dict(fitted.card.teacher_weights),
    }


def _model(folder: Path, output: Path, score: float | None) -> dict[str, Any]:
    files = {key: folder / name for key, name in _FILES.items()}
    there = {key: path.relative_to(output).as_posix() for key, path in files.items() if path.is_file()}
    return there if score is None else {"score": score, **there}
