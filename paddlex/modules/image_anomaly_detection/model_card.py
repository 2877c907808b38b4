"""What is known about a weight file: architecture, origin, calibration. It stands beside the weights as ``.pdstates``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from paddlex.config_schema import TrainSection
from paddlex.errors import WeightsError
from paddlex.inference.tiling import Tiling
from paddlex.inference.transforms import Transform
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES
from paddlex.utils.files import write_json

SUFFIX = ".pdstates"


@dataclass(frozen=True)
class ModelCard:
    """A model without its weights.

    Attributes:
        model_name: ``Global.model``.
        backbone, layers, image_size: the architecture, as in the config.
        teacher_weights: {source, sha256} of the weights that the teacher was made with.
        tiling: ``Tiling.to_dict()`` where the model is for tiles of large photos; {} where it is for whole ones.
        calibration: ``Calibration.to_dict()``, or None where the model was never calibrated.
        training: where in a training run the weights come from: epoch, step, scores; {} for a model made elsewhere.
    """

    model_name: str
    backbone: str
    layers: tuple[str, ...]
    image_size: int
    teacher_weights: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    tiling: Mapping[str, Any] = field(default_factory=dict)

    @property
    def transform(self) -> Transform:
        backbone = BACKBONES[self.backbone]
        return Transform((self.image_size, self.image_size), backbone.mean, backbone.std)

    @property
    def tiles(self) -> Tiling | None:
        """``tiling`` as ``Tiling``; None for whole photos."""
        return Tiling.of(self.tiling or None)

    def deploy_block(self) -> dict[str, Any]:
        """Our block of inference.yml: everything but the course of the training."""
        values = {key: value for key, value in asdict(self).items() if key not in ("model_name", "training")}
        values["layers"] = list(self.layers)
        return {key: value for key, value in values.items() if value}

    def save(self, weights: Path) -> Path:
        """Write the card beside a weight file; returns its path."""
        path = weights.with_suffix(SUFFIX)
        write_json(path, asdict(self))
        return path

    @classmethod
    def from_config(cls, model_name: str, train: TrainSection) -> ModelCard:
        """The architecture, and the tiling, that a config describes."""
        tiling = Tiling.of(train.tiling.given())
        layers = tuple(sorted(set(train.layers)))
        return cls(model_name, train.backbone, layers, train.image_size, tiling=tiling.to_dict() if tiling else {})

    @classmethod
    def load(cls, weights: Path) -> ModelCard | None:
        """Read the card beside a weight file; None if there is none.

        Raises:
            WeightsError: there is one, and it is damaged.
        """
        path = weights.with_suffix(SUFFIX)
        if not path.is_file():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**values, "layers": tuple(values["layers"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(
                f"the model's card is damaged: {error}", where=path, remedy="Restore it, or train again"
            ) from error
