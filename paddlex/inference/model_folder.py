"""The inference folder: a graph, its weights, and inference.yml, which says how to use them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from paddlex.errors import ModelError, remedy_of
from paddlex.inference.archive import unpack
from paddlex.inference.calibration import Calibration
from paddlex.inference.checked import Check, Invalid, named, number, rate, share, text
from paddlex.inference.model_facts import OwnBlock
from paddlex.inference.postprocess import PADDLEX_LIMITS, Limit, Limits
from paddlex.inference.thresholds import doubt, image_threshold
from paddlex.inference.transforms import Transform
from paddlex.utils.files import write_text
from paddlex.utils.paths import advice_for_missing
from paddlex.utils.strict import Malformed, read_yaml

CONFIG_NAME = "inference.yml"
GRAPH_NAMES = ("inference.pdmodel", "inference.json")
PARAMS_NAME = "inference.pdiparams"
ONNX_NAME = "inference.onnx"
INT8_NAME = "inference_int8.onnx"
#: From a picture to its verdict, for programs without this package.
COMPLETE_NAME = "inference_complete.onnx"

#: Our own block of inference.yml; upstream PaddleX passes over it.
OWN_BLOCK = "AnomalyDetection"

#: Where a training run puts its inference folder, below ``Global.output``.
NESTED_FOLDERS = ("best_model/inference", "inference")


@dataclass(frozen=True)
class ModelFolder:
    """What inference.yml says, checked.

    Attributes:
        path: the folder.
        model_name: ``Global.model_name``, such as STFPM or PatchCore.
        transform: from an image to the network's input.
        own: our block of inference.yml: calibration, architecture, weights; an empty one for a model made elsewhere.
    """

    path: Path
    model_name: str
    transform: Transform
    own: OwnBlock = field(default_factory=OwnBlock)

    @property
    def is_calibrated(self) -> bool:
        return self.calibration is not None

    @property
    def calibration(self) -> Calibration | None:
        """The model's thresholds and what they rest on; None where it was never calibrated."""
        return self.own.calibration

    @property
    def has_paddle_graph(self) -> bool:
        return any((self.path / name).is_file() for name in GRAPH_NAMES)

    @property
    def output(self) -> int:
        """Which output of the graph is the anomaly map: 0 is the paper's, 1 the calibrated one."""
        return int(self.calibration is not None and self.calibration.fusion == "calibrated")

    def limits_at(
        self,
        *,
        threshold: float | None = None,
        score_threshold: float | None = None,
        target_fpr: float | None = None,
        min_area: float | None = None,
    ) -> Limits:
        """The limits, with another image threshold or smallest region if one is given.

        Args:
            threshold: a raw image score; for the map too, if the model has no limits of its own.
            score_threshold: the same on the scale of the model's own scores, above 0 and below 1, where 0.5 is the model's
                own threshold. The scale then moves along: the score of an image at the new threshold is 0.5.
            target_fpr: the share of normal images that may be called anomalous; the threshold is found anew from the
                scores of the calibration images, which travel with the model.
            min_area: share of the image below which a region is left out of the mask.

        Raises:
            ModelError: two image thresholds, a value out of range, a rate for a model without calibration scores, or no
                ``threshold`` for one without limits.
        """
        ways = {"threshold": threshold, "score_threshold": score_threshold, "target_fpr": target_fpr}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) > 1:
            raise ModelError(f"both {given[0]} and {given[1]} are given", remedy="Give one of them")
        limits = self.limits if self.has_limits or threshold is None else _one_threshold(threshold)
        if min_area is not None:
            limits = replace(limits, min_area=checked_argument("min_area", share, min_area))
        if threshold is not None:
            raw, source = checked_argument("threshold", number, threshold), "given by the user"
        elif score_threshold is not None:
            score = checked_argument("score_threshold", rate, score_threshold)
            raw, source = limits.image.raw(score), f"a score of {score:g} on the model's own scale, given by the user"
        elif target_fpr is not None:
            raw, method = self._threshold_at(checked_argument("target_fpr", rate, target_fpr))
            source = f"target_fpr {target_fpr:g}, {method}"
        else:
            return limits
        return replace(limits, image=limits.image.moved_to(raw), source=source)

    def doubt(self, limits: Limits, target_fpr: float | None = None) -> str | None:
        """What speaks against an image threshold: that it is far out of the range of the calibration scores.

        Args:
            limits: as ``limits_at`` gave them.
            target_fpr: the share of normal images that was asked for, if one was.

        Returns:
            A sentence for a warning; None if nothing speaks against it, or the model has no calibration scores.
        """
        if self.calibration is None:
            return None
        return doubt(self.calibration.scores, limits.image.threshold, target_fpr or 0.0)

    def _threshold_at(self, target_fpr: float) -> tuple[float, str]:
        where = self.path / CONFIG_NAME
        if self.calibration is None:
            raise ModelError("the model has no calibration scores", where=where, remedy="Give threshold instead")
        try:
            return image_threshold(self.calibration.scores, target_fpr)
        except ValueError as error:
            remedy = "Give a larger one, or score_threshold instead"
            raise ModelError(f"target_fpr cannot be held: {error}", where=where, remedy=remedy) from error

    @property
    def has_limits(self) -> bool:
        """Whether anything says where normal ends."""
        return self.is_calibrated or self.model_name in PADDLEX_LIMITS

    @property
    def limits(self) -> Limits:
        """The calibrated limits; for a model of PaddleX's without any, PaddleX's constant.

        Raises:
            ModelError: neither is there.
        """
        if self.calibration is not None:
            return self.calibration.limits
        if self.has_limits:
            return PADDLEX_LIMITS[self.model_name]
        raise ModelError(
            f"the {self.model_name} model is not calibrated: nothing says from which score on a part is anomalous",
            where=self.path / CONFIG_NAME,
            remedy="Train it again, which calibrates it, or give threshold, a raw score",
        )

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
            OWN_BLOCK: self.own.to_dict(),
        }
        write_text(
            path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
        )


