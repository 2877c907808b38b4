"""What is known about a weight file: architecture, origin, calibration. It stands beside the weights as ``.pdstates``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, cast

from paddlex.config_schema import TrainSection
from paddlex.errors import ConfigError, WeightsError
from paddlex.inference.checked import mapping, named, number, text
from paddlex.inference.model_facts import ModelFacts, OwnBlock, image_size, layer_names
from paddlex.inference.self_check import SelfCheck
from paddlex.inference.tiling import Tiling
from paddlex.inference.transforms import Transform
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES
from paddlex.modules.image_anomaly_detection.models import MODELS
from paddlex.utils.files import write_json
from paddlex.utils.strict import read_json

SUFFIX = ".pdstates"


def _training(value: Any) -> dict[str, Any]:
    return {key: named(key, _finite, one) for key, one in mapping(value).items()}


def _finite(value: Any) -> Any:
    """Whatever JSON can hold, but for NaN and infinity, which it should not."""
    if isinstance(value, Mapping):
        return _training(value)
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return number(value) if isinstance(value, float) else value


def _backbone(value: Any) -> str:
    return "" if value == "" else text(value)


def _layers(value: Any) -> tuple[str, ...]:
    return () if value == () else layer_names(value)  # a list from a file is not empty


@dataclass(frozen=True, kw_only=True)
class ModelCard(ModelFacts):
    """A model without its weights.

    Attributes:
        model_name: ``Global.model``.
        backbone, layers, image_size: the architecture, see ``ModelFacts``; "" and () for a model without a backbone.
        training: where in a training run the weights come from: epoch, step, scores; {} for a model made elsewhere.

    Raises:
        Invalid: a value that cannot be.
    """

    model_name: Annotated[str, text]
    backbone: Annotated[str, _backbone] = ""
    layers: Annotated[tuple[str, ...], _layers] = ()
    image_size: Annotated[int | tuple[int, int], image_size]
    training: Annotated[Mapping[str, Any], _training] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input, in pixels."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size

    @property
    def transform(self) -> Transform:
        """What makes the network's input of an image: normalised as the backbone's pictures were, or as most are."""
        (height, width), interpolation = self.size, MODELS[self.model_name].interpolation
        if not self.backbone:
            return Transform((width, height), interpolation=interpolation)
        backbone = BACKBONES[self.backbone]
        return Transform((width, height), backbone.mean, backbone.std, interpolation)

    def __str__(self) -> str:
        height, width = self.size
        tiles = f", {self.tiling}" if self.tiling else ""
        backbone = f", {self.backbone}" if self.backbone else ""
        return f"{self.model_name}{backbone}, {width} × {height} pixels{tiles}"

    def own_block(self, self_check: SelfCheck) -> OwnBlock:
        """Our block of inference.yml: everything but the course of the training, and the network's answer to the probe."""
        values = {one.name: getattr(self, one.name) for one in fields(ModelFacts)}
        facts = {name: value for name, value in values.items() if value not in ("", ())}
        return OwnBlock(**facts, self_check=self_check)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: what ``parse`` takes."""
        values = super().to_dict()
        return {key: value for key, value in values.items() if self.backbone or key not in ("backbone", "layers")}

    def save(self, weights: Path) -> Path:
        """Write the card beside a weight file; returns its path."""
        path = weights.with_suffix(SUFFIX)
        write_json(path, self.to_dict())
        return path

    @classmethod
    def from_config(cls, model_name: str, train: TrainSection) -> ModelCard:
        """The architecture, and the tiling, that a config describes.

        Raises:
            ConfigError: its image size is left to the photos, and there are none here.
        """
        if isinstance(train.image_size, str):
            what = f"the weights come without a card, and {train.image_size} says nothing of their input"
            raise ConfigError(what, where="Train.image_size", remedy="Set it to the size that they were trained with")
        return cls(
            model_name=model_name,
            image_size=cast(Any, train.image_size),
            tiling=Tiling.of(train.tiling.given()),
            **train.features(),
        )

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
            return cls.parse(read_json(path))
        except (OSError, ValueError) as error:
            raise WeightsError(
                f"the model's card is damaged: {error}", where=path, remedy="Restore it, or train again"
            ) from error
