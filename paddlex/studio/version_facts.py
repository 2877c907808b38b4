"""What is told of a version: its row, and what the model's folder says of itself."""

from __future__ import annotations

import shlex
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from paddlex.errors import ModelError
from paddlex.inference.model_folder import ModelFolder, open_model_folder
from paddlex.studio.database.schema import Job, Product, Version
from paddlex.studio.gate_rule import Count
from paddlex.studio.workspace import Workspace


def version_json(workspace: Workspace, product: Product, version: Version) -> dict[str, Any]:
    """A version as the page has it; of a damaged folder what it says of itself is None."""
    folder = workspace.path / version.folder
    return {
        "id": version.id,
        "number": version.number,
        "how": version.how,
        "pictures": version.pictures,
        "parent": version.parent_id,
        "madeAt": version.made_at,
        "madeBy": version.made_by,
        "isLive": version.id == product.live_id,
        "isShadow": version.id == product.shadow_id,
        "liveAt": version.live_at,
        "gate": version.gate or None,
        "digest": version.digest,
        "folder": version.folder,
        "command": command(folder, version.threshold),
        "detectability": _detectability(workspace, version),
        **_of_folder(folder, version),
    }


def command(folder: Path, threshold: float | None, pictures: str = "PICTURES") -> str:
    """The shell command that gives the same verdicts."""
    parts = ["paddlex", "--pipeline", "anomaly_detection", "--model_dir", str(folder)]
    if threshold is not None:
        parts.append(f"--threshold={threshold!r}")  # it may begin with a minus
    return shlex.join([*parts, "--input", pictures])


def _detectability(workspace: Workspace, version: Version) -> dict[str, Any] | None:
    """How many drawn defects it finds, as its training or a look after its refit has told; None where that is not known."""
    made_it = select(Job.result).where(
        Job.product_id == version.product_id, Job.state == "done", Job.result["version"].as_integer() == version.id
    )
    with workspace.reading() as session:
        told = [result.get("detectability") for result in session.scalars(made_it.order_by(Job.id))]
    drawn = next((one for one in reversed(told) if one and one["drawn"]), None)
    if drawn is None:
        return None
    found, of = drawn["found"], drawn["drawn"]
    words = {"en": f"It finds {found} of {of} drawn defects", "zh": f"{of} 个模拟缺陷中发现 {found} 个"}
    return {"found": found, "drawn": of, "share": found / of, "words": words}


def _of_folder(folder: Path, version: Version) -> dict[str, Any]:
    try:
        model = opened_folder(folder, version.digest)
        limit = model.limits_at(threshold=version.threshold).image
    except ModelError as error:
        nothing = dict.fromkeys(("threshold", "ownThreshold", "typical", "targetFpr", "falseAlarms", "modelName"))
        return {**nothing, "scores": [], "error": error.what}
    calibration = model.calibration
    scores = [] if calibration is None else calibration.scores
    return {
        "modelName": model.model_name,
        "threshold": limit.threshold,
        "ownThreshold": model.limits.image.threshold if model.has_limits else None,
        "typical": limit.typical,
        "targetFpr": None if calibration is None else calibration.target_fpr,
        "scores": scores,
        "falseAlarms": Count(sum(score > limit.threshold for score in scores), len(scores)).to_json(),
        "error": None,
    }


@lru_cache(maxsize=64)
def opened_folder(folder: Path, digest: str) -> ModelFolder:
    """The folder of a version never changes: it is read once."""
    return open_model_folder(folder)