#: Files that models consist of, and that are given in the place of the folder.
_NO_ARCHIVES = (
    ".pdparams",
    ".pdema",
    ".pdopt",
    ".pdstates",
    ".pdmodel",
    ".pdiparams",
    ".info",
    ".onnx",
    ".yml",
    ".yaml",
    ".json",
)


def open_model_folder(path: str | os.PathLike[str]) -> ModelFolder:
    """Read the inference.yml of a folder, of the inference folder inside a training run's output, or of an exported .tar.

    Raises:
        ModelError: the folder, its inference.yml or a needed key is missing or not understood.
    """
    folder = Path(path).expanduser()
    if not folder.exists():
        raise ModelError("the model folder does not exist", where=folder, remedy=advice_for_missing(folder))
    if folder.is_file() and folder.suffix.lower() in _NO_ARCHIVES:
        remedy = f"Give the folder that it is in: {folder.parent}"
        raise ModelError("a model is a folder, and this is one of its files", where=folder, remedy=remedy)
    if folder.is_file():
        folder = unpack(folder)
    for candidate in _candidates(folder):
        if (candidate / CONFIG_NAME).is_file():
            return _read(candidate)
    raise ModelError(f"the folder holds no {CONFIG_NAME}", where=folder, remedy="Give the folder that export wrote")


def holds_model(folder: Path) -> bool:
    """Whether a folder is what ``open_model_folder`` takes, whole or damaged."""
    return any((candidate / CONFIG_NAME).is_file() for candidate in _candidates(folder))


def _candidates(folder: Path) -> list[Path]:
    """Where the inference.yml of a folder may be."""
    return [folder, *(folder / nested for nested in NESTED_FOLDERS)]


def _read(folder: Path) -> ModelFolder:
    where = folder / CONFIG_NAME
    lines: dict[str, int] = {}
    try:
        content = read_yaml(where, lines)
        model_name = named("Global.model_name", text, content["Global"]["model_name"])
        deploy_transforms = content["Deploy"]["transforms"]
        own = _own_block(content)
    except OSError as error:
        reason = error.strerror or error
        remedy = remedy_of(error, "Export it again")
        raise ModelError(f"inference.yml cannot be read: {reason}", where=where, remedy=remedy) from error
    except Malformed as error:
        raise ModelError(f"inference.yml {error}", where=error.where(where), remedy="Export it again") from None
    except Invalid as error:
        line = lines.get(error.key.partition("[")[0])
        raise ModelError(
            str(error),
            where=where if line is None else f"{where} line {line}",
            remedy="Correct it, or export the model again",
        ) from None
    except (KeyError, TypeError) as error:
        raise ModelError(
            "the folder holds no model for anomaly detection: its inference.yml lacks Global.model_name or Deploy.transforms",
            where=where,
            remedy="Give the folder that training or mode export wrote",
        ) from error
    return ModelFolder(
        path=folder,
        model_name=model_name,
        transform=Transform.from_deploy(deploy_transforms, where),
        own=own,
    )


def _own_block(content: Mapping[str, Any]) -> OwnBlock:
    """Our block, checked; an empty one where there is none, as in models that PaddleX has made."""
    if OWN_BLOCK not in content:
        near = difflib.get_close_matches(OWN_BLOCK, content, n=1, cutoff=0.8)
        if near:
            raise Invalid(f"is not known; perhaps {OWN_BLOCK} is meant", near[0])
        return OwnBlock()
    own: OwnBlock = named(OWN_BLOCK, OwnBlock.parse, content[OWN_BLOCK])
    if own.self_check is None:
        raise Invalid("is missing: no backend could be held against it", f"{OWN_BLOCK}.self_check")
    return own


def _one_threshold(threshold: float) -> Limits:
    """Limits of a model that has none: an image is anomalous where a pixel of its map is."""
    limit = Limit(1.0).moved_to(checked_argument("threshold", number, threshold))
    return Limits(limit, limit, "given by the user")


def checked_argument(name: str, check: Check, value: object) -> Any:
    """An argument that a user gave, checked."""
    try:
        return named(name, check, value)
    except Invalid as error:
        raise ModelError(str(error), remedy=f"Change {name}") from None
