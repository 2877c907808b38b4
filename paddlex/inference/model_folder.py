"""The inference folder: a graph, its weights, and inference.yml, which says how to use them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from paddlex.errors import ModelError
from paddlex.inference.archive import unpack
from paddlex.inference.postprocess import PADDLEX_LIMITS, Limit, Limits
from paddlex.inference.thresholds import image_threshold
from paddlex.inference.tiling import Tiling
from paddlex.inference.transforms import Transform
from paddlex.utils.files import write_text

CONFIG_NAME = "inference.yml"
GRAPH_NAMES = ("inference.pdmodel", "inference.json")
PARAMS_NAME = "inference.pdiparams"
ONNX_NAME = "inference.onnx"
INT8_NAME = "inference_int8.onnx"

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
    def self_check(self) -> Mapping[str, Any] | None:
        """The network's answer to ``self_check.probe`` when it was exported; None for a model made elsewhere."""
        answer: Mapping[str, Any] | None = self.own.get("self_check")
        return answer

    @property
    def has_paddle_graph(self) -> bool:
        return any((self.path / name).is_file() for name in GRAPH_NAMES)

    @property
    def output(self) -> int:
        """Which output of the graph is the anomaly map: 0 is the paper's, 1 the calibrated one."""
        return int(self.is_calibrated and self.own["calibration"].get("fusion") == "calibrated")

    @property
    def tiling(self) -> Tiling | None:
        """How the images were cut that the model was trained on and calibrated with; None for whole images.

        Raises:
            ModelError: it cannot be read.
        """
        return Tiling.of(self.own.get("tiling"))

    def limits_at(
        self, threshold: float | None = None, target_fpr: float | None = None, min_area: float | None = None
    ) -> Limits:
        """The limits, with another image threshold or smallest region if one is given.

        Args:
            threshold: a raw image score.
            target_fpr: the share of normal images that may be called anomalous; the threshold is found anew from the
                scores of the calibration images, which travel with the model.
            min_area: share of the image below which a region is left out of the mask.

        Raises:
            ModelError: both a threshold and a rate, a value out of range, or a model without calibration scores.
        """
        limits, where = self.limits, self.path / CONFIG_NAME
        if threshold is not None and target_fpr is not None:
            raise ModelError("both threshold and target_fpr are given", remedy="Give one of them")
        if min_area is not None:
            if not 0 <= min_area < 1:
                raise ModelError(f"min_area {min_area} is no share of the image", remedy="Give 0 or more, below 1")
            limits = replace(limits, min_area=min_area)
        if target_fpr is not None:
            if "scores" not in self.own.get("calibration", {}):
                raise ModelError("the model has no calibration scores", where=where, remedy="Give threshold instead")
            try:
                threshold, source = image_threshold(self.own["calibration"]["scores"], target_fpr)
            except (TypeError, ValueError) as error:
                raise ModelError(f"target_fpr cannot be held: {error}", where=where) from error
            except ImportError as error:
                raise ModelError(
                    f"{len(self.own['calibration']['scores'])} calibration scores are too few for target_fpr {target_fpr:g}: the "
                    f"limit has to be extrapolated, which needs {error.name}",
                    where=where,
                    remedy="pip install scipy, or give threshold instead",
                ) from error
            return replace(
                limits, image=limits.image.moved_to(threshold), source=f"target_fpr {target_fpr:g}, {source}"
            )
        if threshold is not None:
            return replace(limits, image=limits.image.moved_to(threshold), source="given by the user")
        return limits

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
            region_cut, min_area = (float(calibration.get(key, 0)) for key in ("region_cut", "min_area"))
            return Limits(image, pixel, str(calibration["method"]), region_cut, min_area)
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
        """The weights' file.

        Raises:
            ModelError: it is not there.
        """
        if (self.path / PARAMS_NAME).is_file():
            return self.path / PARAMS_NAME
        raise ModelError(f"the folder has no {PARAMS_NAME}", where=self.path, remedy="Export it again")

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
        write_text(
            path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
        )


def open_model_folder(path: str | os.PathLike[str]) -> ModelFolder:
    """Read the inference.yml of a folder, of the inference folder inside a training run's output, or of an exported .tar.

    Raises:
        ModelError: the folder, its inference.yml or a needed key is missing or not understood.
    """
    folder = Path(path)
    if not folder.exists():
        raise ModelError("the model folder does not exist", where=folder, remedy="Train or export a model first")
    if folder.is_file():
        folder = unpack(folder)
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
