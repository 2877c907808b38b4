"""The inference folder: a graph, its weights, and inference.yml, which says how to use them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from paddlex.errors import ModelError
from paddlex.inference.postprocess import PADDLEX_LIMITS, Limit, Limits
from paddlex.inference.transforms import Transform
from paddlex.utils.files import write_text

CONFIG_NAME = "inference.yml"
GRAPH_NAMES = ("inference.pdmodel", "inference.json")
PARAMS_NAME = "inference.pdiparams"

#: Our own block of inference.yml; upstream PaddleX passes over it.
OWN_BLOCK = "AnomalyDetection"

#: Where a training run puts its inference folder, below ``Global.output``.
NESTED_FOLDERS = ("best_model/inference", "inference")


@dataclass(frozen=True)
class ModelFolder:
    """What inference.yml says, checked.

    Attributes:
        path: the folder.
        model_name: ``Global.model_name``, such as STFPM.
        transform: from an image to the network's input.
        own: our block of inference.yml as it stands: calibration, architecture, weights; {} for a model made elsewhere.
    """

    path: Path
    model_name: str
    transform: Transform
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_calibrated(self) -> bool:
        return "calibration" in self.own

    @property
    def output(self) -> int:
        """Which output of the graph is the anomaly map: 0 is the paper's, 1 the calibrated one."""
        return int(self.is_calibrated and self.own["calibration"].get("fusion") == "calibrated")

    @property
    def limits(self) -> Limits:
        """The calibrated limits, or PaddleX's constant where there are none.

        Raises:
            ModelError: the calibration cannot be read.
        """
        if not self.is_calibrated:
            return PADDLEX_LIMITS
        try:
            calibration = self.own["calibration"]
            image, pixel = (
                Limit(float(calibration[f"{kind}_threshold"]), float(calibration[f"{kind}_typical"]))
                for kind in ("image", "pixel")
            )
            return Limits(image, pixel, str(calibration["method"]), float(calibration.get("region_cut", 0)))
        except (KeyError, TypeError, ValueError) as error:
            where = self.path / CONFIG_NAME
            raise ModelError(
                f"the calibration cannot be read ({error})", where=where, remedy="Export it again"
            ) from error

    @property
    def graph(self) -> Path:
        """The graph's file, .pdmodel or PaddlePaddle 3's .json.

        Raises:
            ModelError: there is none.
        """
        for name in GRAPH_NAMES:
            if (self.path / name).is_file():
                return self.path / name
        raise ModelError(f"the folder has no {' or '.join(GRAPH_NAMES)}", where=self.path, remedy="Export it again")

    @property
    def params(self) -> Path:
        return self.path / PARAMS_NAME

    def write_config(self, path: Path) -> None:
        """Write inference.yml to ``path``."""
        width, height = self.transform.size
        content = {
            "Global": {"model_name": self.model_name},
            "Deploy": {
                "model": GRAPH_NAMES[0],
                "params": PARAMS_NAME,
                "input_shape": [-1, 3, height, width],
                "transforms": self.transform.to_deploy(),
            },
            OWN_BLOCK: dict(self.own),
        }
        write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def open_model_folder(path: str | os.PathLike[str]) -> ModelFolder:
    """Read the inference.yml of a folder, or of the inference folder inside a training run's output.

    Raises:
        ModelError: the folder, its inference.yml or a needed key is missing or not understood.
    """
    folder = Path(path)
    if not folder.exists():
        raise ModelError("the model folder does not exist", where=folder, remedy="Train or export a model first")
    for candidate in (folder, *(folder / nested for nested in NESTED_FOLDERS)):
        if (candidate / CONFIG_NAME).is_file():
            return _read(candidate)
    raise ModelError(f"the folder holds no {CONFIG_NAME}", where=folder, remedy="Give the folder that export wrote")


def _read(folder: Path) -> ModelFolder:
    where = folder / CONFIG_NAME
    try:
        content = yaml.safe_load(where.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"inference.yml cannot be read: {reason}", where=where, remedy="Export it again") from error
    try:
        model_name = str(content["Global"]["model_name"])
        deploy_transforms = content["Deploy"]["transforms"]
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"inference.yml lacks Global.model_name or Deploy.transforms ({error})",
            where=where,
            remedy="Export it again",
        ) from error
    own = content.get(OWN_BLOCK) or {}
    if not isinstance(own, Mapping) or not isinstance(own.get("calibration", {}), Mapping):
        raise ModelError(f"{OWN_BLOCK} in inference.yml cannot be read", where=where, remedy="Export it again")
    return ModelFolder(
        path=folder,
        model_name=model_name,
        transform=Transform.from_deploy(deploy_transforms, where),
        own=own,
    )
